/* AWS Security Token Service: the keys of a role, and who we are (STS API reference, 2011-06-15). */
#pragma once

#include "auth/aws/call.h"
#include "auth/aws/host.h"

/* Where STS is asked. */
typedef struct pq_sts_place {
    const pq_aws_caller *caller;
    const char *region;
    pq_aws_reach reach;
    const char *endpoint; /* AWS_ENDPOINT_URL_STS, https or loopback; or NULL */
} pq_sts_place;

typedef struct pq_sts_role {
    const char *arn;
    const char *session_name; /* 2 to 64 of letters, digits and _+=,.@-; seen in CloudTrail */
    const char *external_id;  /* NULL for none; AssumeRole only */
    unsigned duration;        /* seconds, 900 to 43200 and not above the role's own maximum; 0 for AWS's 3600 */
} pq_sts_role;

/* Temporary keys, and the ARN of the session ("arn:aws:sts::…:assumed-role/ROLE/SESSION", owned, NULL when not said).
 * `renew` is as in pq_aws_call. */
bool pq_sts_assume_role(const pq_sts_place *place, const pq_aws_keys *keys, const char *renew, const pq_sts_role *role,
                        pq_aws_keys *out, char **out_arn, pq_error *err) PQ_MUST_USE;
/* The same for an OIDC token; nothing is signed. */
bool pq_sts_assume_role_with_web_identity(const pq_sts_place *place, const pq_secret *token, const pq_sts_role *role,
                                          pq_aws_keys *out, char **out_arn, pq_error *err) PQ_MUST_USE;
/* The ARN of whoever holds the keys; it needs no right. Owned. */
bool pq_sts_caller_identity(const pq_sts_place *place, const pq_aws_keys *keys, char **out_arn,
                            pq_error *err) PQ_MUST_USE;
