/* Google's token services: how they are asked and what they answer.
 *
 * Both forms of answers are here: OAuth's own (RFC 6749, section 5; oauth2.googleapis.com, sts.googleapis.com, the
 * metadata server) and that of Google's APIs (google.rpc.Status; iamcredentials.googleapis.com). */
#pragma once

#include "auth/common/access_token.h"
#include "auth/common/send.h"

/* Reads `{accessToken, expireTime}` of generateAccessToken. */
bool pq_google_impersonated_read(const void *bytes, size_t length, pq_access_token *out, pq_error *err) PQ_MUST_USE;

/* What an answer that is not 200 says. */
typedef struct pq_google_fault {
    char *code; /* "invalid_grant", "PERMISSION_DENIED"; NULL when the answer is not of Google's form */
    char *said; /* the first line of Google's own words, cut short; or NULL */
} pq_google_fault;

#define PQ_AUTO_GOOGLE_FAULT PQ_CLEANUP(pq_google_fault_clear) pq_google_fault
void pq_google_fault_read(const void *bytes, size_t length, pq_google_fault *out);
void pq_google_fault_clear(pq_google_fault *fault);
/* Too many requests, problems of Google's own, pages of somebody else: the same for every service. True when it is one
 * of these, `err` being filled. */
bool pq_google_fault_common(const pq_google_fault *fault, long status, pq_error *err);
/* Any other fault, in Google's words; false. */
bool pq_google_fault_other(const pq_google_fault *fault, long status, pq_error *err);

/* What is asked of answers of form `{access_token, expires_in}`; their `who` (auth/common/access_token.h). */
#define PQ_GOOGLE_SERVICE "Google's token service"

/* Who asks. */
typedef struct pq_google_ask {
    const char *where; /* the registry's host */
    pq_auth_send *send;
    void *send_context;
} pq_google_ask;

/* What a form is sent with; each may be NULL. */
typedef struct pq_google_proof {
    const pq_secret *authorization;
    const pq_http_trust *trust;       /* the client's certificate in files */
    const pq_http_identity *identity; /* a device's */
} pq_google_proof;

/* POSTs a form to a token service. `proof` may be NULL. */
bool pq_google_post_form(const pq_google_ask *ask, const char *url, const pq_buf *form, const pq_google_proof *proof,
                         pq_http_answer *out, pq_error *err) PQ_MUST_USE;

/* What is asked for. Reading is enough for a pull: the Artifact Registry API takes this scope for every method that
 * reads (its discovery document), and a token that leaks can then change nothing. */
#define PQ_GOOGLE_READ_SCOPE "https://www.googleapis.com/auth/cloud-platform.read-only"
/* What generateAccessToken takes (IAM Service Account Credentials API, "Authorization scopes"). */
#define PQ_GOOGLE_IAM_SCOPE "https://www.googleapis.com/auth/iam"
