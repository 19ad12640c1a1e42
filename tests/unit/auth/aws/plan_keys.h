/* The keys that a profile of a credentials file in a secret leads to: those of the first step of its plan. */
#pragma once

#include "auth/aws/plan.h"

static inline bool plan_keys(const pq_secret *file, const char *where, const char *profile, pq_aws_keys *out,
                             pq_errors *errors)
{
    PQ_AUTO_AWS_STEP *step = pq_aws_plan_secret(file, where, profile, errors);
    if (step)
        pq_aws_keys_copy(&pq_aws_step_origin(step)->keys, out);
    return step != NULL;
}
