#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/limits.h"
#include "crypto/openssl_auto.h"
#include "crypto/pkey_parts.h"

/* Nobody is asked for a passphrase. */
static int no_passphrase(char *out, int size, int writing, void *context)
{
    (void)out, (void)size, (void)writing, (void)context;
    return -1;
}

static BIO *open_text(const char *pem, size_t length)
{
    BIO *bio = length <= PQ_MAX_SECRET ? BIO_new_mem_buf(pem, (int)length) : NULL;
    return bio;
}

/* --- private keys ------------------------------------------------------------------------------------------------- */

/* OpenSSL's names of the curves. */
static const char P256[] = "prime256v1", P384[] = "secp384r1";

static bool find_type(EVP_PKEY *key, pq_pkey_type *out)
{
    char group[32] = "";
    size_t length = 0;
    if (EVP_PKEY_is_a(key, "RSA") && EVP_PKEY_get_bits(key) >= 2048) {
        *out = PQ_PKEY_RSA;
        return true;
    }
    if (!EVP_PKEY_is_a(key, "EC") || EVP_PKEY_get_group_name(key, group, sizeof group, &length) != 1)
        return false;
    *out = pq_streq(group, P384) ? PQ_PKEY_P384 : PQ_PKEY_P256;
    return *out == PQ_PKEY_P384 || pq_streq(group, P256);
}

bool pq_pkey_take(EVP_PKEY *taken, const char *where, pq_pkey **out, pq_error *err)
{
    pq_pkey_type type;
    PQ_AUTO_EVP_PKEY *owned = taken;
    if (!find_type(owned, &type))
        return pq_fail(err, PQ_ECONFIG, where, "make an RSA key of 2048 bits or more, or one of P-256 or P-384",
                       "the private key is of a kind that is not used here");
    pq_pkey *key = pq_alloc(1, sizeof *key);
    *key = (pq_pkey){.key = pq_steal(owned), .type = type};
    *out = key;
    return true;
}

bool pq_pkey_from_pem(const char *pem, size_t length, const char *where, pq_pkey **out, pq_error *err)
{
    PQ_AUTO_BIO *bio = open_text(pem, length);
    PQ_AUTO_EVP_PKEY *read = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
    pq_crypto_forget_errors();
    if (!read)
        return pq_fail(err, PQ_ECONFIG, where, "it begins with -----BEGIN PRIVATE KEY-----, and is not encrypted",
                       "holds no private key in PEM form");
    return pq_pkey_take(pq_steal(read), where, out, err);
}

void pq_pkey_free(pq_pkey *key)
{
    if (!key)
        return;
    EVP_PKEY_free(key->key);
    free(key);
}

void pq_pkey_cleanup(pq_pkey **key)
{
    pq_pkey_free(*key);
}

pq_pkey_type pq_pkey_type_of(const pq_pkey *key)
{
    return key->type;
}

/* R and S of a DER signature, each filled up to 32 bytes (RFC 7518, section 3.4). */
static bool add_fixed_form(const unsigned char *der, size_t length, pq_buf *out)
{
    enum { HALF = 32 };
    const unsigned char *at = der;
    PQ_AUTO_ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &at, (long)length);
    unsigned char both[2 * HALF];
    if (!signature || BN_bn2binpad(ECDSA_SIG_get0_r(signature), both, HALF) != HALF ||
        BN_bn2binpad(ECDSA_SIG_get0_s(signature), both + HALF, HALF) != HALF)
        return false;
    pq_buf_add(out, both, sizeof both);
    return true;
}

static bool set_up(EVP_MD_CTX *context, const pq_pkey *key, pq_signature_form form)
{
    EVP_PKEY_CTX *parameters = NULL; /* borrowed from the context */
    if (EVP_DigestSignInit(context, &parameters, EVP_sha256(), NULL, key->key) != 1)
        return false;
    return form != PQ_PS256 || (EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) == 1 &&
                                EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, RSA_PSS_SALTLEN_DIGEST) == 1);
}

bool pq_pkey_sign(const pq_pkey *key, pq_signature_form form, const void *bytes, size_t length, pq_buf *out,
                  pq_error *err)
{
    bool rsa_form = form == PQ_RS256 || form == PQ_PS256;
    PQ_AUTO_EVP_MD_CTX *context = EVP_MD_CTX_new();
    PQ_AUTO_BUF der = PQ_BUF(PQ_MAX_SECRET);
    size_t size = (size_t)EVP_PKEY_get_size(key->key);
    char *place = pq_buf_reserve(&der, size);
    bool fits = rsa_form == (key->type == PQ_PKEY_RSA) && (form != PQ_ES256 || key->type == PQ_PKEY_P256);
    bool good = fits && context && place && set_up(context, key, form) &&
                EVP_DigestSign(context, (unsigned char *)place, &size, bytes, length) == 1;
    if (good && form == PQ_ES256)
        good = add_fixed_form((const unsigned char *)place, size, out);
    else if (good)
        pq_buf_add(out, place, size);
    pq_crypto_forget_errors();
    return good || pq_fail(err, PQ_ESYSTEM, NULL, NULL, "OpenSSL cannot sign with this key");
}

/* --- certificates ------------------------------------------------------------------------------------------------- */

