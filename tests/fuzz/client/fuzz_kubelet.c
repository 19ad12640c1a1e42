#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "client/kubelet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PQ_AUTO_FREE char *host = NULL;
    PQ_AUTO_ERROR err = {0};
    bool good = pq_kubelet_read_request(data, size, &host, &err);
    if (good != (host != NULL) || good != (err.code == PQ_OK) || (host && (!*host || strchr(host, '/'))))
        abort();
    return 0;
}
