/* The device's own identity (crypto/identity.h) as the ways in use it: shown in a TLS handshake, or signing. */
#pragma once

#include "crypto/identity.h"
#include "net/http.h"

/* For pq_http_request.identity. Borrows the identity. */
pq_http_identity pq_device_http(const pq_identity *identity);
/* The SHA-256 of the certificate, hexadecimal: it decides whose answer a service's answer is. AWS IoT names its
 * certificates by it. Owned. */
char *pq_device_key(const pq_identity *identity) PQ_MUST_USE;
/* Warns when it says itself that it is not for TLS clients, which not every peer looks at. */
void pq_device_warn_of_use(const pq_identity *identity);
