#include "crypto/pkcs11.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *uri = pq_strndup((const char *)data, size);
    if (!pq_pkcs11_is_uri(uri))
        return 0;
    bool good = pq_pkcs11_check_uri(uri, "device.yml:2", &err);
    PQ_AUTO_FREE char *pin_file = pq_pkcs11_pin_file(uri);
    if (pin_file && (!good || *pin_file != '/'))
        abort();
    return 0;
}
