#include "auth/google/key.h"

#include <jansson.h>
#include <string.h>

#include "auth/common/clock_skew.h"
#include "base/limits.h"
#include "crypto/jws.h"

enum { LIFETIME = 3600 }; /* seconds: the most that Google takes */

static bool read_key(const pq_google_file *file, const char *where, pq_pkey **out, pq_error *err)
{
    if (!pq_pkey_from_pem(pq_secret_bytes(file->private_key), pq_secret_length(file->private_key), where, out, err))
        return pq_error_wrap(err, "private_key");
    return pq_pkey_type_of(*out) == PQ_PKEY_RSA ||
           pq_fail(err, PQ_ECONFIG, where, "make a key with `gcloud iam service-accounts keys create`",
                   "private_key is no RSA key, and Google's service accounts have no other");
}

bool pq_google_key_check(const pq_google_file *file, const char *where, pq_error *err)
{
    PQ_AUTO_PKEY *key = NULL;
    return read_key(file, where, &key, err);
}

static bool sign(const pq_google_file *file, const pq_pkey *key, const char *scope, time_t now, pq_secret **out,
                 pq_error *err)
{
    json_t *header =
        json_pack("{s:s, s:s, s:s*}", "alg", pq_jws_algorithm(PQ_RS256), "typ", "JWT", "kid", file->private_key_id);
    json_t *claims = json_pack("{s:s, s:s, s:s, s:I, s:I}", "iss", file->client_email, "scope", scope, "aud",
                               file->token_url, "iat", (json_int_t)now, "exp", (json_int_t)now + LIFETIME);
    PQ_AUTO_FREE char *header_text = json_dumps(header, JSON_COMPACT), *payload = json_dumps(claims, JSON_COMPACT);
    json_decref(header);
    json_decref(claims);
    if (!header_text || !payload)
        return pq_fail(err, PQ_ECONFIG, NULL, NULL, "client_email, private_key_id and token_uri must be UTF-8");
    return pq_jws_sign(key, PQ_RS256, header_text, payload, out, err);
}

static bool says(const pq_google_fault *fault, const char *words)
{
    return fault->said && strcasestr(fault->said, words);
}

/* Google says `invalid_grant` for most; only its words tell why. */
static bool is_about_time(const pq_google_fault *fault)
{
    return says(fault, "timeframe") || says(fault, "iat and exp") || says(fault, "Token used too early") ||
           says(fault, "Token used too late");
}

static bool fail_key(const pq_google_file *file, const pq_google_fault *fault, long status, pq_error *err)
{
    if (pq_google_fault_common(fault, status, err))
        return false;
    bool grant = pq_streq(fault->code, "invalid_grant");
    PQ_AUTO_FREE char *said = fault->said ? pq_asprintf(": %s", fault->said) : pq_strdup("");
    if (grant && is_about_time(fault))
        return pq_fail(err, PQ_EFAILED, NULL, "set this machine's clock",
                       "Google finds the time of the request wrong (invalid_grant)%s", said);
    if (grant && says(fault, "signature")) {
        PQ_AUTO_FREE char *hint = pq_asprintf("look at `gcloud iam service-accounts keys list --iam-account %s`, make "
                                              "a new key, and store it with `pratique secrets update`",
                                              file->client_email);
        return pq_fail(err, PQ_EDENIED, NULL, hint,
                       "Google does not know this key of %s: it was deleted or disabled (invalid_grant)%s",
                       file->client_email, said);
    }
    if (grant && says(fault, "account"))
        return pq_fail(err, PQ_EDENIED, NULL, "was it deleted or disabled?",
                       "Google does not know the service account %s (invalid_grant)%s", file->client_email, said);
    if (grant)
        return pq_fail(err, PQ_EDENIED, NULL, "the key was deleted, or this machine's clock is wrong",
                       "Google does not take the key of %s (invalid_grant)%s", file->client_email, said);
    if (pq_streq(fault->code, "invalid_scope"))
        return pq_fail(err, PQ_EDENIED, NULL, NULL, "Google does not grant %s (invalid_scope)%s", PQ_GOOGLE_READ_SCOPE,
                       said);
    return pq_google_fault_other(fault, status, err);
}

static bool ask_once(const pq_google_ask *ask, const pq_google_file *file, const pq_pkey *key, const char *scope,
                     time_t now, pq_http_answer *answer, pq_error *err)
{
    PQ_AUTO_SECRET *assertion = NULL;
    if (!sign(file, key, scope, now, &assertion, err))
        return false;
    PQ_AUTO_BUF form = PQ_SENSITIVE_BUF(PQ_MAX_TOKEN_ANSWER);
    pq_form_add(&form, "grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
    pq_form_add_secret(&form, "assertion", assertion);
    return pq_google_post_form(ask, file->token_url, &form, NULL, answer, err);
}

bool pq_google_key_token(const pq_google_ask *ask, const pq_google_file *file, const char *where, const char *scope,
                         pq_access_token *out, pq_error *err)
{
    PQ_AUTO_PKEY *key = NULL;
    if (!read_key(file, where, &key, err))
        return false;
    long offset = 0;
    for (bool again = false;; again = true) {
        PQ_AUTO_ANSWER answer = {0};
        if (!ask_once(ask, file, key, scope, pq_now() + offset, &answer, err))
            return false;
        if (answer.status == 200)
            return pq_access_token_read(pq_buf_text(&answer.body), answer.body.length, PQ_GOOGLE_SERVICE, out, err);
        PQ_AUTO_GOOGLE_FAULT fault = {0};
        pq_google_fault_read(pq_buf_text(&answer.body), answer.body.length, &fault);
        if (!again && pq_streq(fault.code, "invalid_grant") && is_about_time(&fault) &&
            pq_clock_skew_learn(&answer, ask->where, "Google", &offset))
            continue;
        return fail_key(file, &fault, answer.status, err);
    }
}

bool pq_google_login_token(const pq_google_ask *ask, const pq_google_file *file, pq_access_token *out, pq_error *err)
{
    PQ_AUTO_BUF form = PQ_SENSITIVE_BUF(PQ_MAX_TOKEN_ANSWER);
    pq_form_add(&form, "grant_type", "refresh_token");
    pq_form_add(&form, "client_id", file->client_id);
    pq_form_add_secret(&form, "client_secret", file->client_secret);
    pq_form_add_secret(&form, "refresh_token", file->refresh_token);
    PQ_AUTO_ANSWER answer = {0};
    if (!pq_google_post_form(ask, file->token_url, &form, NULL, &answer, err))
        return false;
    if (answer.status == 200)
        return pq_access_token_read(pq_buf_text(&answer.body), answer.body.length, PQ_GOOGLE_SERVICE, out, err);
    PQ_AUTO_GOOGLE_FAULT fault = {0};
    pq_google_fault_read(pq_buf_text(&answer.body), answer.body.length, &fault);
    if (pq_google_fault_common(&fault, answer.status, err))
        return false;
    if (pq_streq(fault.code, "invalid_grant") || pq_streq(fault.code, "invalid_rapt"))
        return pq_fail(err, PQ_EDENIED, NULL, "run `gcloud auth application-default login`",
                       "the login has ended or was revoked (%s)", fault.code);
    return pq_google_fault_other(&fault, answer.status, err);
}
