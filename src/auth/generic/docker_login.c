#include "auth/generic/docker_login.h"

#include <jansson.h>
#include <string.h>

#include "auth/common/json_memory.h"
#include "base/docker_protocol.h"
#include "base/limits.h"
#include "base/text.h"
#include "crypto/hash.h"

/* What docker-credential-helpers say for a user name when the secret is a refresh token. */
static const char no_user[] = "<token>";
static const char own_helper[] = "pratique";

void pq_docker_login_clear(pq_docker_login *login)
{
    free(login->helper);
    free(login->key);
    pq_credential_clear(&login->credential);
    *login = (pq_docker_login){0};
}

/* --- one entry ---------------------------------------------------------------------------------------------------- */

/* Both go into headers, and to other programs line by line. */
static bool is_plain(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            return false;
    return true;
}

static bool fail_entry(pq_error *err, const char *name, const char *key, const char *what)
{
    return pq_fail(err, PQ_EINPUT, name, "log in again", "the login for %s %s", key, what);
}

/* `user:password` in base64; docker cuts NULs off the end of the password. */
static bool read_pair(const json_t *auth, const char *name, const char *key, pq_buf *pair, size_t *colon, pq_error *err)
{
    if (!pq_base64_decode(json_string_value(auth), json_string_length(auth), pair))
        return fail_entry(err, name, key, "is not in base64");
    while (pair->length && pair->data[pair->length - 1] == '\0')
        pq_buf_truncate(pair, pair->length - 1);
    const char *at = pair->length ? memchr(pair->data, ':', pair->length) : NULL;
    if (!at || !is_plain(pair->data, (size_t)(at - pair->data)))
        return fail_entry(err, name, key, "is not <user>:<password>");
    *colon = (size_t)(at - pair->data);
    return true;
}

/* `*out_found` false: the entry is there and says nothing, as docker leaves it when a helper has the password. */
static bool read_entry(const json_t *entry, const char *name, const char *key, pq_credential *out, bool *out_found,
                       pq_error *err)
{
    const json_t *auth = json_object_get(entry, "auth"), *token = json_object_get(entry, "identitytoken"),
                 *user = json_object_get(entry, "username"), *password = json_object_get(entry, "password");
    PQ_AUTO_BUF pair = PQ_SENSITIVE_BUF(PQ_MAX_SECRET);
    size_t colon = 0;
    *out_found = false;
    if (json_string_length(auth)) {
        if (!read_pair(auth, name, key, &pair, &colon, err))
            return false;
    } else if (json_string_length(user) && !strchr(json_string_value(user), ':') &&
               is_plain(json_string_value(user), json_string_length(user))) {
        colon = json_string_length(user);
        pq_buf_addf(&pair, "%s:", json_string_value(user));
        pq_buf_add(&pair, json_string_value(password), json_string_length(password));
    }
    size_t left = pair.length ? pair.length - colon - 1 : 0;
    if (json_string_length(token)) {
        bool named = colon > 0;
        *out = (pq_credential){.username = named ? pq_strndup(pair.data, colon) : pq_strdup(no_user),
                               .secret = pq_secret_new(json_string_value(token), json_string_length(token)),
                               .identity_token = true};
    } else if (colon && left) {
        *out = (pq_credential){.username = pq_strndup(pair.data, colon),
                               .secret = pq_secret_new(pair.data + colon + 1, left)};
    } else if (json_string_length(json_object_get(entry, "registrytoken"))) {
        return fail_entry(err, name, key, "is a bare token (registrytoken), which is not supported");
    }
    *out_found = out->secret != NULL;
    return true;
}

/* --- which entry -------------------------------------------------------------------------------------------------- */

/* The path of a key behind its host; what docker adds for the version of the API is none. "" for none. Borrowed. */
static const char *path_of(const char *key)
{
    const char *scheme = strstr(key, "://");
    const char *slash = strchr(scheme ? scheme + 3 : key, '/');
    if (!slash || pq_streq(slash, "/") || pq_starts_with(slash, "/v1") || pq_starts_with(slash, "/v2"))
        return "";
    return slash + 1;
}

/* True when the path is the repository or stands above it. */
static bool covers(const char *path, const char *repository)
{
    size_t length = strlen(path);
    return length == 0 || (strncmp(path, repository, length) == 0 && strchr("/", repository[length]));
}

typedef struct search {
    const char *name, *host, *repository;
} search;

/* The key that serves best: with the longest path; of two that are alike, the one written as the bare host. Borrowed
 * from the object. `*out_many` when no repository is known and several have a path. */
