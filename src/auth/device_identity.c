#include "auth/device_identity.h"

#include "base/limits.h"
#include "base/log.h"

pq_http_identity pq_device_http(const pq_identity *identity)
{
    return (pq_http_identity){.arm = pq_identity_arm, .context = (void *)identity};
}

char *pq_device_key(const pq_identity *identity)
{
    PQ_AUTO_BUF der = PQ_BUF(PQ_MAX_SECRET);
    pq_certificate_der(pq_identity_certificate(identity), 0, &der);
    pq_sha256 hash = pq_sha256_of(pq_buf_text(&der), der.length);
    char hex[PQ_SHA256_HEX];
    pq_sha256_hex(&hash, hex);
    return pq_strdup(hex);
}

void pq_device_warn_of_use(const pq_identity *identity)
{
    if (!pq_certificate_may_be_client(pq_identity_certificate(identity)))
        pq_warn(pq_identity_certificate_place(identity),
                "have one issued with the key usage digitalSignature and the extended key usage clientAuth",
                "the device's certificate is not one for TLS clients, and peers may refuse it");
}
