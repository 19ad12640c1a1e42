#include "auth/google/token.h"

#include <jansson.h>
#include <string.h>

#include "auth/common/json_memory.h"
#include "auth/common/service_words.h"
#include "base/limits.h"

void pq_google_fault_clear(pq_google_fault *fault)
{
    free(fault->code);
    free(fault->said);
    *fault = (pq_google_fault){0};
}

static bool fail_answer(pq_error *err, const char *what)
{
    return pq_fail(err, PQ_EFAILED, NULL, "is there a proxy between, or another service at that address?",
                   "the answer of %s %s", PQ_GOOGLE_SERVICE, what);
}

/* A token goes into headers: it has no bytes that end one. */
static bool take_token(const json_t *value, pq_access_token *out)
{
    const char *text = json_string_value(value);
    size_t length = json_string_length(value);
    for (size_t i = 0; i < length; i++)
        if (text[i] <= ' ' || text[i] == 0x7f)
            return false;
    if (!length)
        return false;
    out->token = pq_secret_new(text, length);
    return true;
}

bool pq_google_impersonated_read(const void *bytes, size_t length, pq_access_token *out, pq_error *err)
{
    *out = (pq_access_token){0};
    pq_json_wipe_memory();
    json_t *document = json_loadb(bytes, length, 0, NULL);
    const char *expires = json_string_value(json_object_get(document, "expireTime"));
    bool good;
    if (!json_is_object(document))
        good = fail_answer(err, "is not JSON");
    else if (!expires || !pq_time_parse(expires, &out->expires))
        good = fail_answer(err, "does not say until when (expireTime)");
    else
        good = take_token(json_object_get(document, "accessToken"), out) || fail_answer(err, "has no accessToken");
    json_decref(document);
    return good;
}

static char *code_of(const json_t *value)
{
    enum { LONGEST = 60 };
    const char *text = json_string_value(value);
    size_t length = json_string_length(value);
    if (!text || !length || length > LONGEST || strlen(text) != length)
        return NULL;
    for (size_t i = 0; i < length; i++)
        if (!pq_ascii_alnum(text[i]) && text[i] != '_' && text[i] != '-')
            return NULL;
    return pq_strdup(text);
}

static char *words_of(const json_t *value)
{
    return pq_service_words(json_string_value(value), json_string_length(value));
}

void pq_google_fault_read(const void *bytes, size_t length, pq_google_fault *out)
{
    *out = (pq_google_fault){0};
    pq_json_wipe_memory();
    json_t *document = json_loadb(bytes, length, 0, NULL);
    const json_t *fault = json_object_get(document, "error");
    if (json_is_object(fault)) {
        out->code = code_of(json_object_get(fault, "status"));
        out->said = words_of(json_object_get(fault, "message"));
    } else {
        out->code = code_of(fault);
        out->said = words_of(json_object_get(document, "error_description"));
    }
    json_decref(document);
}

bool pq_google_fault_common(const pq_google_fault *fault, long status, pq_error *err)
{
    const char *code = fault->code ? fault->code : "no code";
    if (status == 429 || pq_streq(fault->code, "RESOURCE_EXHAUSTED"))
        return !pq_fail(err, PQ_EBUSY, NULL, "try again later", "Google says that there are too many requests (%s)",
                        code);
    if (status >= 500)
        return !pq_fail(err, PQ_EBUSY, NULL, "try again later", "Google has a problem of its own: status %ld (%s)",
                        status, code);
    if (!fault->code)
        return !pq_fail(err, PQ_EFAILED, NULL, "is there a proxy between, or another service at that address?",
                        "status %ld instead of an answer of Google", status);
    return false;
}

bool pq_google_fault_other(const pq_google_fault *fault, long status, pq_error *err)
{
    PQ_AUTO_FREE char *said = fault->said ? pq_asprintf(": %s", fault->said) : pq_strdup("");
    bool denied = status == 401 || status == 403;
    return pq_fail(err, denied ? PQ_EDENIED : PQ_EFAILED, NULL, NULL, "Google refuses the request (%s)%s", fault->code,
                   said);
}

bool pq_google_post_form(const pq_google_ask *ask, const char *url, const pq_buf *form, const pq_google_proof *proof,
                         pq_http_answer *out, pq_error *err)
{
    static const pq_google_proof none;
    PQ_AUTO_STRINGS headers = {0};
    if (!proof)
        proof = &none;
    pq_strings_add(&headers, PQ_FORM_TYPE);
    pq_strings_add(&headers, "Accept: application/json");
    const pq_http_request request = {.method = "POST",
                                     .url = url,
                                     .where = ask->where,
                                     .headers = &headers,
                                     .authorization = proof->authorization,
                                     .body = pq_buf_text(form),
                                     .body_length = form->length,
                                     .trust = proof->trust,
                                     .identity = proof->identity,
                                     .answer_cap = PQ_MAX_TOKEN_ANSWER,
                                     .sensitive = true,
                                     .repeatable = true};
    return ask->send(ask->send_context, &request, out, err);
}
