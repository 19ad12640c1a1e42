#include <stdint.h>

#include "scan/dockerfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const pq_dockerfile_options options = {0};
    PQ_AUTO_SCAN scan = {0};
    pq_dockerfile_scan("Dockerfile", (const char *)data, size, &options, &scan);
    if (scan.errors.count && scan.use_count)
        abort(); /* of a file that would not build nothing is listed */
    return 0;
}
