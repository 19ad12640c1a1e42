#include "registry/challenge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PQ_AUTO_FREE char *text = pq_strndup((const char *)data, size);
    PQ_AUTO_CHALLENGES list = {0};
    pq_challenges_parse(text, &list);
    return 0;
}
