#include <stdlib.h>

#include "auth/common/jwt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PQ_AUTO_JWT jwt = {0};
    bool good = pq_jwt_read(data, size, &jwt);
    if (!good && (jwt.issuer || jwt.subject || jwt.audience || jwt.expires))
        abort();
    if (!good && pq_jwt_access(data, size, "a", "push") != PQ_JWT_SAYS_NOTHING)
        abort();
    return 0;
}
