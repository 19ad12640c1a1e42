/* First a digit of the status, then the body: 2 is a token, anything else a refusal. */
#include <stdlib.h>
#include <string.h>

#include "auth/azure/managed_identity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] == '2') {
        PQ_AUTO_ERROR err = {0};
        PQ_AUTO_ACCESS_TOKEN token = {0};
        if (pq_access_token_read(data + 1, size - 1, "the service", &token, &err) != (token.token != NULL))
            abort();
        return 0;
    }
    PQ_AUTO_ANSWER answer = {.status = 400, .body = PQ_BUF(1u << 20)};
    pq_buf_add(&answer.body, data + 1, size - 1);
    PQ_AUTO_FREE char *reason = pq_managed_identity_reason(&answer);
    if (reason && (strlen(reason) > 310 || strchr(reason, '\n')))
        abort();
    return 0;
}
