#include "crypto/seal.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <string.h>

#include "crypto/hash.h"

enum {
    VERSION = 1,
    MAGIC_SIZE = 3,
    NONCE_AT = 8,
    NONCE_SIZE = 12,
    HEADER_SIZE = NONCE_AT + NONCE_SIZE,
    TAG_SIZE = 16,
    SALT_AT = 7,
    SALT_SIZE = 16,
    OUTER_SIZE = SALT_AT + SALT_SIZE,
};

static const char seal_magic[] = "pqs";
static const char passphrase_magic[] = "pqp";

_Static_assert(PQ_SEAL_OVERHEAD == HEADER_SIZE + TAG_SIZE, "the overhead that the header states");
_Static_assert(PQ_SEAL_PASSPHRASE_OVERHEAD == OUTER_SIZE + PQ_SEAL_OVERHEAD, "the overhead that the header states");

static void cipher_cleanup(EVP_CIPHER_CTX **context)
{
    EVP_CIPHER_CTX_free(*context);
}
#define AUTO_CIPHER PQ_CLEANUP(cipher_cleanup) EVP_CIPHER_CTX

/* Fails only when memory runs out or the library is broken; neither can be mended by a caller. */
static void must(bool good)
{
    if (!good)
        abort();
}

/* Lengths reach OpenSSL as int. */
static int small(size_t length)
{
    must(length <= INT32_MAX);
    return (int)length;
}

static void feed_associated(EVP_CIPHER_CTX *context, const unsigned char header[HEADER_SIZE], const void *associated,
                            size_t length)
{
    int ignored = 0;
    must(EVP_CipherUpdate(context, NULL, &ignored, header, HEADER_SIZE) == 1);
    if (length)
        must(EVP_CipherUpdate(context, NULL, &ignored, associated, small(length)) == 1);
}

static bool check_key(const pq_secret *key, const char *where, pq_error *err)
{
    if (pq_secret_length(key) == PQ_SEAL_KEY_SIZE)
        return true;
    return pq_fail(err, PQ_EINPUT, where, NULL, "the key has %zu bytes, not %d", pq_secret_length(key),
                   PQ_SEAL_KEY_SIZE);
}

pq_secret *pq_seal_new_key(void)
{
    unsigned char bytes[PQ_SEAL_KEY_SIZE];
    pq_random(bytes, sizeof bytes);
    pq_secret *key = pq_secret_new(bytes, sizeof bytes);
    OPENSSL_cleanse(bytes, sizeof bytes);
    return key;
}

bool pq_seal(const pq_secret *key, const void *associated, size_t associated_length, const pq_secret *plain,
             pq_buf *out, pq_error *err)
{
    if (!check_key(key, NULL, err))
        return false;
    size_t length = pq_secret_length(plain);
    char *place = length <= INT32_MAX ? pq_buf_reserve(out, length + PQ_SEAL_OVERHEAD) : NULL;
    if (!place)
        return pq_fail(err, PQ_EINPUT, NULL, NULL, "%zu bytes are too many to be sealed here", length);
    unsigned char *header = (unsigned char *)place;
    memcpy(header, seal_magic, MAGIC_SIZE);
    header[3] = VERSION;
    for (size_t i = 0; i < 4; i++)
        header[4 + i] = (unsigned char)(length >> (24 - 8 * i) & 0xff);
    pq_random(header + NONCE_AT, NONCE_SIZE);

    AUTO_CIPHER *context = EVP_CIPHER_CTX_new();
    must(context && EVP_EncryptInit_ex(context, EVP_aes_256_gcm(), NULL, (const unsigned char *)pq_secret_bytes(key),
                                       header + NONCE_AT) == 1);
    feed_associated(context, header, associated, associated_length);
    unsigned char *text = header + HEADER_SIZE;
    int wrote = 0;
    if (length)
        must(EVP_EncryptUpdate(context, text, &wrote, (const unsigned char *)pq_secret_bytes(plain), small(length)) ==
             1);
    must(EVP_EncryptFinal_ex(context, text + wrote, &wrote) == 1);
    must(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, TAG_SIZE, text + length) == 1);
    pq_buf_commit(out, length + PQ_SEAL_OVERHEAD);
    return true;
}

