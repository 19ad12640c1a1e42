/* Distribution client: one object for a run, with its connections, challenges and tokens.
 *
 * It asks its owner for the credential of a host (pq_registry_identity) and answers the host's challenge with it: Basic
 * (RFC 7617), or a bearer token from the realm that the registry names (distribution spec, "Token Authentication"). A
 * realm gets the credential only when it is the registry's own host or of the same registrable domain; a token is kept
 * for its scope and life.
 *
 * `host` is always host[:port] as in a reference; "docker.io" is taken to its registry by itself. */
#pragma once

#include "auth/common/credential.h"
#include "net/http.h"

typedef struct pq_registry pq_registry;

/* Who we are at `host`. Leaves `out` empty (no secret) for anonymous. Called at most once for each host, and once more
 * after the host refused an expired credential (`again`). */
typedef bool pq_registry_identity(void *context, const char *host, bool again, pq_credential *out, pq_error *err);

/* What hosts that share an identity have in common: it is asked for at one of them at a time. NULL for none. Owned. */
typedef char *pq_registry_group(void *context, const char *host);

typedef struct pq_registry_options {
    pq_http *http; /* borrowed */
    pq_registry_identity *identity;
    pq_registry_group *group; /* NULL when no host shares */
    void *identity_context;   /* of both */
    const char *certs_dir;    /* holds HOST/{ca.crt,client.cert,client.key}; NULL: /etc/docker/certs.d */
} pq_registry_options;

#define PQ_AUTO_REGISTRY PQ_CLEANUP(pq_registry_cleanup) pq_registry

pq_registry *pq_registry_new(const pq_registry_options *options) PQ_MUST_USE;
void pq_registry_free(pq_registry *registry);
void pq_registry_cleanup(pq_registry **registry);
pq_http *pq_registry_http(pq_registry *registry); /* borrowed */

/* The host is asked without TLS from now on; false, and nothing changes, when it is not this machine's loopback. Before
 * the first call that goes there. */
bool pq_registry_allow_plain(pq_registry *registry, const char *host);

/* One request below /v2/, with authentication. Pointers are borrowed until it is done. */
typedef struct pq_registry_call {
    const char *host;
    const char *repository; /* NULL only for the ping, `path` "" */
    bool push;              /* needs push rights */
    bool token_only;        /* get a token for it and ask nothing of the registry: the answer is empty (status 0) */
    const char *method;
    const char *path;  /* behind /v2/REPOSITORY/; or an absolute URL that the registry gave */
    const char *where; /* for errors */
    const pq_strings *headers;
    const void *body;
    size_t body_length;
    int body_fd; /* when `body` is NULL and `body_length` is not 0 */
    size_t answer_cap;
    bool repeatable;
    bool resumable;     /* see pq_http_request */
    bool keep_redirect; /* a redirect is the answer: it is not followed */
    pq_http_sink *sink;
    void *sink_context;
} pq_registry_call;

/* Called once, with an answer of any status or an error. May steal their contents and start further calls. */
typedef pq_http_done pq_registry_done;
void pq_registry_start(pq_registry *registry, const pq_registry_call *call, pq_registry_done *done, void *context);
/* The same, waited for. */
bool pq_registry_do(pq_registry *registry, const pq_registry_call *call, pq_http_answer *out,
                    pq_error *err) PQ_MUST_USE;
/* Runs until all calls are done. */
void pq_registry_run(pq_registry *registry);

/* Turns an answer that is not 2xx into an error with the registry's own reason; false. */
bool pq_registry_refused(pq_registry *registry, const pq_registry_call *call, const pq_http_answer *answer,
                         pq_error *err);
/* The words for the identity that a host got: "secret aws_creds, profile default", or "anonymous"; NULL when it did not
 * come to that. */
const char *pq_registry_identity_words(pq_registry *registry, const char *host);

typedef enum pq_push_right {
    PQ_PUSH_UNKNOWN = 0, /* not asked, or not told */
    PQ_PUSH_NO,
    PQ_PUSH_YES,
} pq_push_right;

/* What the token that a host gave for pushing to a repository says, once a call with `push` was made: unknown where
 * there is none, or it is not one that can be read. Nothing is sent. */
pq_push_right pq_registry_token_right(pq_registry *registry, const char *host, const char *repository);
/* When the credential used at a host ends; 0 when unknown. */
time_t pq_registry_identity_expires(pq_registry *registry, const char *host);

/* The four manifest types, as an Accept header. */
extern const char pq_accept_manifests[];
