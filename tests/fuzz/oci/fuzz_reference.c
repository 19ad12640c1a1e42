#include <stdint.h>
#include <string.h>

#include "oci/reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PQ_AUTO_FREE char *text = pq_strndup((const char *)data, size);
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_REFERENCE first = {0}, second = {0};
    if (!pq_reference_parse(text, &first, &err))
        return 0;
    /* What was accepted is read back as the same, by either rule. */
    PQ_AUTO_FREE char *string = pq_reference_string(&first);
    if (!pq_reference_parse(string, &second, &err))
        abort();
    PQ_AUTO_FREE char *again = pq_reference_string(&second);
    PQ_AUTO_FREE char *familiar = pq_reference_familiar_string(&first);
    if (strcmp(string, again) != 0 || strlen(familiar) > strlen(string))
        abort();
    return 0;
}
