/* First a digit of the status, then the body: 2 is a refresh token, anything else a refusal. */
#include <stdlib.h>
#include <string.h>

#include "auth/azure/acr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] == '2') {
        PQ_AUTO_CREDENTIAL credential = {0};
        PQ_AUTO_ERROR err = {0};
        bool good = pq_acr_answer_read(data + 1, size - 1, &credential, &err);
        if (good != (credential.secret != NULL) || good != (credential.expires != 0))
            abort();
        return 0;
    }
    PQ_AUTO_ANSWER answer = {.status = 401, .body = PQ_BUF(1u << 20)};
    pq_buf_add(&answer.body, data + 1, size - 1);
    PQ_AUTO_FREE char *reason = pq_acr_reason(&answer);
    if (reason && (strlen(reason) > 620 || strchr(reason, '\n')))
        abort();
    return 0;
}
