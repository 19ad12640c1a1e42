#include "auth/common/device_identity.h"

#include "base/limits.h"
#include "base/log.h"

pq_device_place pq_device_place_of(const pq_config *config)
{
    pq_device_place place = {.certificate_where = pq_config_where(config, config->device.certificate.line),
                             .key_where = pq_config_where(config, config->device.key.line)};
    place.at = (pq_identity_place){.certificate = config->device.certificate.text,
                                   .certificate_where = place.certificate_where,
                                   .key = config->device.key.text,
                                   .key_where = place.key_where};
    return place;
}

void pq_device_place_clear(pq_device_place *place)
{
    free(place->certificate_where);
    free(place->key_where);
    *place = (pq_device_place){0};
}

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
