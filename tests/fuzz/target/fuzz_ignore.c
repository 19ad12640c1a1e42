/* A first line as a path, the rest as a .composeappignores file. */
#include <string.h>

#include "target/ignore.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PQ_AUTO_IGNORE ignore = {0};
    PQ_AUTO_ERROR err = {0};
    const char *text = (const char *)data;
    const char *end = size ? memchr(text, '\n', size) : NULL;
    size_t length = end ? (size_t)(end - text) : size;
    PQ_AUTO_FREE char *path = pq_strndup(text, length);
    if (!end || !pq_ignore_parse("fuzz", end + 1, size - length - 1, &ignore, &err))
        return 0;
    if (pq_ignore_prunes(&ignore, path) && !pq_ignore_matches(&ignore, path))
        abort();
    return 0;
}
