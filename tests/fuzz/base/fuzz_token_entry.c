#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/token_cache.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pq_token_entry entry, again;
    if (!pq_token_entry_parse((const char *)data, size, &entry))
        return 0;
    /* Either a credential or a failure, and what is written is read the same. */
    if ((entry.secret.at != NULL) == (entry.code != 0))
        abort();
    PQ_AUTO_BUF text = PQ_BUF(4 * PQ_MAX_TOKEN_ENTRY);
    pq_token_entry_format(&entry, &text);
    if (size <= PQ_MAX_TOKEN_ENTRY &&
        (!pq_token_entry_parse(text.data, text.length, &again) || again.expires != entry.expires ||
         again.secret.length != entry.secret.length || again.source_count != entry.source_count))
        abort();
    return 0;
}
