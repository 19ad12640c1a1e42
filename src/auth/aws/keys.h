/* Follows the plan of an identity to its keys, and tells offline what would stop it. */
#pragma once

#include "auth/aws/call.h"
#include "auth/aws/host.h"
#include "auth/aws/plan.h"
#include "auth/common/oidc.h"

/* Temporary keys that were fetched in this run, by the key of their step: one call for each, however many registries
 * and regions want them. */
typedef struct pq_aws_memory pq_aws_memory;

pq_aws_memory *pq_aws_memory_new(void) PQ_MUST_USE;
void pq_aws_memory_free(pq_aws_memory *memory); /* NULL is fine */
void pq_aws_memory_forget(pq_aws_memory *memory);

typedef struct pq_aws_follow {
    const pq_aws_caller *caller;
    const char *region; /* where STS is asked */
    pq_aws_reach reach;
    const pq_oidc_ask *oidc; /* for a web identity without a token file */
    pq_aws_memory *memory;
} pq_aws_follow;

/* `*out_arn` is who that is when AWS said so on the way, else NULL (owned). */
bool pq_aws_keys_get(const pq_aws_step *step, const pq_aws_follow *how, pq_aws_keys *out, char **out_arn,
                     pq_error *err) PQ_MUST_USE;
/* Who that is, asked of AWS (GetCallerIdentity); NULL when it does not say. Owned. */
char *pq_aws_whose(const pq_aws_follow *how, const pq_aws_keys *keys) PQ_MUST_USE;
/* Adds to an error that AWS denies something who asked, if that is not in its words already; `arn` NULL: asks AWS
 * (GetCallerIdentity), and does nothing when that fails. */
void pq_aws_explain_denial(const pq_aws_follow *how, const pq_aws_keys *keys, const char *arn, pq_error *err);
/* What can be known offline: files and programs that are not there, logins that have ended; what ends soon is warned
 * of. `oidc` is for a web identity without a token file. */
bool pq_aws_keys_check(const pq_aws_step *step, const pq_oidc_ask *oidc, pq_errors *errors) PQ_MUST_USE;
/* What to do when the session of the keys has ended; NULL for keys in a secret. Borrowed. */
const char *pq_aws_keys_renewal(const pq_aws_step *step);
/* The value of a service's own variable ("AWS_ENDPOINT_URL_STS"), else of AWS_ENDPOINT_URL; NULL for AWS's own address.
 * Borrowed. */
const char *pq_aws_endpoint(const char *variable);
