#include <stdlib.h>

#include "auth/google/endpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_bounds(const pq_google_file *file, pq_google_trust trust)
{
    PQ_AUTO_ERRORS errors = {0};
    if (pq_google_file_bounded(file, trust, "secret gcp_creds", &errors) != (errors.count == 0))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PQ_AUTO_GOOGLE_FILE file = {0};
    PQ_AUTO_ERRORS errors = {0};
    bool good = pq_google_file_read(data, size, "secret gcp_creds", &file, &errors);
    if (good != (errors.count == 0))
        abort();
    PQ_AUTO_FREE char *certificate = NULL, *key = NULL;
    PQ_AUTO_ERROR err = {0};
    if (pq_google_certificate_config_read(data, size, "config", &certificate, &key, &err) != (certificate && key))
        abort();
    if (!good)
        return 0;
    PQ_AUTO_FREE char *who = pq_google_file_who(&file);
    if (!who)
        abort();
    try_bounds(&file, PQ_GOOGLE_SECRET);
    try_bounds(&file, PQ_GOOGLE_OWN);
    return 0;
}
