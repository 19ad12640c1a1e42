/* The OIDC token of the CI job that we run in, for `auth: oidc`.
 *
 * Where it comes from: `oidc_token_file` (read anew each time, for platforms rotate it), `oidc_token_env`, else
 * GitHub's own service, which hands one out for an audience to jobs that have the permission `id-token: write` (GitHub,
 * "OpenID Connect reference", "Methods for requesting the OIDC token"). A token is never kept: it lives for minutes. */
#pragma once

#include "auth/common/send.h"
#include "config/config.h"

typedef struct pq_oidc_ask {
    const pq_config_registry *entry;
    const char *audience; /* what the cloud expects; the entry's own `oidc_audience` wins */
    const char *where;    /* of the entry, for errors about it: "factory-config.yml:7" */
    pq_auth_send *send;
    void *send_context;
} pq_oidc_ask;

/* PQ_ECONFIG when there is no token to be had here, with what the CI's own file must say; PQ_EDENIED when the token has
 * ended or is for another audience. */
bool pq_oidc_token(const pq_oidc_ask *ask, pq_secret **out, pq_error *err) PQ_MUST_USE;
/* Offline: whether there is a place to get one from. */
bool pq_oidc_check(const pq_oidc_ask *ask, pq_error *err) PQ_MUST_USE;
/* "oidc_token_file /run/token", "GitHub's token service": words for people. Owned. */
char *pq_oidc_source(const pq_config_registry *entry) PQ_MUST_USE;
/* What decides whose token it is: for GitHub and a variable the job (a digest of what it was given), for a file, which
 * platforms rotate, the issuer and subject in it. Two jobs on one machine never have the same. Owned. */
char *pq_oidc_share_key(const pq_config_registry *entry) PQ_MUST_USE;
/* Adds issuer and subject of the token in a file; nothing when there is none. */
void pq_oidc_add_whose(pq_buf *key, const char *path);
/* The token in a file that another variable names (AZURE_FEDERATED_TOKEN_FILE). Errors begin with `setting` ("auth:
 * environment"), and `source` says where the token lies. */
bool pq_oidc_token_file(const char *path, const char *setting, const char *source, const char *where, pq_secret **out,
                        pq_error *err) PQ_MUST_USE;
