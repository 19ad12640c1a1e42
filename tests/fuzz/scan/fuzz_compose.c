#include <stdint.h>
#include <string.h>

#include "../fyaml_leaks.h"
#include "scan/compose.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct input {
    const uint8_t *data;
    size_t size;
} input;

/* Every other file is the input again, so that `extends` and `include` have somewhere to go. */
static bool read_again(void *context, const char *path, pq_buf *out, pq_error *err)
{
    const input *in = context;
    if (strlen(path) > 8)
        return pq_fail(err, PQ_ENOTFOUND, path, NULL, "no such file");
    pq_buf_add(out, in->data, in->size);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input in = {data, size};
    pq_loader loader = {.read = read_again, .context = &in};
    pq_scan_options options = {0};
    PQ_AUTO_SCAN scan = {0};
    pq_compose_scan("c.yml", (const char *)data, size, &loader, &options, &scan);
    for (size_t i = 0; i < scan.use_count; i++) {
        const pq_image_span *splice = &scan.uses[i].splice;
        if (splice->possible && (splice->start > splice->end || splice->end > size || !splice->before))
            abort();
    }
    return 0;
}
