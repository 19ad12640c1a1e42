/* Any bytes as each of the four kinds of TUF metadata, and a root's keys over what was read. */
#include "target/tuf_metadata.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PQ_AUTO_TUF_METADATA root = {0};
    PQ_AUTO_ERROR err = {0};
    bool have_root = pq_tuf_parse(PQ_TUF_ROOT, data, size, "fuzz", &root, &err);
    for (size_t i = 0; i < PQ_TUF_ROLES; i++) {
        PQ_AUTO_TUF_METADATA metadata = {0};
        if (pq_tuf_parse((pq_tuf_role)i, data, size, "fuzz", &metadata, &err) && have_root)
            (void)!pq_tuf_check_signatures(&root, &metadata, "fuzz", &err);
    }
    return 0;
}
