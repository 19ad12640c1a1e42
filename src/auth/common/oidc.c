#include "auth/common/oidc.h"

#include <jansson.h>
#include <string.h>

#include "auth/common/json_memory.h"
#include "auth/common/jwt.h"
#include "base/file.h"
#include "base/limits.h"
#include "crypto/hash.h"

static const char *audience_of(const pq_oidc_ask *ask)
{
    return ask->entry->oidc_audience.text ? ask->entry->oidc_audience.text : ask->audience;
}

char *pq_oidc_source(const pq_config_registry *entry)
{
    if (entry->oidc_token_file.text)
        return pq_asprintf("oidc_token_file %s", entry->oidc_token_file.text);
    if (entry->oidc_token_env.text)
        return pq_asprintf("oidc_token_env %s", entry->oidc_token_env.text);
    return pq_strdup("GitHub's token service");
}

/* --- there is none ------------------------------------------------------------------------------------------------ */

static bool fail_absent(const pq_oidc_ask *ask, pq_error *err)
{
    if (pq_getenv("GITHUB_ACTIONS"))
        return pq_fail(err, PQ_ECONFIG, ask->where,
                       "add `permissions: {id-token: write, contents: read}` to the job in the workflow; a pull "
                       "request from a fork "
                       "never gets it",
                       "auth: oidc: this job may not ask GitHub for an OIDC token");
    if (pq_getenv("GITLAB_CI")) {
        PQ_AUTO_FREE char *hint = pq_asprintf("add `id_tokens: {PRATIQUE_ID_TOKEN: {aud: \"%s\"}}` to the job, and "
                                              "`oidc_token_env: PRATIQUE_ID_TOKEN` to the entry",
                                              audience_of(ask));
        return pq_fail(err, PQ_ECONFIG, ask->where, hint, "auth: oidc: GitLab hands out no OIDC token by itself");
    }
    return pq_fail(err, PQ_ECONFIG, ask->where,
                   "only a CI job has one; where that is not GitHub's, name the variable or file that holds it: "
                   "`oidc_token_env` or `oidc_token_file`",
                   "auth: oidc: no OIDC token is to be had here");
}

static bool fail_unset(const pq_oidc_ask *ask, pq_error *err)
{
    PQ_AUTO_FREE char *hint = pq_getenv("GITLAB_CI") ? pq_asprintf("add `id_tokens: {%s: {aud: \"%s\"}}` to the job",
                                                                   ask->entry->oidc_token_env.text, audience_of(ask))
                                                     : pq_strdup("let the CI put its OIDC token there");
    return pq_fail(err, PQ_ECONFIG, ask->where, hint, "auth: oidc: the variable %s is not set",
                   ask->entry->oidc_token_env.text);
}

