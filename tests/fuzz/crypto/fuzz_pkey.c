#include "crypto/pkey.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_PKEY *key = NULL;
    PQ_AUTO_CERTIFICATE *certificate = NULL;
    const char *text = (const char *)data;
    bool has_key = pq_pkey_from_pem(text, size, "secret", &key, &err);
    bool has_certificate = pq_certificate_from_pem(text, size, "secret", &certificate, &err);
    if (has_key && has_certificate)
        (void)pq_certificate_matches(certificate, key);
    PQ_AUTO_BUF der = PQ_BUF(1u << 20);
    if (has_certificate)
        pq_certificate_der(certificate, pq_certificate_count(certificate) - 1, &der);
    return 0;
}
