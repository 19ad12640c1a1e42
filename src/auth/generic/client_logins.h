/* The logins of clients on this machine, for entries of type generic with `auth: environment`: a last resort, since
 * what they may do and how long they last is not ours to say.
 *
 * Places, and their order, are those of the clients: $DOCKER_AUTH_CONFIG (JSON, docker/cli 28); $REGISTRY_AUTH_FILE,
 * and then no other; containers/auth.json in $XDG_RUNTIME_DIR (/run/containers/UID) and in $XDG_CONFIG_HOME
 * (~/.config); $DOCKER_CONFIG/config.json (~/.docker). The first that has the host wins. */
#pragma once

#include "auth/common/credential.h"
#include "base/error.h"

typedef struct pq_client_login {
    pq_credential credential; /* its source says which file, and which helper */
    char *identity;           /* for telling logins apart; a hash, no secret */
} pq_client_login;

#define PQ_AUTO_CLIENT_LOGIN PQ_CLEANUP(pq_client_login_clear) pq_client_login
void pq_client_login_clear(pq_client_login *login);

/* `ask_helpers` false: what can be known without running one; the credential is then empty where a helper has it.
 * PQ_ECONFIG with `where` when no client is logged in, a file is broken, or the helper is not there; PQ_EFAILED with
 * the helper's own words. A helper gets 10 seconds, and is looked up on absolute folders of PATH only. */
bool pq_client_login_get(const char *host, const char *repository, const char *where, bool ask_helpers,
                         pq_client_login *out, pq_error *err) PQ_MUST_USE;
