/* First a digit of the status, then the body: 2 is a token, anything else a fault. */
#include <stdlib.h>
#include <string.h>

#include "auth/aws/ecr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] == '2') {
        PQ_AUTO_CREDENTIAL credential = {0};
        PQ_AUTO_ERROR err = {0};
        if (pq_ecr_answer_read(data + 1, size - 1, &credential, &err) != (credential.secret != NULL))
            abort();
        return 0;
    }
    PQ_AUTO_ANSWER answer = {.status = (data[0] & 7) * 100, .body = PQ_BUF(1u << 20)};
    pq_buf_add(&answer.body, data + 1, size - 1);
    PQ_AUTO_AWS_FAULT fault = {0};
    pq_aws_fault_read_json(&answer, &fault);
    if ((fault.said && strlen(fault.said) > 310) || (fault.code && strlen(fault.code) > 100))
        abort();
    return 0;
}
