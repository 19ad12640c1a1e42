/* HTTP client: one set of connections for the whole run, over libcurl's multi interface.
 *
 * What it promises its callers:
 *  - an `authorization` goes only over TLS or to this machine's loopback, and only to the origin that it was given for:
 * a redirect to another scheme, host or port drops it (RFC 9110, section 15.4);
 *  - nothing waits forever: connecting, and any time without progress, are bounded;
 *  - 429, 502, 503, 504 and lost connections are tried again where that is safe, with jitter and Retry-After; who asks
 *    for more than a minute of patience is not tried again;
 *  - answers are bounded by the caller's cap.
 *
 * Trust is a CA file or a hashed directory; the bundle of a whole distribution is parsed only where there is neither
 * (it costs some 18 ms at every start). */
#pragma once

#include "base/error.h"
#include "base/secret.h"
#include "base/text.h"

typedef struct pq_http pq_http;

typedef struct pq_http_options {
    const char *ca_file;      /* trust just this file (SSL_CERT_FILE); NULL for the system's */
    const char *ca_dir;       /* trust this hashed directory (SSL_CERT_DIR); NULL for the system's */
    double connect_timeout;   /* seconds; 0 for the default of 10 */
    double idle_timeout;      /* seconds without progress; 0 for the default of 30 */
    unsigned tries;           /* of one request in all; 0 for the default of 4 */
    unsigned max_connections; /* to one host; 0 for the default of 8 */
} pq_http_options;

/* Trust and identity beyond the client's own, for one host (docker's certs.d). Borrowed strings, NULL when absent. */
typedef struct pq_http_trust {
    const char *ca_file;     /* trusted in addition to the client's own */
    const char *client_cert; /* PEM */
    const char *client_key;  /* PEM */
    bool alone;              /* nothing but `ca_file` is trusted */
} pq_http_trust;

/* Who we show ourselves to be in the TLS handshake, where files will not do (a key in a token). `arm` puts certificate
 * and key into an SSL_CTX of OpenSSL (crypto/identity.h), to be shown to who proves to be `host`, a name or an address,
 * and to no other machine on the way; false when it cannot. A connection with an identity serves
 * one request: it is never shared with others. */
typedef struct pq_http_identity {
    bool (*arm)(void *context, void *ssl_ctx, const char *host); /* `host` outlives the connection */
    void *context;
} pq_http_identity;

/* Takes bytes of a successful answer's body; false with an error stops the transfer. */
typedef bool pq_http_sink(void *context, const void *bytes, size_t length, pq_error *err);

/* All pointers are borrowed until the request is done. */
typedef struct pq_http_request {
    const char *method; /* "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE" */
    const char *url;
    const char *where;              /* names the thing asked for in errors, e.g. registry/repository:tag */
    const pq_strings *headers;      /* "Name: value" */
    const pq_secret *authorization; /* value of the Authorization header */
    const void *body;
    size_t body_length;
    int body_fd; /* read from its start when `body` is NULL and `body_length` is not 0 */
    const pq_http_trust *trust;
    const pq_http_identity *identity; /* shown to the origin of the URL only; or NULL */
    size_t answer_cap;                /* bytes of a successful answer's body that are kept; 0: PQ_MAX_API_ANSWER */
    bool sensitive;                   /* the answer holds a secret: its buffer is wiped, nothing of it is shown */
    bool follow;                      /* follow redirects, GET and HEAD only */
    bool repeatable;                  /* safe to send again although the method is POST, PUT, PATCH or DELETE */
    /* What the URL names never changes, and the caller proves the whole: a GET that was cut off in the middle goes on
     * where it was (RFC 9110, section 14), where the server can do that. Not with a sink. */
    bool resumable;
    bool direct; /* never through a proxy: what is meant is this machine's own neighbour (metadata services) */
    double connect_timeout; /* seconds, in place of the client's; 0 for the client's */
    double try_timeout;     /* seconds for one try from its start to its end; 0 for none but the client's own */
    unsigned tries;         /* of this request in all; 0 for the client's */
    pq_http_sink *sink;     /* gets the body of a 2xx answer instead of `body` */
    void *sink_context;
} pq_http_request;

