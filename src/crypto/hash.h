/* Hashes, MACs, random bytes and the text forms of bytes. The lengths are those of SHA-256 throughout. */
#pragma once

#include "base/error.h"
#include "base/secret.h"

#define PQ_SHA256_SIZE 32
#define PQ_SHA256_HEX 65 /* with the NUL */

typedef struct pq_sha256 {
    unsigned char bytes[PQ_SHA256_SIZE];
} pq_sha256;

pq_sha256 pq_sha256_of(const void *bytes, size_t length);
void pq_sha256_hex(const pq_sha256 *hash, char out[PQ_SHA256_HEX]);
/* "sha256:<hex>" as registries write it. Owned. */
char *pq_sha256_digest(const void *bytes, size_t length) PQ_MUST_USE;
pq_sha256 pq_hmac_sha256(const void *key, size_t key_length, const void *bytes, size_t length);

#define PQ_SHA1_HEX 41 /* with the NUL */
/* For names that others have made with it; it proves nothing. */
void pq_sha1_hex(const void *bytes, size_t length, char out[PQ_SHA1_HEX]);

/* A hash over bytes that come piece by piece. */
typedef struct pq_hasher pq_hasher;
#define PQ_AUTO_HASHER PQ_CLEANUP(pq_hasher_cleanup) pq_hasher
pq_hasher *pq_hasher_new(void) PQ_MUST_USE;
void pq_hasher_add(pq_hasher *hasher, const void *bytes, size_t length);
pq_sha256 pq_hasher_end(pq_hasher *hasher); /* once; then only free */
void pq_hasher_free(pq_hasher *hasher);
void pq_hasher_cleanup(pq_hasher **hasher);

/* The SHA-256 of what a descriptor still gives, and its length. */
bool pq_sha256_of_fd(int fd, const char *name, pq_sha256 *out, uint64_t *out_length, pq_error *err) PQ_MUST_USE;

/* Bytes that nobody can guess. */
void pq_random(void *out, size_t length);

void pq_hex_add(pq_buf *out, const void *bytes, size_t length); /* lower case */
/* False when the text is not an even number of hexadecimal digits. */
bool pq_hex_decode(const char *text, pq_buf *out) PQ_MUST_USE;
void pq_base64_add(pq_buf *out, const void *bytes, size_t length);    /* RFC 4648, section 4, padded */
void pq_base64url_add(pq_buf *out, const void *bytes, size_t length); /* RFC 4648, section 5, not padded */
/* Both alphabets, padded or not, no blanks; false for anything else. */
bool pq_base64_decode(const char *text, size_t length, pq_buf *out) PQ_MUST_USE;
