/* Signatures: Ed25519 (RFC 8032), in the raw forms that TUF writes as hexadecimal. */
#pragma once

#include "base/error.h"
#include "base/secret.h"
#include "crypto/hash.h"

#define PQ_SIGN_PUBLIC_SIZE 32
#define PQ_SIGN_SEED_SIZE 32 /* the private key as RFC 8032, section 5.1.5, has it */
#define PQ_SIGN_SIZE 64

/* A private key and its public half. */
typedef struct pq_sign_key pq_sign_key;
#define PQ_AUTO_SIGN_KEY PQ_CLEANUP(pq_sign_key_cleanup) pq_sign_key

bool pq_sign_key_generate(pq_sign_key **out, pq_error *err) PQ_MUST_USE;
/* From the private key; PQ_EINPUT with `where` when it is not PQ_SIGN_SEED_SIZE bytes. */
bool pq_sign_key_from_seed(const pq_secret *seed, const char *where, pq_sign_key **out, pq_error *err) PQ_MUST_USE;
void pq_sign_key_free(pq_sign_key *key); /* NULL is fine */
void pq_sign_key_cleanup(pq_sign_key **key);

/* The private key, borrowed. */
const pq_secret *pq_sign_key_seed(const pq_sign_key *key);
/* The public key, borrowed, PQ_SIGN_PUBLIC_SIZE bytes. */
const unsigned char *pq_sign_key_public(const pq_sign_key *key);

bool pq_sign(const pq_sign_key *key, const void *bytes, size_t length, unsigned char out[PQ_SIGN_SIZE],
             pq_error *err) PQ_MUST_USE;
/* True when the signature is of these bytes and made by the owner of the public key. */
bool pq_sign_verify(const unsigned char public_key[PQ_SIGN_PUBLIC_SIZE], const void *bytes, size_t length,
                    const unsigned char signature[PQ_SIGN_SIZE]) PQ_MUST_USE;

/* The id of the key in TUF metadata: SHA-256 of the canonical JSON of its key object, in hexadecimal (TUF
 * specification 1.0.31, section 4.2). */
void pq_sign_tuf_key_id(const unsigned char public_key[PQ_SIGN_PUBLIC_SIZE], char out[PQ_SHA256_HEX]);
