#include "crypto/hash.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <string.h>
#include <unistd.h>

/* SHA-256 and HMAC fail only when memory runs out or the library is broken; neither can be mended by a caller. */
static void must(bool good)
{
    if (!good)
        abort();
}

struct pq_hasher {
    EVP_MD_CTX *context;
};

pq_hasher *pq_hasher_new(void)
{
    pq_hasher *hasher = pq_alloc(1, sizeof *hasher);
    hasher->context = EVP_MD_CTX_new();
    must(hasher->context && EVP_DigestInit_ex(hasher->context, EVP_sha256(), NULL) == 1);
    return hasher;
}

void pq_hasher_add(pq_hasher *hasher, const void *bytes, size_t length)
{
    if (length)
        must(EVP_DigestUpdate(hasher->context, bytes, length) == 1);
}

pq_sha256 pq_hasher_end(pq_hasher *hasher)
{
    pq_sha256 hash;
    must(EVP_DigestFinal_ex(hasher->context, hash.bytes, NULL) == 1);
    return hash;
}

void pq_hasher_free(pq_hasher *hasher)
{
    if (!hasher)
        return;
    EVP_MD_CTX_free(hasher->context);
    free(hasher);
}

void pq_hasher_cleanup(pq_hasher **hasher)
{
    pq_hasher_free(*hasher);
}

pq_sha256 pq_sha256_of(const void *bytes, size_t length)
{
    PQ_AUTO_HASHER *hasher = pq_hasher_new();
    pq_hasher_add(hasher, bytes, length);
    return pq_hasher_end(hasher);
}

void pq_sha1_hex(const void *bytes, size_t length, char out[PQ_SHA1_HEX])
{
    unsigned char hash[PQ_SHA1_HEX / 2];
    must(EVP_Digest(bytes, length, hash, NULL, EVP_sha1(), NULL) == 1);
    PQ_AUTO_BUF text = PQ_BUF(PQ_SHA1_HEX);
    pq_hex_add(&text, hash, sizeof hash);
    memcpy(out, pq_buf_text(&text), PQ_SHA1_HEX);
}

void pq_sha256_hex(const pq_sha256 *hash, char out[PQ_SHA256_HEX])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < PQ_SHA256_SIZE; i++) {
        out[2 * i] = digits[hash->bytes[i] >> 4];
        out[2 * i + 1] = digits[hash->bytes[i] & 15];
    }
    out[2 * PQ_SHA256_SIZE] = '\0';
}

char *pq_sha256_digest(const void *bytes, size_t length)
{
    pq_sha256 hash = pq_sha256_of(bytes, length);
    char hex[PQ_SHA256_HEX];
    pq_sha256_hex(&hash, hex);
    return pq_asprintf("sha256:%s", hex);
}

pq_sha256 pq_hmac_sha256(const void *key, size_t key_length, const void *bytes, size_t length)
{
    pq_sha256 mac = {{0}};
    must(key_length <= INT32_MAX && HMAC(EVP_sha256(), key, (int)key_length, bytes, length, mac.bytes, NULL));
    return mac;
}

bool pq_sha256_of_fd(int fd, const char *name, pq_sha256 *out, uint64_t *out_length, pq_error *err)
{
    PQ_AUTO_HASHER *hasher = pq_hasher_new();
    PQ_AUTO_FREE char *chunk = pq_alloc(64u << 10, 1);
    uint64_t length = 0;
    for (;;) {
        ssize_t got = read(fd, chunk, 64u << 10);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return pq_fail_errno(err, name, "cannot read");
        if (got == 0)
            break;
        pq_hasher_add(hasher, chunk, (size_t)got);
        length += (uint64_t)got;
    }
    *out = pq_hasher_end(hasher);
    if (out_length)
        *out_length = length;
    return true;
}

void pq_random(void *out, size_t length)
{
    must(length <= INT32_MAX && RAND_bytes(out, (int)length) == 1);
}

void pq_hex_add(pq_buf *out, const void *bytes, size_t length)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = ((const unsigned char *)bytes)[i];
        pq_buf_addc(out, digits[byte >> 4]);
        pq_buf_addc(out, digits[byte & 15]);
    }
}

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return -1;
}

bool pq_hex_decode(const char *text, pq_buf *out)
{
    for (; *text; text += 2) {
        int high = hex_value(text[0]);
        int low = high < 0 ? -1 : hex_value(text[1]);
        if (low < 0)
            return false;
        pq_buf_addc(out, (char)(high << 4 | low));
    }
    return !out->overflow;
}

void pq_base64_add(pq_buf *out, const void *bytes, size_t length)
{
    /* In pieces of a multiple of three, so that no length overflows OpenSSL's int. */
    enum { PIECE = 3 * 1024 };
    unsigned char text[PIECE / 3 * 4 + 1];
    for (size_t at = 0; at < length; at += PIECE) {
        size_t piece = length - at < PIECE ? length - at : PIECE;
        int wrote = EVP_EncodeBlock(text, (const unsigned char *)bytes + at, (int)piece);
        must(wrote >= 0);
        pq_buf_add(out, text, (size_t)wrote);
    }
    if (out->sensitive)
        OPENSSL_cleanse(text, sizeof text);
}

void pq_base64url_add(pq_buf *out, const void *bytes, size_t length)
{
    size_t start = out->length;
    pq_base64_add(out, bytes, length);
    while (out->length > start && out->data[out->length - 1] == '=')
        pq_buf_truncate(out, out->length - 1);
    for (size_t i = start; i < out->length; i++)
        out->data[i] = out->data[i] == '+' ? '-' : out->data[i] == '/' ? '_' : out->data[i];
}

static int base64_value(char digit)
{
    if (digit >= 'A' && digit <= 'Z')
        return digit - 'A';
    if (digit >= 'a' && digit <= 'z')
        return digit - 'a' + 26;
    if (digit >= '0' && digit <= '9')
        return digit - '0' + 52;
    if (digit == '+' || digit == '-')
        return 62;
    if (digit == '/' || digit == '_')
        return 63;
    return -1;
}

/* Not EVP_DecodeBlock: it takes blanks, wants padding, and does not say how much of its last block is real. */
bool pq_base64_decode(const char *text, size_t length, pq_buf *out)
{
    size_t digits = length;
    while (digits > 0 && length - digits < 2 && text[digits - 1] == '=')
        digits--;
    if (digits % 4 == 1 || (digits != length && length % 4 != 0))
        return false;
    uint32_t bits = 0;
    unsigned count = 0;
    for (size_t i = 0; i < digits; i++) {
        int value = base64_value(text[i]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        count += 6;
        if (count >= 8) {
            count -= 8;
            pq_buf_addc(out, (char)(bits >> count & 0xff));
        }
    }
    /* Bits left over must be zero, so that no two texts mean the same bytes. */
    return (bits & ((1u << count) - 1)) == 0 && !out->overflow;
}
