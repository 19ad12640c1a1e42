/* Any bytes as a server URL: what comes of it is a host and no more, and means the same when it is read again. */
#include <stdlib.h>
#include <string.h>

#include "base/docker_protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PQ_AUTO_FREE char *url = pq_strndup((const char *)data, size);
    PQ_AUTO_FREE char *host = pq_docker_host(url);
    if (!host)
        return 0;
    PQ_AUTO_FREE char *again = pq_docker_host(host);
    if (!*host || strpbrk(host, "/@?# \t\r\n\\") || !again || strcmp(host, again) != 0)
        abort();
    return 0;
}
