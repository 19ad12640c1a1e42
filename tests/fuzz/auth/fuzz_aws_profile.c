#include <stdlib.h>

#include "auth/aws/plan.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pq_log_setup(PQ_QUIET, false);
    PQ_AUTO_SECRET *secret = pq_secret_new(data, size);
    PQ_AUTO_ERRORS errors = {0};
    PQ_AUTO_AWS_STEP *step = pq_aws_plan_secret(secret, "secret", NULL, &errors);
    if ((step != NULL) != (errors.count == 0))
        abort();
    const pq_aws_step *origin = step ? pq_aws_step_origin(step) : NULL;
    if (origin && (origin->kind != PQ_AWS_STEP_KEYS || !origin->keys.access_key_id || !origin->keys.secret_access_key))
        abort(); /* a secret leads to keys, and nowhere else */
    return 0;
}
