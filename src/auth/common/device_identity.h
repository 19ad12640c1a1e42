/* The device's own identity (crypto/identity.h) as the ways in use it: shown in a TLS handshake, or signing. */
#pragma once

#include "config/config.h"
#include "crypto/identity.h"
#include "net/http.h"

/* Where a device.yml says that the identity is, and on which lines. */
typedef struct pq_device_place {
    pq_identity_place at; /* borrows from the configuration and from: */
    char *certificate_where, *key_where;
} pq_device_place;

#define PQ_AUTO_DEVICE_PLACE PQ_CLEANUP(pq_device_place_clear) pq_device_place

pq_device_place pq_device_place_of(const pq_config *config);
void pq_device_place_clear(pq_device_place *place);

/* For pq_http_request.identity. Borrows the identity. */
pq_http_identity pq_device_http(const pq_identity *identity);
/* The SHA-256 of the certificate, hexadecimal: it decides whose answer a service's answer is. AWS IoT names its
 * certificates by it. Owned. */
char *pq_device_key(const pq_identity *identity) PQ_MUST_USE;
/* Warns when it says itself that it is not for TLS clients, which not every peer looks at. */
void pq_device_warn_of_use(const pq_identity *identity);
