#include "auth/google/federation.h"

#include <jansson.h>
#include <string.h>

#include "base/limits.h"
#include "crypto/hash.h"

static bool says(const pq_google_fault *fault, const char *words)
{
    return fault->said && strcasestr(fault->said, words);
}

/* --- the exchange ------------------------------------------------------------------------------------------------- */

/* The subject token is a certificate, shown over mutual TLS ("Workload Identity Federation with X.509 certificates").
 */
static bool by_certificate(const pq_google_exchange *exchange)
{
    return pq_ends_with(exchange->subject_token_type, ":mtls");
}

static bool fail_certificate(const pq_google_exchange *exchange, const pq_google_fault *fault, const char *said,
                             long status, pq_error *err)
{
    if (says(fault, "attribute condition"))
        return pq_fail(
            err, PQ_EDENIED, NULL,
            "the provider's attribute condition must let the certificate in: which of its names does it look "
            "at? `gcloud iam workload-identity-pools providers describe` says",
            "the provider's condition does not let this certificate in (%s)%s", fault->code, said);
    if (!pq_streq(fault->code, "invalid_grant"))
        return pq_google_fault_other(fault, status, err);
    if (says(fault, "mutual TLS") || says(fault, "mTLS"))
        return pq_fail(
            err, PQ_EDENIED, NULL, "is there a proxy between that ends TLS? It must pass the connection on as it is",
            "the certificate that Google saw in the TLS handshake is not the device's (invalid_grant)%s", said);
    if (says(fault, "expired") || says(fault, "not valid yet") || says(fault, "not yet valid"))
        return pq_fail(err, PQ_EDENIED, NULL, "have a new one issued; and is this machine's clock right?",
                       "the certificate is not within its dates, by Google's clock (invalid_grant)%s", said);
    PQ_AUTO_FREE char *hint = pq_asprintf(
        "it can be that its authority is not among the trust anchors of %s: `gcloud iam workload-identity-pools "
        "providers describe` lists them; that intermediate certificates are missing: put them behind the certificate "
        "in "
        "its file; or that it may not be used for client authentication",
        exchange->audience);
    return pq_fail(err, PQ_EDENIED, NULL, hint, "Google does not take the certificate (invalid_grant)%s", said);
}

static bool fail_exchange(const pq_google_exchange *exchange, const pq_google_fault *fault, long status, pq_error *err)
{
    if (pq_google_fault_common(fault, status, err))
        return false;
    PQ_AUTO_FREE char *said = fault->said ? pq_asprintf(": %s", fault->said) : pq_strdup("");
    const char *code = fault->code;
    if (pq_streq(code, "invalid_target") || (pq_streq(code, "invalid_request") && says(fault, "audience")))
        return pq_fail(err, PQ_EDENIED, NULL,
                       "look at it with `gcloud iam workload-identity-pools providers describe`; its name has the "
                       "project's number, not its id",
                       "Google knows no such workload identity provider, or it is disabled (%s)%s", code, said);
    if (by_certificate(exchange))
        return fail_certificate(exchange, fault, said, status, err);
    if (says(fault, "attribute condition"))
        return pq_fail(err, PQ_EDENIED, NULL,
                       "the provider's attribute condition must let this job in: which repository and branch is it?",
                       "the provider's condition does not let this identity in (%s)%s", code, said);
    if (pq_streq(code, "invalid_grant") && says(fault, "audience")) {
        PQ_AUTO_FREE char *hint = pq_asprintf("the provider expects https:%s unless it names others "
                                              "(--allowed-audiences); `oidc_audience` says what the CI is asked for",
                                              exchange->audience);
        return pq_fail(err, PQ_EDENIED, NULL, hint, "the token is for another audience (invalid_grant)%s", said);
    }
    if (pq_streq(code, "invalid_grant") && says(fault, "issuer"))
        return pq_fail(err, PQ_EDENIED, NULL, "the provider's --issuer-uri must be the token's `iss`",
                       "the token is of another issuer than the provider's, or that one cannot be reached "
                       "(invalid_grant)%s",
                       said);
    if (pq_streq(code, "invalid_grant") && (says(fault, "expired") || says(fault, "stale")))
        return pq_fail(err, PQ_EDENIED, NULL, "tokens of a CI live for minutes: have a fresh one made",
                       "the token has ended (invalid_grant)%s", said);
    if (pq_streq(code, "invalid_grant"))
        return pq_fail(err, PQ_EDENIED, NULL, NULL, "Google does not take the token (invalid_grant)%s", said);
    if (pq_streq(code, "invalid_scope"))
        return pq_fail(err, PQ_EDENIED, NULL, NULL, "Google does not grant %s (invalid_scope)%s", exchange->scope,
                       said);
    return pq_google_fault_other(fault, status, err);
}

/* Basic, id and secret form-encoded first (RFC 6749, section 2.3.1). */
static pq_secret *client_authorization(const pq_google_exchange *exchange)
{
    if (!exchange->client_id)
        return NULL;
    PQ_AUTO_BUF pair = PQ_SENSITIVE_BUF(PQ_MAX_TOKEN_ANSWER), header = PQ_SENSITIVE_BUF(PQ_MAX_API_ANSWER);
    pq_url_add_escaped(&pair, exchange->client_id, strlen(exchange->client_id));
    pq_buf_addc(&pair, ':');
    if (exchange->client_secret)
        pq_url_add_escaped(&pair, pq_secret_bytes(exchange->client_secret), pq_secret_length(exchange->client_secret));
    pq_buf_adds(&header, "Basic ");
    pq_base64_add(&header, pq_buf_text(&pair), pair.length);
    return pq_secret_from_buf(&header);
}

