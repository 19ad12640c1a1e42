#include <stdlib.h>

#include "auth/jwt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PQ_AUTO_JWT jwt = {0};
    bool good = pq_jwt_read(data, size, &jwt);
    if (!good && (jwt.issuer || jwt.subject || jwt.audience || jwt.expires))
        abort();
    return 0;
}
