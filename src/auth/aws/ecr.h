/* Amazon ECR: a registry password for an AWS identity, by GetAuthorizationToken (ECR API reference, 2015-09-21; ECR
 * Public API reference, 2020-10-30).
 *
 * One token opens every registry of the region that the principal may read, for 12 hours: also when the keys that asked
 * for it are a role's and end sooner. */
#pragma once

#include "auth/aws/call.h"
#include "auth/aws/host.h"
#include "auth/common/credential.h"

/* Reads the answer to GetAuthorizationToken. Fills user name, secret and expiry (0 when the answer has none). */
bool pq_ecr_answer_read(const void *bytes, size_t length, pq_credential *out, pq_error *err) PQ_MUST_USE;

typedef struct pq_ecr_call {
    const pq_aws_caller *caller;
    const pq_aws_host *registry; /* which region, private or the public gallery */
    pq_aws_reach reach;
    const pq_aws_keys *keys;
    const char *endpoint; /* URL in place of the region's own (AWS_ENDPOINT_URL_ECR), https or loopback; or NULL */
    const char *renew;    /* as in pq_aws_call */
} pq_ecr_call;

/* Asks for a token, signing with the keys; what is tried again and what fails how is said at pq_aws_call_do().
 * `out->source` is left to the caller; `*out_denied` says that AWS knows who asks and refuses. */
bool pq_ecr_get_token(const pq_ecr_call *call, pq_credential *out, bool *out_denied, pq_error *err) PQ_MUST_USE;
