#include <stdlib.h>
#include <string.h>

#include "auth/gateway/hub_creds.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What may stand in a header, and in the pair that a colon divides. */
static bool is_clean(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return false;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { NOW = 1795000000 };
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_CREDENTIAL credential = {0};
    bool good = pq_hub_creds_read(data, size, NOW, &credential, &err);
    if (good != (credential.secret != NULL) || (!good && !err.message))
        abort();
    if (good && (!*credential.username || strchr(credential.username, ':') || !is_clean(credential.username) ||
                 !is_clean(pq_secret_bytes(credential.secret)) || credential.expires <= NOW))
        abort();
    return 0;
}
