#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "device/serve/view.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PQ_AUTO_DEVICE_VIEW view = {0}, again = {0};
    PQ_AUTO_BUF text = PQ_BUF(1u << 20), written = PQ_BUF(2u << 20);
    pq_buf_add(&text, data, size);
    if (!pq_device_view_read(&text, &view))
        return 0;
    pq_device_view_write(&view, &written);
    if (!pq_device_view_read(&written, &again) || again.hosts.count != view.hosts.count || again.begins != view.begins)
        abort();
    return 0;
}