bool pq_google_exchange_token(const pq_google_ask *ask, const pq_google_exchange *exchange, pq_access_token *out,
                              pq_error *err)
{
    PQ_AUTO_SECRET *authorization = client_authorization(exchange);
    PQ_AUTO_BUF form = PQ_SENSITIVE_BUF(PQ_MAX_API_ANSWER);
    pq_form_add(&form, "grant_type", "urn:ietf:params:oauth:grant-type:token-exchange");
    pq_form_add(&form, "audience", exchange->audience);
    pq_form_add(&form, "scope", exchange->scope);
    pq_form_add(&form, "requested_token_type", "urn:ietf:params:oauth:token-type:access_token");
    pq_form_add(&form, "subject_token_type", exchange->subject_token_type);
    pq_form_add_secret(&form, "subject_token", exchange->subject_token);
    if (exchange->user_project && !authorization) {
        json_t *options = json_pack("{s:s}", "userProject", exchange->user_project);
        PQ_AUTO_FREE char *text = options ? json_dumps(options, JSON_COMPACT) : NULL;
        json_decref(options);
        if (text)
            pq_form_add(&form, "options", text);
    }
    PQ_AUTO_ANSWER answer = {0};
    const pq_google_proof proof = {
        .authorization = authorization, .trust = exchange->trust, .identity = exchange->identity};
    if (!pq_google_post_form(ask, exchange->token_url, &form, &proof, &answer, err))
        return false;
    if (answer.status == 200)
        return pq_access_token_read(pq_buf_text(&answer.body), answer.body.length, PQ_GOOGLE_SERVICE, out, err);
    PQ_AUTO_GOOGLE_FAULT fault = {0};
    pq_google_fault_read(pq_buf_text(&answer.body), answer.body.length, &fault);
    return fail_exchange(exchange, &fault, answer.status, err);
}

/* --- the service account ------------------------------------------------------------------------------------------ */

char *pq_google_impersonation_url(const char *account)
{
    return pq_asprintf("https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/%s:generateAccessToken",
                       account);
}

static bool fail_impersonation(const pq_google_impersonation *what, const pq_google_fault *fault, long status,
                               pq_error *err)
{
    if (pq_google_fault_common(fault, status, err))
        return false;
    PQ_AUTO_FREE char *said = fault->said ? pq_asprintf(": %s", fault->said) : pq_strdup("");
    if (status == 403 && (says(fault, "has not been used") || says(fault, "is disabled")))
        return pq_fail(err, PQ_EDENIED, NULL, "`gcloud services enable iamcredentials.googleapis.com`",
                       "the IAM Service Account Credentials API is not enabled (%s)%s", fault->code, said);
    if (status == 403) {
        PQ_AUTO_FREE char *hint = pq_asprintf(
            "give it %s there: `gcloud iam service-accounts add-iam-policy-binding "
            "%s --role=… --member=…`",
            what->federated ? "roles/iam.workloadIdentityUser" : "roles/iam.serviceAccountTokenCreator", what->account);
        return pq_fail(err, PQ_EDENIED, NULL, hint, "this identity may not act as %s (%s)%s", what->account,
                       fault->code, said);
    }
    if (status == 404)
        return pq_fail(err, PQ_EDENIED, NULL, "look at `gcloud iam service-accounts list`",
                       "there is no service account %s (%s)%s", what->account, fault->code, said);
    return pq_google_fault_other(fault, status, err);
}

static char *request_body(const pq_google_impersonation *what)
{
    PQ_AUTO_FREE char *lifetime = pq_asprintf("%us", what->lifetime);
    json_t *body = json_pack("{s:[s], s:s}", "scope", what->scope, "lifetime", lifetime);
    if (what->delegates && what->delegates->count) {
        json_t *delegates = json_array();
        for (size_t i = 0; i < what->delegates->count; i++)
            (void)json_array_append_new(delegates, json_string(what->delegates->at[i]));
        (void)json_object_set_new(body, "delegates", delegates);
    }
    char *text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    return text;
}

bool pq_google_impersonate(const pq_google_ask *ask, const pq_google_impersonation *what, const pq_access_token *base,
                           pq_access_token *out, pq_error *err)
{
    PQ_AUTO_FREE char *body = request_body(what);
    PQ_AUTO_BUF bearer = PQ_SENSITIVE_BUF(PQ_MAX_API_ANSWER);
    pq_buf_adds(&bearer, "Bearer ");
    pq_buf_add(&bearer, pq_secret_bytes(base->token), pq_secret_length(base->token));
    PQ_AUTO_SECRET *authorization = pq_secret_from_buf(&bearer);
    PQ_AUTO_STRINGS headers = {0};
    pq_strings_add(&headers, "Content-Type: application/json");
    const pq_http_request request = {.method = "POST",
                                     .url = what->url,
                                     .where = ask->where,
                                     .headers = &headers,
                                     .authorization = authorization,
                                     .body = body,
                                     .body_length = strlen(body),
                                     .answer_cap = PQ_MAX_TOKEN_ANSWER,
                                     .sensitive = true,
                                     .repeatable = true};
    PQ_AUTO_ANSWER answer = {0};
    if (!ask->send(ask->send_context, &request, &answer, err))
        return false;
    if (answer.status == 200)
        return pq_google_impersonated_read(pq_buf_text(&answer.body), answer.body.length, out, err);
    PQ_AUTO_GOOGLE_FAULT fault = {0};
    pq_google_fault_read(pq_buf_text(&answer.body), answer.body.length, &fault);
    return fail_impersonation(what, &fault, answer.status, err);
}