/* What can be said about the bytes before any key is used. */
static bool check_start(const unsigned char *bytes, size_t length, const char *magic, size_t smallest,
                        const char *where, pq_error *err)
{
    size_t known = length < MAGIC_SIZE ? length : MAGIC_SIZE;
    if (length == 0 || memcmp(bytes, magic, known) != 0)
        return pq_fail(err, PQ_EINPUT, where, NULL, length == 0 ? "is empty" : "is not a sealed secret");
    if (length > MAGIC_SIZE && bytes[3] > VERSION)
        return pq_fail(err, PQ_EINPUT, where, "use a newer pratique",
                       "was sealed in format %d; this program knows formats up to %d", bytes[3], VERSION);
    if (length > MAGIC_SIZE && bytes[3] == 0)
        return pq_fail(err, PQ_EINPUT, where, NULL, "is not a sealed secret");
    if (length < smallest)
        return pq_fail(err, PQ_EINPUT, where, "restore it from a copy", "is truncated");
    return true;
}

static bool check_sealed(const unsigned char *bytes, size_t length, const char *where, size_t *out_length,
                         pq_error *err)
{
    if (!check_start(bytes, length, seal_magic, PQ_SEAL_OVERHEAD, where, err))
        return false;
    size_t stated = (size_t)bytes[4] << 24 | (size_t)bytes[5] << 16 | (size_t)bytes[6] << 8 | (size_t)bytes[7];
    size_t real = length - PQ_SEAL_OVERHEAD;
    if (stated > real)
        return pq_fail(err, PQ_EINPUT, where, "restore it from a copy", "is truncated");
    if (stated < real)
        return pq_fail(err, PQ_EINPUT, where, "restore it from a copy", "has bytes after its end");
    if (real > INT32_MAX)
        return pq_fail(err, PQ_EINPUT, where, NULL, "is too large");
    *out_length = real;
    return true;
}

bool pq_open(const pq_secret *key, const void *associated, size_t associated_length, const void *sealed, size_t length,
             const char *where, pq_secret **out, pq_error *err)
{
    const unsigned char *bytes = sealed;
    size_t real = 0;
    if (!check_key(key, where, err) || !check_sealed(bytes, length, where, &real, err))
        return false;
    PQ_AUTO_BUF plain = PQ_SENSITIVE_BUF(real);
    unsigned char *place = (unsigned char *)pq_buf_reserve(&plain, real);
    must(place);
    AUTO_CIPHER *context = EVP_CIPHER_CTX_new();
    must(context && EVP_DecryptInit_ex(context, EVP_aes_256_gcm(), NULL, (const unsigned char *)pq_secret_bytes(key),
                                       bytes + NONCE_AT) == 1);
    feed_associated(context, bytes, associated, associated_length);
    int wrote = 0;
    if (real)
        must(EVP_DecryptUpdate(context, place, &wrote, bytes + HEADER_SIZE, small(real)) == 1);
    pq_buf_commit(&plain, real); /* so that all of it is wiped, whatever comes */
    unsigned char tag[TAG_SIZE];
    memcpy(tag, bytes + HEADER_SIZE + real, TAG_SIZE);
    must(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, TAG_SIZE, tag) == 1);
    if (EVP_DecryptFinal_ex(context, place + wrote, &wrote) != 1) {
        ERR_clear_error();
        return pq_fail(err, PQ_EUNTRUSTED, where, NULL, "was sealed with another key, or was changed since");
    }
    *out = pq_secret_from_buf(&plain);
    return true;
}

