#include <stdlib.h>
#include <string.h>

#include "auth/aws/sts_xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PQ_AUTO_STS_XML xml = {0};
    bool good = pq_sts_xml_read(data, size, &xml);
    if (!good && (xml.access_key_id || xml.secret_access_key || xml.error_code))
        abort();
    /* without entities of its own, nothing gets longer than it came */
    if (xml.error_message && strlen(xml.error_message) > size)
        abort();
    return 0;
}
