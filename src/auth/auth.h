/* The one question: a credential for this registry host, for this repository, please.
 *
 * One object for a run. It knows the configuration's entries, looks their secrets up (which checks what a secret is
 * bound to), asks the clouds where that is needed, and remembers the answers: one call for each identity and region,
 * however many registries share it. Not thread-safe. */
#pragma once

#include "auth/cache.h"
#include "auth/common/credential.h"
#include "auth/common/send.h"
#include "config/config.h"
#include "secrets/source.h"

typedef struct pq_auth pq_auth;

/* All borrowed for the life of the pq_auth. */
typedef struct pq_auth_options {
    const pq_config *config; /* NULL: every host is anonymous, but for the hub */
    pq_secrets *secrets;     /* where secrets are looked up */
    pq_http *http;           /* for calls to clouds */
    pq_auth_send *send;      /* sends instead of `http`, for tests; NULL otherwise */
    void *send_context;
    pq_cache *cache;        /* answers of clouds between runs; NULL for none */
    pq_cache_manner manner; /* what of the cache is good enough */
    bool once;              /* a request is sent once: who asks has a schedule of its own (schedule.h) */
    bool ask_who;           /* AWS is asked whose keys it gave (GetCallerIdentity), before they are used */
    const char *hub_host;   /* of --hub; NULL: the configuration's */
    const char *hub_secret; /* of --hub-secret; NULL: the configuration's, else hub_creds, else osftok */
} pq_auth_options;

#define PQ_AUTO_AUTH PQ_CLEANUP(pq_auth_cleanup) pq_auth

pq_auth *pq_auth_new(const pq_auth_options *options) PQ_MUST_USE;
void pq_auth_free(pq_auth *auth); /* NULL is fine */
void pq_auth_cleanup(pq_auth **auth);

/* The credential for a registry host (`host[:port]`, any case) and a repository there (NULL when not known). True with
 * an empty `out` (no secret) when nothing serves the host: anonymous. The hub's host gets the hub's identity when no
 * entry names it; anonymous there, too, when there is no hub secret and nobody named one. `out` must be empty or a
 * credential, which is let go. Errors: PQ_ECONFIG for the configuration and the secret, WHERE being its line; what a
 * cloud said has the host as WHERE. A failure is remembered too. */
bool pq_auth_get(pq_auth *auth, const char *host, const char *repository, pq_credential *out,
                 pq_error *err) PQ_MUST_USE;
/* The push identity for the hub; its secret missing is an error here. */
bool pq_auth_get_hub(pq_auth *auth, pq_credential *out, pq_error *err) PQ_MUST_USE;
/* The host refused the credential: the next pq_auth_get() asks anew. */
void pq_auth_forget(pq_auth *auth, const char *host);

/* Hosts of one group get their credentials from one cloud by one identity: asked for one after the other, they share
 * its answer. NULL for a host whose credential is had without asking anybody. Owned. */
char *pq_auth_group(const pq_auth *auth, const char *host);
/* The name of the cache's entry that the last answer for the host is in, or NULL. Borrowed. */
const char *pq_auth_cache_entry(const pq_auth *auth, const char *host);

/* What can be said offline about every entry and the hub: secrets that are missing or not of their
 * form, identities that cannot be had here. All problems are added to `errors`; true when there are none. */
bool pq_auth_check(pq_auth *auth, pq_errors *errors) PQ_MUST_USE;
/* The same for what serves these hosts only. */
bool pq_auth_check_hosts(pq_auth *auth, const pq_strings *hosts, pq_errors *errors) PQ_MUST_USE;
/* The name of the type that serves the host, "hub" or "anonymous", without looking at a secret. Static. */
const char *pq_auth_access(const pq_auth *auth, const char *host);
