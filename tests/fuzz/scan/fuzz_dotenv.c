#include <stdint.h>

#include "scan/dotenv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PQ_AUTO_VARS environment = {0}, out = {0};
    pq_vars_set(&environment, "A", "b", NULL);
    PQ_AUTO_ERRORS errs = {0};
    bool good = pq_dotenv_parse(".env", (const char *)data, size, &environment, &out, &errs);
    if (good != (errs.count == 0))
        abort();
    return 0;
}
