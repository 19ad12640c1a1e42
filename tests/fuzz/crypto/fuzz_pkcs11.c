#include "crypto/pkcs11.h"

#include <string.h>

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
    const char *first = strcasestr(uri, ";pin-source=/");
    if (good && first && strcasestr(first + 1, ";pin-source=/") && !strchr(uri, '?'))
        abort(); /* two, and one is taken */
    return 0;
}
