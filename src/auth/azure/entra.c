#include "auth/azure/entra.h"

#include <string.h>

#include "auth/common/clock_skew.h"
#include "base/limits.h"

static bool add_proof(const pq_entra_call *call, const char *url, pq_buf *form, pq_error *err)
{
    PQ_AUTO_SECRET *made = NULL;
    if (call->secret) {
        pq_form_add_secret(form, "client_secret", call->secret);
        return true;
    }
    if (call->key && !pq_entra_key_assert(call->key, call->client, url, pq_now() + *call->clock_offset, &made, err))
        return false;
    pq_form_add(form, "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    pq_form_add_secret(form, "client_assertion", made ? made : call->assertion);
    return true;
}

static bool send(const pq_entra_call *call, pq_http_answer *answer, pq_error *err)
{
    PQ_AUTO_FREE char *tenant = pq_url_escape(call->tenant);
    PQ_AUTO_FREE char *url = pq_asprintf("%s/%s/oauth2/v2.0/token", call->authority, tenant);
    PQ_AUTO_BUF form = PQ_SENSITIVE_BUF(4 * PQ_MAX_TOKEN_ANSWER);
    pq_form_add(&form, "grant_type", "client_credentials");
    pq_form_add(&form, "client_id", call->client);
    pq_form_add(&form, "scope", call->scope);
    if (!add_proof(call, url, &form, err))
        return false;
    if (form.overflow)
        return pq_fail(err, PQ_ECONFIG, NULL, NULL, "the client secret or OIDC token is too long to be one");
    PQ_AUTO_STRINGS headers = {0};
    pq_strings_add(&headers, PQ_FORM_TYPE);
    pq_strings_add(&headers, "Accept: application/json");
    const pq_http_request request = {.method = "POST",
                                     .url = url,
                                     .where = "Entra ID",
                                     .headers = &headers,
                                     .body = pq_buf_text(&form),
                                     .body_length = form.length,
                                     .answer_cap = PQ_MAX_TOKEN_ANSWER,
                                     .sensitive = true,
                                     .repeatable = true};
    return call->send(call->send_context, &request, answer, err);
}

bool pq_entra_get_token(const pq_entra_call *call, pq_access_token *out, pq_error *err)
{
    *out = (pq_access_token){0};
    for (bool corrected = false;; corrected = true) {
        PQ_AUTO_ANSWER answer = {0};
        PQ_AUTO_ENTRA_FAULT fault = {0};
        if (!send(call, &answer, err))
            return false;
        if (answer.status == 200)
            return pq_access_token_read(pq_buf_text(&answer.body), answer.body.length, "Entra ID", out, err);
        pq_entra_fault_read(&answer, &fault);
        bool again = fault.code == PQ_ENTRA_ASSERTION_TIME && call->key && !corrected &&
                     pq_clock_skew_learn(&answer, call->where, "Entra ID", call->clock_offset);
        if (!again)
            return pq_entra_fail(call, &fault, answer.status, err);
    }
}