typedef struct pq_http_answer {
    long status;
    pq_strings headers; /* "name: value" */
    pq_buf body;
    char *url; /* where the answer came from, after redirects */
} pq_http_answer;

#define PQ_AUTO_HTTP PQ_CLEANUP(pq_http_cleanup) pq_http
#define PQ_AUTO_ANSWER PQ_CLEANUP(pq_http_answer_clear) pq_http_answer

/* Fills the trust, proxy and time settings from the environment: SSL_CERT_FILE, else CURL_CA_BUNDLE; SSL_CERT_DIR;
 * PRATIQUE_TIMEOUT (seconds without progress). Proxies are libcurl's own: HTTPS_PROXY, NO_PROXY. */
pq_http_options pq_http_options_from_environment(void);
bool pq_http_new(const pq_http_options *options, pq_http **out, pq_error *err) PQ_MUST_USE;
void pq_http_free(pq_http *http);
void pq_http_cleanup(pq_http **http);

/* One request, waited for; what else is under way goes on meanwhile, and this may be called from a `done`. True
 * whenever an answer came, whatever its status; the error is PQ_ETRANSPORT when none came, PQ_EFAILED when the answer
 * cannot be used, PQ_EINTERRUPTED. */
bool pq_http_do(pq_http *http, const pq_http_request *request, pq_http_answer *out, pq_error *err) PQ_MUST_USE;

/* The same without waiting: `done` is called from pq_http_run() with the answer, or with an error (code not PQ_OK). The
 * callee may steal the contents of both, and may start further requests. */
typedef void pq_http_done(void *context, pq_http_answer *answer, pq_error *err);
void pq_http_start(pq_http *http, const pq_http_request *request, pq_http_done *done, void *context);
/* Runs until nothing is under way. */
void pq_http_run(pq_http *http);
/* Runs until `*done`, which a callback sets. */
void pq_http_run_until(pq_http *http, const bool *done);

/* The first header of that name (any case), without blanks around it; NULL when there is none. Borrowed. */
const char *pq_http_header(const pq_http_answer *answer, const char *name);
/* The seconds that Retry-After asks to wait, as a number or a date (RFC 9110, section 10.2.3); -1 when it does not. */
double pq_http_retry_after(const pq_http_answer *answer);
/* The longest that a service which was too busy (429, 503) has asked us to wait by Retry-After, in seconds; -1 when
 * none did. Who tries again later goes by it. */
double pq_http_told_to_wait(const pq_http *http);
void pq_http_answer_clear(pq_http_answer *answer);

/* True for `http` and `https` URLs whose host is this machine's loopback. */
bool pq_url_is_loopback(const char *url);
/* True when a secret may go there: https, or loopback. */
bool pq_url_is_safe(const char *url);
/* Same scheme, host and port. */
bool pq_url_same_origin(const char *a, const char *b);
/* The host of a URL, without port, as it is written; NULL when there is none. Owned. */
char *pq_url_host(const char *url) PQ_MUST_USE;
/* `text` with every byte but A-Z a-z 0-9 - . _ ~ as %XX. Owned. */
char *pq_url_escape(const char *text) PQ_MUST_USE;
void pq_url_add_escaped(pq_buf *out, const void *bytes, size_t length); /* the same, into a buffer */
/* Adds `name=value` to a form (application/x-www-form-urlencoded), which must be a sensitive buffer for a secret. */
void pq_form_add(pq_buf *form, const char *name, const char *value);
void pq_form_add_secret(pq_buf *form, const char *name, const pq_secret *value);
/* The header of such a body. */
#define PQ_FORM_TYPE "Content-Type: application/x-www-form-urlencoded"
/* What may be shown of a URL: no user and password, no query (a signature or a token). */
void pq_url_add_shown(pq_buf *out, const char *url);
/* An absolute form of `location` as seen from `base`; NULL when it makes no sense. Owned. */
char *pq_url_resolve(const char *base, const char *location) PQ_MUST_USE;
