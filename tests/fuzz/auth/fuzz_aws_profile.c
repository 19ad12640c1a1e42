#include <stdlib.h>

#include "auth/aws_profile.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pq_log_setup(PQ_QUIET, false);
    PQ_AUTO_SECRET *secret = pq_secret_new(data, size);
    PQ_AUTO_ERRORS errors = {0};
    PQ_AUTO_AWS_KEYS keys = {0};
    bool good = pq_aws_profile_read(secret, "secret", NULL, &keys, &errors);
    if (good != (errors.count == 0) || good != (keys.access_key_id && keys.secret_access_key))
        abort();
    return 0;
}
