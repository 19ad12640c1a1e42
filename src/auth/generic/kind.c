/* Any registry with a user name and a password or token, from a secret or from what clients are logged in with. */
#include "auth/common/kind.h"
#include "auth/common/pair.h"
#include "auth/generic/client_logins.h"

static const char form[] = "<user>:<token>";

static bool check(const pq_auth_ask *ask, pq_errors *errors)
{
    PQ_AUTO_CREDENTIAL pair = {0};
    PQ_AUTO_CLIENT_LOGIN login = {0};
    PQ_AUTO_ERROR err = {0};
    if (ask->secret)
        return pq_pair_read(ask->secret, ask->secret_name, form, &pair, errors);
    if (pq_client_login_get(ask->host, ask->repository, ask->where, false, &login, &err))
        return true;
    pq_errors_take(errors, &err);
    return false;
}

static char *share_key(const pq_auth_ask *ask)
{
    PQ_AUTO_CLIENT_LOGIN login = {0};
    PQ_AUTO_ERROR ignored = {0}; /* get() will say it */
    bool found = !ask->secret && pq_client_login_get(ask->host, ask->repository, ask->where, false, &login, &ignored);
    return pq_asprintf("generic %s %s %s", ask->secret_name, ask->host, found ? login.identity : "");
}

static bool get(const pq_auth_ask *ask, pq_credential *out, pq_error *err)
{
    PQ_AUTO_ERRORS errors = {0};
    PQ_AUTO_CLIENT_LOGIN login = {0};
    if (!ask->secret) {
        if (!pq_client_login_get(ask->host, ask->repository, ask->where, true, &login, err))
            return false;
        *out = login.credential;
        login.credential = (pq_credential){0};
        return true;
    }
    if (pq_pair_read(ask->secret, ask->secret_name, form, out, &errors))
        return true;
    pq_error_move(err, &errors.at[0]);
    return false;
}

const pq_auth_kind pq_auth_kind_generic = {
    .type = PQ_REGISTRY_GENERIC, .check = check, .share_key = share_key, .get = get};
