/* JSON Web Signatures in the compact form (RFC 7515, section 3.1), for assertions: a JWT is one whose payload is a set
 * of claims (RFC 7519). Pure text: the caller writes header and claims as JSON. */
#pragma once

#include "crypto/pkey.h"

/* "RS256", "PS256", "ES256": what the header's `alg` must say. Static. */
const char *pq_jws_algorithm(pq_signature_form form);
/* base64url(header).base64url(payload).base64url(signature). Whoever holds it is the key's owner for as long as its
 * claims say, so it is a secret. PQ_ES256, not PQ_ECDSA_DER, for a P-256 key. */
bool pq_jws_sign(const pq_pkey *key, pq_signature_form form, const char *header, const char *payload, pq_secret **out,
                 pq_error *err) PQ_MUST_USE;
