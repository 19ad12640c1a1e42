/* Content digests as registries write them, "sha256:<64 hex digits>" (OCI image-spec, descriptor.md, "Digests"). */
#pragma once

#include "base/error.h"

/* Whether the text is a digest that can be verified: sha256 or sha512, lower-case hex of the right length. The error
 * (PQ_EINPUT, without WHERE) says which of algorithm, length or form is wrong. */
bool pq_digest_check(const char *text, pq_error *err) PQ_MUST_USE;
/* The same without a reason. NULL is not valid. */
bool pq_digest_valid(const char *text);
/* The hex digits of a valid digest. Borrowed. */
const char *pq_digest_hex(const char *digest);
/* Whether the text has the outer form `algorithm:hex` of a reference's digest, whatever the algorithm
 * (distribution/reference, "digest" of its grammar). */
bool pq_digest_has_form(const char *text);
