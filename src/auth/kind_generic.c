/* Any registry with a user name and a password or token, from a secret or from what clients are logged in with; also
 * the reader of such pairs for others. */
#include <string.h>

#include "auth/client_logins.h"
#include "auth/kind.h"

static bool has_control_byte(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            return true;
    return false;
}

static bool fail_pair(pq_errors *errors, const char *where, const char *form, const char *message)
{
    PQ_AUTO_FREE char *hint = pq_asprintf("write %s", form);
    return pq_errors_add(errors, PQ_ECONFIG, where, hint, "%s", message);
}

static bool fail_json(pq_errors *errors, const char *where, const char *form, const char *text)
{
    const char *message = "this is JSON, not a user and a password";
    if (strstr(text, "\"auths\""))
        message = "this is docker's config.json, not a user and a password";
    else if (strstr(text, "\"appId\""))
        message = "this is the JSON that `az ad sp create-for-rbac` prints: appId and password are wanted from it";
    return fail_pair(errors, where, form, message);
}

bool pq_pair_read(const pq_secret *secret, const char *where, const char *form, pq_credential *out, pq_errors *errors)
{
    const char *text = pq_secret_bytes(secret);
    size_t length = pq_secret_length(secret);
    if (length && text[length - 1] == '\n')
        length -= length > 1 && text[length - 2] == '\r' ? 2 : 1;
    if (length == 0)
        return fail_pair(errors, where, form, "the secret is empty");
    if (text[0] == '{')
        return fail_json(errors, where, form, text);
    const char *colon = memchr(text, ':', length);
    if (!colon)
        return fail_pair(errors, where, form, "the secret has no colon between user and password");
    size_t user = (size_t)(colon - text), password = length - user - 1;
    if (user == 0 || password == 0)
        return fail_pair(errors, where, form, user ? "nothing follows the colon" : "nothing stands before the colon");
    if (has_control_byte(text, user))
        return fail_pair(errors, where, form, "the user has line ends or control bytes");
    /* Google's `_json_key:{…}` is the one password that has lines. */
    if (memchr(colon, '\0', password + 1) || (colon[1] != '{' && has_control_byte(colon + 1, password)))
        return fail_pair(errors, where, form, "the password has more than one line, or control bytes");
    out->username = pq_strndup(text, user);
    out->secret = pq_secret_new(colon + 1, password);
    out->source = pq_strdup(where);
    return true;
}

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
