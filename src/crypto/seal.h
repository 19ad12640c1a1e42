/* Sealing: secrets at rest, encrypted and authenticated with AES-256-GCM (NIST SP 800-38D).
 *
 * A sealed blob describes itself. Numbers are big-endian:
 *
 *     "pqs" | version 1 | length of the plain bytes (4) | nonce (12) | ciphertext | tag (16)
 *
 * The first twenty bytes are authenticated too, before the caller's associated data: what the blob belongs to (a name,
 * a version), which must be given again to open it. The nonce is random; one key may seal 2^32 blobs (SP 800-38D,
 * section 8.3), more than any store of secrets will see.
 *
 * Under a passphrase the key comes from scrypt (RFC 7914), and the blob of above follows a header of its own, which is
 * authenticated with it:
 *
 *     "pqp" | version 1 | log2 N (1) | r (1) | p (1) | salt (16) | sealed blob
 *
 * Errors of opening: PQ_EUNTRUSTED when authentication fails (another key or passphrase, other associated data, or
 * changed bytes: cryptography cannot tell these apart), PQ_EINPUT for what is seen before that: not a sealed blob,
 * truncated, followed by more, of a newer version, or asking scrypt for more than PQ_SCRYPT_MAX_MEMORY. */
#pragma once

#include "base/error.h"
#include "base/secret.h"

#define PQ_SEAL_KEY_SIZE 32
#define PQ_SEAL_OVERHEAD 36                   /* bytes that a sealed blob is longer than what it holds */
#define PQ_SEAL_PASSPHRASE_OVERHEAD (36 + 23) /* the same under a passphrase */
#define PQ_SCRYPT_MAX_MEMORY (128u << 20)     /* what a header may ask for; we write blobs that need 32 MiB */

/* A new random key. */
pq_secret *pq_seal_new_key(void) PQ_MUST_USE;

/* Adds the sealed form of `plain` to `out`. PQ_EINPUT when the key is not PQ_SEAL_KEY_SIZE bytes or `out` is too
 * small. */
bool pq_seal(const pq_secret *key, const void *associated, size_t associated_length, const pq_secret *plain,
             pq_buf *out, pq_error *err) PQ_MUST_USE;
/* Opens all of `sealed`. `where` is for errors; `*out` is owned by the caller. */
bool pq_open(const pq_secret *key, const void *associated, size_t associated_length, const void *sealed, size_t length,
             const char *where, pq_secret **out, pq_error *err) PQ_MUST_USE;

/* The same under a passphrase, which is taken as it is, byte by byte. Takes about 0.1 s and 32 MiB. PQ_EUSAGE for an
 * empty passphrase. */
bool pq_seal_with_passphrase(const pq_secret *plain, const pq_secret *passphrase, const void *associated,
                             size_t associated_length, pq_buf *out, pq_error *err) PQ_MUST_USE;
bool pq_open_with_passphrase(const void *sealed, size_t length, const pq_secret *passphrase, const void *associated,
                             size_t associated_length, const char *where, pq_secret **out, pq_error *err) PQ_MUST_USE;
/* True when the bytes start as a blob under a passphrase does (of whatever version). */
bool pq_is_passphrase_sealed(const void *bytes, size_t length);
