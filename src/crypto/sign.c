#include "crypto/sign.h"

#include <string.h>

#include "crypto/openssl_auto.h"

struct pq_sign_key {
    EVP_PKEY *pair;
    pq_secret *seed;
    unsigned char public_key[PQ_SIGN_PUBLIC_SIZE];
};

void pq_sign_key_free(pq_sign_key *key)
{
    if (!key)
        return;
    EVP_PKEY_free(key->pair);
    pq_secret_free(key->seed);
    free(key);
}

void pq_sign_key_cleanup(pq_sign_key **key)
{
    pq_sign_key_free(*key);
}

bool pq_sign_key_from_seed(const pq_secret *seed, const char *where, pq_sign_key **out, pq_error *err)
{
    if (pq_secret_length(seed) != PQ_SIGN_SEED_SIZE)
        return pq_fail(err, PQ_EINPUT, where, NULL, "is not an Ed25519 private key: it has %zu bytes, not %d",
                       pq_secret_length(seed), PQ_SIGN_SEED_SIZE);
    PQ_AUTO_SIGN_KEY *key = pq_alloc(1, sizeof *key);
    key->pair = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, (const unsigned char *)pq_secret_bytes(seed),
                                             PQ_SIGN_SEED_SIZE);
    size_t length = sizeof key->public_key;
    if (!key->pair || EVP_PKEY_get_raw_public_key(key->pair, key->public_key, &length) != 1 ||
        length != sizeof key->public_key)
        return pq_fail(err, PQ_ESYSTEM, where, NULL, "OpenSSL makes no Ed25519 key of it");
    key->seed = pq_secret_copy(seed);
    *out = pq_steal(key);
    return true;
}

bool pq_sign_key_generate(pq_sign_key **out, pq_error *err)
{
    PQ_AUTO_BUF bytes = PQ_SENSITIVE_BUF(PQ_SIGN_SEED_SIZE);
    char *place = pq_buf_reserve(&bytes, PQ_SIGN_SEED_SIZE);
    if (!place)
        return pq_fail(err, PQ_ESYSTEM, NULL, NULL, "no room for a key");
    pq_random(place, PQ_SIGN_SEED_SIZE);
    pq_buf_commit(&bytes, PQ_SIGN_SEED_SIZE);
    PQ_AUTO_SECRET *seed = pq_secret_from_buf(&bytes);
    return pq_sign_key_from_seed(seed, NULL, out, err);
}

const pq_secret *pq_sign_key_seed(const pq_sign_key *key)
{
    return key->seed;
}

const unsigned char *pq_sign_key_public(const pq_sign_key *key)
{
    return key->public_key;
}

bool pq_sign(const pq_sign_key *key, const void *bytes, size_t length, unsigned char out[PQ_SIGN_SIZE], pq_error *err)
{
    PQ_AUTO_EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t size = PQ_SIGN_SIZE;
    if (!context || EVP_DigestSignInit(context, NULL, NULL, NULL, key->pair) != 1 ||
        EVP_DigestSign(context, out, &size, bytes, length) != 1 || size != PQ_SIGN_SIZE)
        return pq_fail(err, PQ_ESYSTEM, NULL, NULL, "OpenSSL cannot sign with Ed25519");
    return true;
}

bool pq_sign_verify(const unsigned char public_key[PQ_SIGN_PUBLIC_SIZE], const void *bytes, size_t length,
                    const unsigned char signature[PQ_SIGN_SIZE])
{
    PQ_AUTO_EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public_key, PQ_SIGN_PUBLIC_SIZE);
    PQ_AUTO_EVP_MD_CTX *context = EVP_MD_CTX_new();
    return key && context && EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1 &&
           EVP_DigestVerify(context, signature, PQ_SIGN_SIZE, bytes, length) == 1;
}

void pq_sign_tuf_key_id(const unsigned char public_key[PQ_SIGN_PUBLIC_SIZE], char out[PQ_SHA256_HEX])
{
    PQ_AUTO_BUF canonical = PQ_BUF(256);
    pq_buf_adds(&canonical, "{\"keytype\":\"ed25519\",\"keyval\":{\"public\":\"");
    pq_hex_add(&canonical, public_key, PQ_SIGN_PUBLIC_SIZE);
    pq_buf_adds(&canonical, "\"},\"scheme\":\"ed25519\"}");
    pq_sha256 hash = pq_sha256_of(canonical.data, canonical.length);
    pq_sha256_hex(&hash, out);
}