/* RFC 7914 asks for 128 * N * r bytes; the other terms are small against it. */
static bool derive(const pq_secret *passphrase, const unsigned char outer[OUTER_SIZE], const char *where,
                   pq_secret **out_key, pq_error *err)
{
    unsigned log_n = outer[4], r = outer[5], p = outer[6];
    uint64_t memory = log_n < 32 ? (uint64_t)128 * r << log_n : UINT64_MAX;
    /* RFC 7914, section 2: N is more than 1 and less than 2^(128 * r / 8). */
    if (log_n == 0 || r == 0 || log_n >= 16 * r || p == 0 || p > 4)
        return pq_fail(err, PQ_EINPUT, where, "restore it from a copy", "has parameters that scrypt does not take");
    if (memory > PQ_SCRYPT_MAX_MEMORY)
        return pq_fail(err, PQ_EINPUT, where, NULL, "asks scrypt for more than %u MiB of memory, which is refused",
                       PQ_SCRYPT_MAX_MEMORY >> 20);
    if (pq_secret_length(passphrase) == 0)
        return pq_fail(err, PQ_EUSAGE, where, NULL, "the passphrase is empty");
    PQ_AUTO_BUF key = PQ_SENSITIVE_BUF(PQ_SEAL_KEY_SIZE);
    unsigned char *place = (unsigned char *)pq_buf_reserve(&key, PQ_SEAL_KEY_SIZE);
    must(place);
    if (EVP_PBE_scrypt(pq_secret_bytes(passphrase), pq_secret_length(passphrase), outer + SALT_AT, SALT_SIZE,
                       (uint64_t)1 << log_n, r, p, memory + (1u << 20), place, PQ_SEAL_KEY_SIZE) != 1) {
        ERR_clear_error();
        return pq_fail(err, PQ_ESYSTEM, where, NULL, "cannot derive a key from the passphrase: out of memory");
    }
    pq_buf_commit(&key, PQ_SEAL_KEY_SIZE);
    *out_key = pq_secret_from_buf(&key);
    return true;
}

/* The inner blob is bound to the outer header, so that nobody can weaken the parameters unseen. */
static void bind_outer(pq_buf *bound, const unsigned char outer[OUTER_SIZE], const void *associated, size_t length)
{
    pq_buf_add(bound, outer, OUTER_SIZE);
    pq_buf_add(bound, associated, length);
    must(!bound->overflow);
}

bool pq_seal_with_passphrase(const pq_secret *plain, const pq_secret *passphrase, const void *associated,
                             size_t associated_length, pq_buf *out, pq_error *err)
{
    unsigned char outer[OUTER_SIZE] = {'p', 'q', 'p', VERSION, 15, 8, 1};
    pq_random(outer + SALT_AT, SALT_SIZE);
    PQ_AUTO_SECRET *key = NULL;
    if (!derive(passphrase, outer, NULL, &key, err))
        return false;
    PQ_AUTO_BUF bound = PQ_BUF(SIZE_MAX / 2);
    bind_outer(&bound, outer, associated, associated_length);
    PQ_AUTO_BUF inner = PQ_BUF(SIZE_MAX / 2);
    if (!pq_seal(key, bound.data, bound.length, plain, &inner, err))
        return false;
    if (out->overflow || out->cap - out->length < OUTER_SIZE + inner.length)
        return pq_fail(err, PQ_EINPUT, NULL, NULL, "%zu bytes are too many to be sealed here", pq_secret_length(plain));
    pq_buf_add(out, outer, OUTER_SIZE);
    pq_buf_add(out, inner.data, inner.length);
    return true;
}

bool pq_open_with_passphrase(const void *sealed, size_t length, const pq_secret *passphrase, const void *associated,
                             size_t associated_length, const char *where, pq_secret **out, pq_error *err)
{
    const unsigned char *bytes = sealed;
    size_t ignored = 0;
    /* The inner blob is looked at first: a truncated one should not cost a key derivation. */
    if (!check_start(bytes, length, passphrase_magic, OUTER_SIZE + 1, where, err) ||
        !check_sealed(bytes + OUTER_SIZE, length - OUTER_SIZE, where, &ignored, err))
        return false;
    PQ_AUTO_SECRET *key = NULL;
    if (!derive(passphrase, bytes, where, &key, err))
        return false;
    PQ_AUTO_BUF bound = PQ_BUF(SIZE_MAX / 2);
    bind_outer(&bound, bytes, associated, associated_length);
    if (pq_open(key, bound.data, bound.length, bytes + OUTER_SIZE, length - OUTER_SIZE, where, out, err))
        return true;
    if (err->code == PQ_EUNTRUSTED)
        return pq_fail(err, PQ_EUNTRUSTED, where, NULL, "the passphrase is wrong, or the file was changed since");
    return false;
}

bool pq_is_passphrase_sealed(const void *bytes, size_t length)
{
    return length > MAGIC_SIZE && memcmp(bytes, passphrase_magic, MAGIC_SIZE) == 0;
}
