#include "auth/azure/acr.h"

#include <jansson.h>
#include <string.h>

#include "auth/common/json_memory.h"
#include "auth/common/jwt.h"
#include "auth/common/service_words.h"
#include "base/limits.h"

const char pq_acr_user[] = "00000000-0000-0000-0000-000000000000";

static bool fail_answer(pq_error *err, const char *what)
{
    return pq_fail(err, PQ_EFAILED, NULL, "is there a proxy in between?",
                   "the registry's answer to /oauth2/exchange %s", what);
}

/* When it ends by this machine's clock: the earlier of what it says, and of its length counted from now, so that a
 * clock which is slow makes it no longer. */
static time_t end_of(const pq_jwt *jwt)
{
    time_t by_length = pq_now() + (jwt->expires - jwt->issued);
    return jwt->issued && jwt->expires > jwt->issued && by_length < jwt->expires ? by_length : jwt->expires;
}

static bool read_token(const json_t *value, pq_credential *out, pq_error *err)
{
    PQ_AUTO_JWT jwt = {0};
    const char *text = json_string_value(value);
    size_t length = json_string_length(value);
    if (!length)
        return fail_answer(err, "has no refresh_token");
    for (size_t i = 0; i < length; i++)
        if (text[i] <= ' ' || text[i] >= 0x7f)
            return fail_answer(err, "has a malformed refresh_token");
    if (!pq_jwt_read(text, length, &jwt) || !jwt.expires)
        return fail_answer(err, "has a refresh_token that does not say when it ends");
    *out = (pq_credential){.username = pq_strdup(pq_acr_user),
                           .secret = pq_secret_new(text, length),
                           .expires = end_of(&jwt),
                           .identity_token = true};
    return true;
}

bool pq_acr_answer_read(const void *bytes, size_t length, pq_credential *out, pq_error *err)
{
    *out = (pq_credential){0};
    pq_json_wipe_memory();
    json_t *json = json_loadb(bytes, length, JSON_REJECT_DUPLICATES, NULL);
    bool good = json_is_object(json) ? read_token(json_object_get(json, "refresh_token"), out, err)
                                     : fail_answer(err, "is not JSON");
    json_decref(json);
    return good;
}

char *pq_acr_reason(const pq_http_answer *answer)
{
    json_t *json = json_loadb(pq_buf_text(&answer->body), answer->body.length, 0, NULL);
    const json_t *first = json_array_get(json_object_get(json, "errors"), 0);
    const json_t *message = json_object_get(first, "message"), *code = json_object_get(first, "code");
    PQ_AUTO_FREE char *said = pq_service_words(json_string_value(message), json_string_length(message));
    PQ_AUTO_FREE char *name = pq_service_words(json_string_value(code), json_string_length(code));
    json_decref(json);
    if (said && name)
        return pq_asprintf("%s (%s)", said, name);
    return said ? pq_steal(said) : pq_steal(name);
}

/* What a registry says, made longer by what it means. */
static bool fail_refused(const pq_acr_call *call, const pq_http_answer *answer, pq_error *err)
{
    PQ_AUTO_FREE char *reason = pq_acr_reason(answer);
    const char *colon = reason ? ": " : "", *said = reason ? reason : "";
    PQ_AUTO_FREE char *name = pq_strndup(call->host, strcspn(call->host, "."));
    long status = answer->status;
    if (status == 429 || status >= 500)
        return pq_fail(err, PQ_EBUSY, NULL, "try again later", "the registry failed (status %ld)%s%s", status, colon,
                       said);
    if (!reason)
        return pq_fail(err, PQ_EFAILED, NULL, "is this the host of a registry of Azure, and is there a proxy?",
                       "status %ld instead of an answer of the registry", status);
    if (status == 403)
        return pq_fail(err, PQ_EDENIED, NULL,
                       "look at the registry's network rules: `az acr show --name … --query networkRuleSet`",
                       "the registry does not let this machine in%s%s", colon, said);
    if (status == 400 || status == 401) {
        PQ_AUTO_FREE char *hint = pq_asprintf("is %s the tenant of the registry's subscription, and has the identity "
                                              "the role AcrPull on %s?",
                                              call->tenant ? call->tenant : "the identity's tenant", name);
        return pq_fail(err, PQ_EDENIED, NULL, hint, "the registry does not take the token of Entra ID%s%s", colon,
                       said);
    }
    return pq_fail(err, PQ_EFAILED, NULL, NULL, "the registry answered with status %ld%s%s", status, colon, said);
}

bool pq_acr_exchange(const pq_acr_call *call, pq_credential *out, pq_error *err)
{
    PQ_AUTO_FREE char *url = pq_asprintf("https://%s/oauth2/exchange", call->host);
    PQ_AUTO_BUF form = PQ_SENSITIVE_BUF(4 * PQ_MAX_TOKEN_ANSWER);
    pq_form_add(&form, "grant_type", "access_token");
    pq_form_add(&form, "service", call->host);
    if (call->tenant)
        pq_form_add(&form, "tenant", call->tenant);
    pq_form_add_secret(&form, "access_token", call->access_token);
    PQ_AUTO_STRINGS headers = {0};
    pq_strings_add(&headers, PQ_FORM_TYPE);
    const pq_http_request request = {.method = "POST",
                                     .url = url,
                                     .where = call->host,
                                     .headers = &headers,
                                     .body = pq_buf_text(&form),
                                     .body_length = form.length,
                                     .answer_cap = PQ_MAX_TOKEN_ANSWER,
                                     .sensitive = true,
                                     .repeatable = true};
    PQ_AUTO_ANSWER answer = {0};
    if (!call->send(call->send_context, &request, &answer, err))
        return false;
    if (answer.status != 200)
        return fail_refused(call, &answer, err);
    return pq_acr_answer_read(pq_buf_text(&answer.body), answer.body.length, out, err);
}
