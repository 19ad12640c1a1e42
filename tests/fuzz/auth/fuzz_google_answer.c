#include <stdlib.h>
#include <string.h>

#include "auth/google/subject.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PQ_AUTO_ACCESS_TOKEN token = {0}, impersonated = {0};
    PQ_AUTO_GOOGLE_FAULT fault = {0};
    PQ_AUTO_SECRET *subject = NULL;
    PQ_AUTO_ERROR err = {0};
    if (pq_access_token_read(data, size, PQ_GOOGLE_SERVICE, &token, &err) != (token.token != NULL))
        abort();
    if (pq_google_impersonated_read(data, size, &impersonated, &err) != (impersonated.token != NULL))
        abort();
    if (impersonated.token && strpbrk(pq_secret_bytes(impersonated.token), "\r\n "))
        abort();
    if (pq_google_executable_read(data, size, 1700000000, "gcp.json", &subject, &err) != (subject != NULL))
        abort();
    pq_google_fault_read(data, size, &fault);
    if (!pq_google_fault_common(&fault, 400, &err) && pq_google_fault_other(&fault, 400, &err))
        abort();
    return 0;
}
