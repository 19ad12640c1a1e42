#include <stdlib.h>
#include <string.h>

#include "auth/common/pair.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PQ_AUTO_SECRET *secret = pq_secret_new(data, size);
    PQ_AUTO_CREDENTIAL pair = {0};
    PQ_AUTO_ERRORS errors = {0};
    bool good = pq_pair_read(secret, "secret", "<user>:<token>", &pair, &errors);
    if (good != (errors.count == 0) || good != (pair.secret != NULL))
        abort();
    /* user, colon and password are the whole secret but for a line end */
    if (good && size - strlen(pair.username) - 1 - pq_secret_length(pair.secret) > 2)
        abort();
    return 0;
}
