#include "auth/common/pair.h"

#include <string.h>

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
