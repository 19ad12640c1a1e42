#include "auth/aws/sso.h"

#include <jansson.h>
#include <string.h>

#include "auth/aws/keys_json.h"
#include "auth/common/json_memory.h"
#include "base/file.h"
#include "base/limits.h"

char *pq_aws_sso_cache_path(const char *name_or_url)
{
    char hex[PQ_SHA1_HEX];
    pq_sha1_hex(name_or_url, strlen(name_or_url), hex);
    PQ_AUTO_FREE char *path = pq_asprintf("~/.aws/sso/cache/%s.json", hex);
    return pq_aws_own_path(path);
}

/* "2026-11-23T10:02:08Z", and "…UTC" as older versions of the AWS CLI wrote it. */
static bool read_time(const char *text, time_t *out)
{
    size_t length = strlen(text);
    if (!pq_ends_with(text, "UTC"))
        return pq_time_parse(text, out);
    PQ_AUTO_FREE char *plain = pq_asprintf("%.*sZ", (int)(length - 3), text);
    return pq_time_parse(plain, out);
}

bool pq_aws_sso_token_read(const void *bytes, size_t length, const char *where, pq_secret **out, time_t *out_expires,
                           pq_error *err)
{
    *out_expires = 0;
    pq_json_wipe_memory();
    json_t *document = json_loadb(bytes, length, JSON_REJECT_DUPLICATES, NULL);
    const json_t *token = json_object_get(document, "accessToken");
    const char *ends = json_string_value(json_object_get(document, "expiresAt"));
    const char *text = json_string_value(token);
    bool good = text && *text && strlen(text) == json_string_length(token) && !strpbrk(text, "\r\n") && ends &&
                read_time(ends, out_expires);
    if (good)
        *out = pq_secret_new(text, strlen(text));
    json_decref(document);
    return good || pq_fail(err, PQ_ECONFIG, where, NULL, "holds no accessToken and expiresAt of `aws sso login`");
}

bool pq_aws_sso_token(const pq_aws_step *step, pq_secret **out, time_t *out_expires, pq_error *err)
{
    PQ_AUTO_FREE char *hint = pq_asprintf("run `%s`", step->sso_login);
    PQ_AUTO_BUF text = PQ_SENSITIVE_BUF(PQ_MAX_TOKEN_ANSWER);
    if (!step->sso_cache || !pq_path_exists(step->sso_cache))
        return pq_fail(err, PQ_ECONFIG, step->where, hint, "%s: nobody has logged in", step->words);
    if (!pq_read_file(step->sso_cache, &text, err))
        return false;
    PQ_AUTO_SECRET *token = NULL;
    if (!pq_aws_sso_token_read(pq_buf_text(&text), text.length, step->sso_cache, &token, out_expires, err)) {
        free(err->hint);
        err->hint = pq_steal(hint);
        return false;
    }
    if (*out_expires <= pq_now()) {
        char when[PQ_TIME_TEXT];
        pq_time_text(*out_expires, when);
        return pq_fail(err, PQ_EDENIED, step->where, hint, "%s: the login ended at %s", step->words, when);
    }
    *out = pq_steal(token);
    return true;
}

bool pq_aws_sso_keys(const pq_aws_step *step, const pq_aws_caller *caller, pq_aws_reach reach, const char *endpoint,
                     pq_aws_keys *out, pq_error *err)
{
    PQ_AUTO_SECRET *token = NULL;
    time_t ends;
    if (!pq_aws_sso_token(step, &token, &ends, err))
        return false;
    PQ_AUTO_FREE char *host = pq_aws_sso_host(step->sso_region, reach);
    PQ_AUTO_FREE char *role = pq_url_escape(step->sso_role);
    PQ_AUTO_FREE char *account = pq_url_escape(step->sso_account);
    PQ_AUTO_FREE char *target = pq_asprintf("federation/credentials?role_name=%s&account_id=%s", role, account);
    PQ_AUTO_FREE char *hint = pq_asprintf("run `%s`", step->sso_login);
    PQ_AUTO_SENSITIVE_STRINGS headers = {0};
    pq_strings_take(&headers, pq_asprintf("x-amz-sso_bearer_token: %s", pq_secret_bytes(token)));
    const pq_aws_call call = {.caller = caller,
                              .service = "SSO",
                              .region = step->sso_region,
                              .host = host,
                              .endpoint = endpoint,
                              .method = "GET",
                              .target = target,
                              .headers = &headers,
                              .may_not = "use the role that sso_role_name says",
                              .denied_hint = "assign the permission set of that role in the account to the user"};
    PQ_AUTO_ANSWER answer = {0};
    PQ_AUTO_AWS_FAULT fault = {0};
    if (pq_aws_call_do(&call, &answer, &fault, err)) {
        if (!pq_aws_keys_read_json(pq_buf_text(&answer.body), answer.body.length, PQ_AWS_FORM_SSO, "SSO", out, err))
            return false;
        out->expires = pq_aws_expiry(caller, out->expires);
        return true;
    }
    if (pq_streq(fault.code, "UnauthorizedException"))
        return pq_fail(err, PQ_EDENIED, NULL, hint, "the login is no longer valid (%s)", fault.code);
    if (pq_streq(fault.code, "ResourceNotFoundException"))
        return pq_fail(err, PQ_EDENIED, NULL, "look at sso_account_id and sso_role_name",
                       "there is no such account or role for this login (%s)", fault.code);
    return false;
}