void pq_certificate_free(pq_certificate *certificate)
{
    if (!certificate)
        return;
    for (size_t i = 0; i < certificate->count; i++)
        X509_free(certificate->at[i]);
    free(certificate->name);
    free(certificate);
}

void pq_certificate_cleanup(pq_certificate **certificate)
{
    pq_certificate_free(*certificate);
}

static bool read_time(const ASN1_TIME *from, time_t *out)
{
    struct tm parts = {0};
    if (ASN1_TIME_to_tm(from, &parts) != 1)
        return false;
    *out = timegm(&parts);
    return true;
}

static char *read_name(X509 *certificate)
{
    X509_NAME *subject = X509_get_subject_name(certificate);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    const X509_NAME_ENTRY *entry = at >= 0 ? X509_NAME_get_entry(subject, at) : NULL;
    unsigned char *text = NULL;
    int length = entry ? ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(entry)) : -1;
    bool plain = length > 0;
    for (int i = 0; i < length; i++)
        plain = plain && text[i] >= ' ' && text[i] != 0x7f;
    char *name = plain ? pq_strndup((const char *)text, (size_t)length) : pq_strdup("");
    OPENSSL_free(text);
    return name;
}

void pq_certificate_add(pq_certificate *certificate, X509 *more)
{
    if (certificate->count < PQ_LONGEST_CHAIN)
        certificate->at[certificate->count++] = more;
    else
        X509_free(more);
}

bool pq_certificate_complete(pq_certificate *certificate)
{
    if (!certificate->count || !read_time(X509_get0_notBefore(certificate->at[0]), &certificate->begins) ||
        !read_time(X509_get0_notAfter(certificate->at[0]), &certificate->ends))
        return false;
    free(certificate->name);
    certificate->name = read_name(certificate->at[0]);
    pq_crypto_forget_errors();
    return true;
}

bool pq_certificate_from_pem(const char *pem, size_t length, const char *where, pq_certificate **out, pq_error *err)
{
    PQ_AUTO_BIO *bio = open_text(pem, length);
    PQ_AUTO_CERTIFICATE *read = pq_alloc(1, sizeof *read);
    X509 *one;
    pq_crypto_forget_errors();
    while (bio && read->count < PQ_LONGEST_CHAIN && (one = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)))
        pq_certificate_add(read, one);
    /* That there is no further one is an error, too. */
    unsigned long last = ERR_peek_last_error();
    bool cut = last && !(ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE);
    pq_crypto_forget_errors();
    if (cut && read->count)
        return pq_fail(err, PQ_ECONFIG, where, "copy it anew: is the file whole?",
                       "certificate %zu of the file cannot be read", read->count + 1);
    if (!pq_certificate_complete(read))
        return pq_fail(err, PQ_ECONFIG, where, "it begins with -----BEGIN CERTIFICATE-----",
                       "holds no certificate in PEM form");
    *out = pq_steal(read);
    return true;
}

time_t pq_certificate_begins(const pq_certificate *certificate)
{
    return certificate->begins;
}

time_t pq_certificate_ends(const pq_certificate *certificate)
{
    return certificate->ends;
}

size_t pq_certificate_count(const pq_certificate *certificate)
{
    return certificate->count;
}

void pq_certificate_der(const pq_certificate *certificate, size_t index, pq_buf *out)
{
    int size = i2d_X509(certificate->at[index], NULL);
    char *place = size > 0 ? pq_buf_reserve(out, (size_t)size) : NULL;
    if (!place)
        return;
    unsigned char *at = (unsigned char *)place;
    pq_buf_commit(out, (size_t)i2d_X509(certificate->at[index], &at));
}

bool pq_certificate_matches(const pq_certificate *certificate, const pq_pkey *key)
{
    bool same = X509_check_private_key(certificate->at[0], key->key) == 1;
    pq_crypto_forget_errors();
    return same;
}

const char *pq_certificate_name(const pq_certificate *certificate)
{
    return certificate->name;
}

char *pq_certificate_serial(const pq_certificate *certificate)
{
    BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate->at[0]), NULL);
    char *text = number ? BN_bn2dec(number) : NULL;
    char *serial = pq_strdup(text ? text : "0");
    OPENSSL_free(text);
    BN_free(number);
    pq_crypto_forget_errors();
    return serial;
}

bool pq_certificate_may_be_client(const pq_certificate *certificate)
{
    X509 *leaf = certificate->at[0];
    /* Both are all ones where the certificate does not say. */
    bool signs = (X509_get_key_usage(leaf) & KU_DIGITAL_SIGNATURE) != 0;
    bool client = (X509_get_extended_key_usage(leaf) & (XKU_SSL_CLIENT | XKU_ANYEKU)) != 0;
    pq_crypto_forget_errors();
    return signs && client;
}

char *pq_certificate_key_words(const pq_certificate *certificate)
{
    EVP_PKEY *key = X509_get0_pubkey(certificate->at[0]);
    char group[32] = "";
    size_t length = 0;
    if (key && EVP_PKEY_is_a(key, "RSA"))
        return pq_asprintf("RSA of %d bits", EVP_PKEY_get_bits(key));
    bool named = key && EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, group, sizeof group, &length) == 1;
    pq_crypto_forget_errors();
    return pq_strdup(!named                  ? "of another kind"
                     : pq_streq(group, P256) ? "P-256"
                     : pq_streq(group, P384) ? "P-384"
                                             : group);
}