static const char *best_key(const search *s, json_t *object, bool *out_many)
{
    const char *key, *best = NULL, *lone = NULL;
    json_t *value;
    size_t paths = 0;
    json_object_foreach(object, key, value)
    {
        PQ_AUTO_FREE char *host = pq_docker_host(key);
        const char *path = path_of(key);
        if (!pq_streq(host, s->host))
            continue;
        if (*path && !s->repository) {
            paths++;
            lone = key;
            continue;
        }
        if (*path && !covers(path, s->repository))
            continue;
        if (!best || strlen(path) > strlen(path_of(best)) ||
            (strlen(path) == strlen(path_of(best)) && pq_streq(key, s->host)))
            best = key;
    }
    *out_many = !best && paths > 1;
    return best ? best : paths == 1 ? lone : NULL;
}

static bool is_helper_name(const char *text)
{
    for (const char *at = text; at && *at; at++)
        if (!pq_ascii_alnum(*at) && !strchr("-_.", *at))
            return false;
    return text && *text && *text != '.';
}

static bool take_helper(const search *s, const json_t *value, const char *key, pq_docker_login *out, bool *out_found,
                        pq_error *err)
{
    const char *helper = json_string_value(value);
    if (!is_helper_name(helper))
        return pq_fail(err, PQ_EINPUT, s->name, NULL, "the helper for %s has no name that a program can have", s->host);
    if (pq_streq(helper, own_helper))
        return true; /* it would ask us */
    out->helper = pq_strdup(helper);
    out->key = pq_strdup(key);
    *out_found = true;
    return true;
}

static bool find_in(pq_login_file form, const search *s, const json_t *document, pq_docker_login *out, bool *out_found,
                    pq_error *err)
{
    bool many = false;
    const search whole = {s->name, s->host, ""};
    json_t *helpers = json_object_get(document, "credHelpers"), *auths = json_object_get(document, "auths");
    const json_t *store = json_object_get(document, "credsStore");
    const char *key = best_key(&whole, helpers, &many);
    if (key && !take_helper(s, json_object_get(helpers, key), key, out, out_found, err))
        return false;
    const char *asked = pq_streq(s->host, "docker.io") ? "https://index.docker.io/v1/" : s->host;
    if (!*out_found && form == PQ_LOGIN_DOCKER && json_string_length(store) &&
        !take_helper(s, store, asked, out, out_found, err))
        return false;
    if (*out_found)
        return true;
    key = best_key(s, auths, &many);
    if (many)
        return pq_fail(err, PQ_EINPUT, s->name, "log in to the whole host, or name a secret in the entry",
                       "there are several logins for parts of %s, and none for all of it", s->host);
    if (!key)
        return true;
    out->key = pq_strdup(key);
    return read_entry(json_object_get(auths, key), s->name, key, &out->credential, out_found, err);
}

bool pq_docker_login_find(pq_login_file form, const void *bytes, size_t length, const char *name, const char *host,
                          const char *repository, pq_docker_login *out, bool *out_found, pq_error *err)
{
    *out = (pq_docker_login){0};
    *out_found = false;
    pq_json_wipe_memory();
    json_t *document = json_loadb(bytes, length, 0, NULL);
    const search s = {name, host, repository};
    bool good = json_is_object(document) ? find_in(form, &s, document, out, out_found, err)
                                         : pq_fail(err, PQ_EINPUT, name, NULL, "is not JSON with logins of a client");
    json_decref(document);
    if (!good || !*out_found)
        pq_docker_login_clear(out);
    return good;
}

bool pq_docker_helper_read(const void *bytes, size_t length, const char *name, pq_credential *out, pq_error *err)
{
    *out = (pq_credential){0};
    pq_json_wipe_memory();
    json_t *document = json_loadb(bytes, length, 0, NULL);
    const json_t *user = json_object_get(document, "Username"), *secret = json_object_get(document, "Secret");
    bool good = json_is_string(user) && json_string_length(secret) > 0 &&
                is_plain(json_string_value(user), json_string_length(user)) &&
                !memchr(json_string_value(secret), '\0', json_string_length(secret));
    if (good)
        *out = (pq_credential){.username = pq_strdup(json_string_value(user)),
                               .secret = pq_secret_new(json_string_value(secret), json_string_length(secret)),
                               .identity_token = pq_streq(json_string_value(user), no_user)};
    json_decref(document);
    return good || pq_fail(err, PQ_EFAILED, name, NULL, "prints no user name and secret");
}
