/* Amazon ECR: a registry password for an AWS identity, by GetAuthorizationToken (ECR API reference, 2015-09-21).
 *
 * One token opens every registry of the region that the principal may read, for 12 hours. */
#pragma once

#include "auth/aws_host.h"
#include "auth/credential.h"
#include "auth/sigv4.h"
#include "net/http.h"

/* How a request is sent: pq_http_do() with its client, or a test. */
typedef bool pq_auth_send(void *context, const pq_http_request *request, pq_http_answer *out, pq_error *err);

typedef enum pq_ecr_fault_kind {
    PQ_ECR_KEY_ID,    /* the access key id is unknown */
    PQ_ECR_SECRET,    /* the signature is wrong: the secret belongs to another key id */
    PQ_ECR_CLOCK,     /* the request's time is too far from AWS's */
    PQ_ECR_SESSION,   /* the session token has expired */
    PQ_ECR_DENIED,    /* the principal may not */
    PQ_ECR_REGION,    /* the account does not use this region or service */
    PQ_ECR_THROTTLED, /* too many requests */
    PQ_ECR_SERVER,    /* AWS has a problem of its own */
    PQ_ECR_OTHER,
} pq_ecr_fault_kind;

/* What an answer that is not 200 says. */
typedef struct pq_ecr_fault {
    pq_ecr_fault_kind kind;
    char *code; /* "AccessDeniedException"; NULL when the answer is not of AWS's form */
    char *said; /* the first line of AWS's own words, cut short; NULL when there are none or they may hold a secret */
} pq_ecr_fault;

#define PQ_AUTO_ECR_FAULT PQ_CLEANUP(pq_ecr_fault_clear) pq_ecr_fault

void pq_ecr_fault_read(const pq_http_answer *answer, pq_ecr_fault *out);
void pq_ecr_fault_clear(pq_ecr_fault *fault);

/* Reads the answer to GetAuthorizationToken. Fills user name, secret and expiry (0 when the answer has none). */
bool pq_ecr_answer_read(const void *bytes, size_t length, pq_credential *out, pq_error *err) PQ_MUST_USE;

typedef struct pq_ecr_call {
    const pq_aws_host *registry; /* which region, and by which kind of endpoint */
    const pq_aws_keys *keys;
    const char *where;    /* for warnings and notes: the registry's host */
    const char *endpoint; /* URL in place of the region's own (AWS_ENDPOINT_URL_ECR), https or loopback; or NULL */
    const pq_http_trust *trust; /* trusted for this call besides the client's own (AWS_CA_BUNDLE), or NULL */
    pq_auth_send *send;
    void *send_context;
    double pause;       /* seconds before the second try when AWS is busy, doubling from there; 0 for 0.5 */
    long *clock_offset; /* seconds to add to this machine's clock; corrected when AWS says that it is wrong */
} pq_ecr_call;

/* Asks for a token, signing with the keys. Too many requests and AWS's own problems are tried again (PQ_EBUSY in the
 * end); a wrong clock is named in a warning and corrected once, from the Date of the answer. PQ_EDENIED for what only
 * other keys or rights will mend. `out->source` is left to the caller. */
bool pq_ecr_get_token(const pq_ecr_call *call, pq_credential *out, pq_error *err) PQ_MUST_USE;
