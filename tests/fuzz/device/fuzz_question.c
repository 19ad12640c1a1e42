#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "device/serve/question.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PQ_AUTO_FREE char *url = NULL, *host = NULL;
    if (!pq_question_read((const char *)data, size, &url, &host))
        return url || host ? abort(), 0 : 0;
    /* All that came after the verb is what is answered. */
    if (!*host || strlen(url) != size - strlen("get ") || strpbrk(host, " /\n\"\\"))
        abort();
    return 0;
}
