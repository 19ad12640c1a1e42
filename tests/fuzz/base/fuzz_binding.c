#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/binding.h"
#include "base/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PQ_AUTO_BINDING binding = {0}, again = {0}, one = {0};
    PQ_AUTO_ERROR err = {0};
    if (!pq_binding_parse((const char *)data, size, "a", NULL, &binding, &err))
        return err.code == PQ_OK ? abort(), 0 : 0;
    for (size_t i = 0; i < binding.count; i++)
        if (*binding.at[i].program != '/' || *binding.at[i].config != '/')
            abort();
    PQ_AUTO_BUF text = PQ_BUF(2 * PQ_MAX_BINDING);
    if (!pq_binding_format(&binding, &text, &err))
        return 0; /* a control character */
    if (!pq_binding_parse(text.data, text.length, "a", NULL, &again, &err) || again.count != binding.count)
        abort();
    if (binding.count &&
        (!pq_binding_parse((const char *)data, size, "a", binding.at[0].host, &one, &err) || one.count != 1))
        abort();
    return 0;
}
