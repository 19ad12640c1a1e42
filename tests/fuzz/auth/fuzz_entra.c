/* First a digit of the status, then the body: 2 is a token, anything else a fault, which is put into words. */
#include <stdlib.h>
#include <string.h>

#include "auth/azure/entra.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PQ_AUTO_ERROR err = {0};
    if (size == 0)
        return 0;
    if (data[0] == '2') {
        PQ_AUTO_ACCESS_TOKEN token = {0};
        if (pq_access_token_read(data + 1, size - 1, "Entra ID", &token, &err) != (token.token != NULL))
            abort();
        return 0;
    }
    PQ_AUTO_ANSWER answer = {.status = (data[0] & 7) * 100, .body = PQ_BUF(1u << 20)};
    pq_buf_add(&answer.body, data + 1, size - 1);
    PQ_AUTO_ENTRA_FAULT fault = {0};
    pq_entra_fault_read(&answer, &fault);
    if ((fault.said && strlen(fault.said) > 310) || fault.code < 0)
        abort();
    const pq_entra_call call = {.client = "client", .renew = "renew"};
    if (pq_entra_fail(&call, &fault, answer.status, &err) || err.code == PQ_OK)
        abort();
    return 0;
}