bool pq_oidc_check(const pq_oidc_ask *ask, pq_error *err)
{
    const pq_config_registry *entry = ask->entry;
    if (entry->oidc_token_file.text)
        return pq_path_exists(entry->oidc_token_file.text) ||
               pq_fail(err, PQ_ECONFIG, ask->where, "look at the path, and whether the platform mounts the token",
                       "auth: oidc: there is no file %s", entry->oidc_token_file.text);
    if (entry->oidc_token_env.text)
        return pq_getenv(entry->oidc_token_env.text) || fail_unset(ask, err);
    return (pq_getenv("ACTIONS_ID_TOKEN_REQUEST_URL") && pq_getenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN")) ||
           fail_absent(ask, err);
}

/* --- GitHub ------------------------------------------------------------------------------------------------------- */

static bool read_answer(const pq_http_answer *answer, const char *where, pq_secret **out, pq_error *err)
{
    pq_json_wipe_memory();
    json_t *document = json_loadb(pq_buf_text(&answer->body), answer->body.length, JSON_REJECT_DUPLICATES, NULL);
    const json_t *value = json_object_get(document, "value");
    bool good = json_is_string(value) && json_string_length(value) > 0;
    if (good)
        *out = pq_secret_new(json_string_value(value), json_string_length(value));
    json_decref(document);
    return good || pq_fail(err, PQ_EFAILED, where, NULL, "GitHub's token service answers without a token");
}

static bool from_github(const pq_oidc_ask *ask, pq_secret **out, pq_error *err)
{
    const char *service = pq_getenv("ACTIONS_ID_TOKEN_REQUEST_URL");
    const char *permit = pq_getenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN");
    if (!service || !permit)
        return fail_absent(ask, err);
    if (!pq_url_is_safe(service))
        return pq_fail(err, PQ_ECONFIG, "ACTIONS_ID_TOKEN_REQUEST_URL", NULL, "must be an https URL");
    PQ_AUTO_FREE char *audience = pq_url_escape(audience_of(ask));
    PQ_AUTO_FREE char *url = pq_asprintf("%s%caudience=%s", service, strchr(service, '?') ? '&' : '?', audience);
    PQ_AUTO_BUF bearer = PQ_SENSITIVE_BUF(PQ_MAX_SECRET);
    pq_buf_addf(&bearer, "Bearer %s", permit);
    PQ_AUTO_SECRET *authorization = pq_secret_from_buf(&bearer);
    PQ_AUTO_STRINGS headers = {0};
    pq_strings_add(&headers, "Accept: application/json");
    const pq_http_request request = {.method = "GET",
                                     .url = url,
                                     .where = "GitHub's token service",
                                     .headers = &headers,
                                     .authorization = authorization,
                                     .answer_cap = PQ_MAX_TOKEN_ANSWER,
                                     .sensitive = true};
    PQ_AUTO_ANSWER answer = {0};
    if (!ask->send(ask->send_context, &request, &answer, err))
        return false;
    if (answer.status != 200)
        return pq_fail(err, answer.status == 429 || answer.status >= 500 ? PQ_EBUSY : PQ_EDENIED,
                       "GitHub's token service",
                       "the permission ends with the job: is this still the job that was given it?",
                       "hands out no OIDC token: status %ld", answer.status);
    return read_answer(&answer, "GitHub's token service", out, err);
}

/* --- what the CI put somewhere ------------------------------------------------------------------------------------ */

/* Blanks around a token are a file's or a person's. */
static pq_secret *trimmed(const pq_buf *text)
{
    const char *start = pq_buf_text(text), *end = start + text->length;
    while (start < end && pq_ascii_space(*start))
        start++;
    while (end > start && pq_ascii_space(end[-1]))
        end--;
    return pq_secret_new(start, (size_t)(end - start));
}

/* `setting` is what its errors begin with, `source` where the token lies. */
static bool judge(const pq_secret *token, const char *setting, const char *source, const char *where, pq_error *err)
{
    PQ_AUTO_JWT jwt = {0};
    if (!pq_jwt_read(pq_secret_bytes(token), pq_secret_length(token), &jwt))
        return pq_fail(err, PQ_ECONFIG, where, "it has three parts with dots between them",
                       "%s: what %s holds is no OIDC token", setting, source);
    if (jwt.expires && jwt.expires <= pq_now()) {
        char when[PQ_TIME_TEXT];
        pq_time_text(jwt.expires, when);
        return pq_fail(err, PQ_EDENIED, where,
                       "the CI makes one for some minutes: use it early in the job, or have a fresh one made",
                       "%s: the OIDC token of %s ended at %s", setting, source, when);
    }
    return true;
}

bool pq_oidc_token_file(const char *path, const char *setting, const char *source, const char *where, pq_secret **out,
                        pq_error *err)
{
    PQ_AUTO_BUF text = PQ_SENSITIVE_BUF(PQ_MAX_TOKEN_ANSWER);
    if (!pq_read_file(path, &text, err)) {
        err->code = err->code == PQ_ENOTFOUND || err->code == PQ_EINPUT ? PQ_ECONFIG : err->code;
        return pq_error_wrap(err, "%s: %s", setting, source);
    }
    PQ_AUTO_SECRET *token = trimmed(&text);
    if (!judge(token, setting, source, where, err))
        return false;
    *out = pq_steal(token);
    return true;
}

bool pq_oidc_token(const pq_oidc_ask *ask, pq_secret **out, pq_error *err)
{
    const pq_config_registry *entry = ask->entry;
    PQ_AUTO_SECRET *token = NULL;
    PQ_AUTO_FREE char *source = pq_oidc_source(entry);
    if (entry->oidc_token_file.text)
        return pq_oidc_token_file(entry->oidc_token_file.text, "auth: oidc", source, ask->where, out, err);
    if (entry->oidc_token_env.text) {
        const char *value = pq_getenv(entry->oidc_token_env.text);
        if (!value)
            return fail_unset(ask, err);
        PQ_AUTO_BUF text = PQ_SENSITIVE_BUF(PQ_MAX_TOKEN_ANSWER);
        pq_buf_adds(&text, value);
        token = trimmed(&text);
    } else if (!from_github(ask, &token, err)) {
        return false;
    }
    if (!judge(token, "auth: oidc", source, ask->where, err))
        return false;
    *out = pq_steal(token);
    return true;
}

/* --- whose it is -------------------------------------------------------------------------------------------------- */

static void add_digest(pq_buf *out, const char *name, const char *value)
{
    char hex[PQ_SHA256_HEX];
    pq_sha256 hash = pq_sha256_of(value, strlen(value));
    pq_sha256_hex(&hash, hex);
    pq_buf_addf(out, " %s=%s", name, hex);
}

void pq_oidc_add_whose(pq_buf *key, const char *path)
{
    PQ_AUTO_BUF text = PQ_SENSITIVE_BUF(PQ_MAX_TOKEN_ANSWER);
    PQ_AUTO_JWT jwt = {0};
    PQ_AUTO_ERROR ignored = {0}; /* whoever wants the token will say it */
    if (pq_read_file(path, &text, &ignored) && pq_jwt_read(pq_buf_text(&text), text.length, &jwt))
        pq_buf_addf(key, " iss=%s sub=%s", jwt.issuer ? jwt.issuer : "", jwt.subject ? jwt.subject : "");
}

char *pq_oidc_share_key(const pq_config_registry *entry)
{
    PQ_AUTO_BUF key = PQ_BUF(PQ_MAX_TEXT);
    PQ_AUTO_FREE char *source = pq_oidc_source(entry);
    pq_buf_addf(&key, "oidc %s audience=%s", source, entry->oidc_audience.text ? entry->oidc_audience.text : "");
    const char *name = entry->oidc_token_env.text ? entry->oidc_token_env.text : "ACTIONS_ID_TOKEN_REQUEST_TOKEN";
    const char *value = entry->oidc_token_file.text ? NULL : pq_getenv(name);
    if (value)
        add_digest(&key, name, value);
    if (entry->oidc_token_file.text)
        pq_oidc_add_whose(&key, entry->oidc_token_file.text);
    return pq_buf_steal(&key);
}
