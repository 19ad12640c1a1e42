/* Sealed blobs, plain and under a passphrase: nothing but what the seeds hold opens, and nothing crashes. */
#include <stdint.h>

#include "crypto/seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char key_bytes[] = "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"
                                    "\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f";
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_SECRET *key = pq_secret_new(key_bytes, PQ_SEAL_KEY_SIZE);
    PQ_AUTO_SECRET *plain = NULL, *other = NULL;
    if (pq_open(key, "name", 4, data, size, "fuzz", &plain, &err) != (plain != NULL))
        abort();
    PQ_AUTO_SECRET *passphrase = pq_secret_new("pass phrase", 11);
    /* Cheap parameters, and those that are refused without being tried. */
    bool cheap = size < 7 || ((data[4] < 8 || data[4] > 24) && data[5] < 16);
    if (cheap && pq_is_passphrase_sealed(data, size) &&
        pq_open_with_passphrase(data, size, passphrase, "name", 4, "fuzz", &other, &err) != (other != NULL))
        abort();
    return 0;
}
