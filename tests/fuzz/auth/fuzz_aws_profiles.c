/* A credentials file, a NUL, a config file: the plan of profile "a". */
#include <stdlib.h>
#include <string.h>

#include "auth/aws/plan.h"
#include "base/log.h"
#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pq_log_setup(PQ_QUIET, false);
    const uint8_t *nul = size ? memchr(data, '\0', size) : NULL;
    size_t first = nul ? (size_t)(nul - data) : size;
    PQ_AUTO_SECRET *credentials = pq_secret_new(data, first);
    PQ_AUTO_SECRET *config = pq_secret_new(nul ? nul + 1 : data, nul ? size - first - 1 : 0);
    PQ_AUTO_ERRORS errors = {0};
    PQ_AUTO_AWS_PROFILES files = {0};
    pq_aws_profiles_add_credentials(&files, credentials, "credentials", &errors);
    pq_aws_profiles_add_config(&files, config, "config", &errors);
    bool parsed = errors.count == 0;
    PQ_AUTO_AWS_STEP *step = pq_aws_plan_files(&files, "a", "here", &errors);
    if (parsed && (step != NULL) != (errors.count == 0))
        abort();
    PQ_AUTO_FREE char *key = step ? pq_aws_step_key(step) : NULL;
    if ((key != NULL) != (step != NULL))
        abort();
    for (const pq_aws_step *at = step; at; at = at->source)
        if ((at->kind == PQ_AWS_STEP_ROLE) != (at->source != NULL) ||
            (at->role_arn && !pq_config_role_valid(at->role_arn)))
            abort();
    return 0;
}
