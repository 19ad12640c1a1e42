/* What a certificate and those after it say beside names and keys: for who looks at a device, not for whoever it shows
 * itself to. Nothing here decides whether a peer is trusted. */
#pragma once

#include "crypto/pkey.h"

/* The name of who signed it, "CN=Acme Devices,O=Acme" (RFC 4514). Owned. */
char *pq_certificate_issuer(const pq_certificate *certificate) PQ_MUST_USE;
/* The days from its first second to its last, begun ones counted whole. */
unsigned pq_certificate_days(const pq_certificate *certificate);
/* Signed with its own key, as an authority's root is and a device's should not be. */
bool pq_certificate_signs_itself(const pq_certificate *certificate);
/* Each one must be signed by the next, which must be an authority's and within its dates: TLS sends them as they stand
 * (RFC 8446, section 4.4.2), and few peers put them in order. PQ_ECONFIG with `where` for what is not so, PQ_EDENIED
 * for dates. One alone is in order. */
bool pq_certificate_judge_chain(const pq_certificate *certificate, time_t now, const char *where,
                                pq_error *err) PQ_MUST_USE;
