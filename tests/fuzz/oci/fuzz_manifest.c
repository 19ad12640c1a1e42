#include <stdint.h>

#include "oci/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_MANIFEST manifest = {0};
    PQ_AUTO_PLATFORM platform = {.os = pq_strdup("linux"), .architecture = pq_strdup("arm"), .variant = pq_strdup("")};
    if (pq_manifest_parse((const char *)data, size, NULL, &manifest, &err)) {
        (void)pq_manifest_select(&manifest, &platform);
        (void)pq_manifest_transfer_size(&manifest);
    }
    return 0;
}
