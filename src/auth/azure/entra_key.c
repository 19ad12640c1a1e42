#include "auth/azure/entra_key.h"

#include <jansson.h>

#include "base/limits.h"
#include "base/log.h"
#include "crypto/jws.h"

void pq_entra_key_clear(pq_entra_key *key)
{
    pq_pkey_free(key->own_key);
    pq_certificate_free(key->own_certificate);
    *key = (pq_entra_key){0};
}

static bool check_time(const pq_certificate *certificate, const char *where, pq_error *err)
{
    enum { SOON = 30 * 86400 };
    char begins[PQ_TIME_TEXT], ends[PQ_TIME_TEXT];
    time_t now = pq_now();
    pq_time_text(pq_certificate_begins(certificate), begins);
    pq_time_text(pq_certificate_ends(certificate), ends);
    if (pq_certificate_ends(certificate) <= now)
        return pq_fail(
            err, PQ_ECONFIG, where,
            "make a new one, add it to the application (`az ad app credential reset --cert … --append`), and "
            "set the secret again",
            "the certificate ended at %s", ends);
    if (pq_certificate_begins(certificate) > now)
        return pq_fail(err, PQ_ECONFIG, where, "is this machine's clock right?", "the certificate begins only at %s",
                       begins);
    if (pq_certificate_ends(certificate) - now < SOON)
        pq_warn(where, "make a new one and add it to the application while this one is good",
                "the certificate ends at %s", ends);
    return true;
}

bool pq_entra_key_read(const pq_secret *pem, const char *where, pq_entra_key *out, pq_error *err)
{
    const char *text = pq_secret_bytes(pem);
    size_t length = pq_secret_length(pem);
    PQ_AUTO_ENTRA_KEY read = {0};
    if (!pq_pkey_from_pem(text, length, where, &read.own_key, err) ||
        !pq_certificate_from_pem(text, length, where, &read.own_certificate, err))
        return false;
    read.key = read.own_key;
    read.certificate = read.own_certificate;
    if (pq_pkey_type_of(read.key) != PQ_PKEY_RSA)
        return pq_fail(err, PQ_ECONFIG, where, "make a certificate with an RSA key",
                       "Entra ID takes no certificates with keys of this kind");
    if (!pq_certificate_matches(read.certificate, read.key))
        return pq_fail(err, PQ_ECONFIG, where, "put the certificate first that belongs to the key",
                       "the certificate and the private key do not belong together");
    if (!check_time(read.certificate, where, err))
        return false;
    *out = read;
    read = (pq_entra_key){0};
    return true;
}

bool pq_entra_key_borrow(const pq_identity *identity, const char *where, pq_entra_key *out, pq_error *err)
{
    *out = (pq_entra_key){.key = pq_identity_key(identity), .certificate = pq_identity_certificate(identity)};
    if (pq_pkey_type_of(out->key) == PQ_PKEY_RSA)
        return true;
    PQ_AUTO_FREE char *words = pq_certificate_key_words(out->certificate);
    return pq_fail(err, PQ_ECONFIG, where,
                   "give the device a certificate with an RSA key, or let a device gateway hand out the registry's "
                   "credential (`type: gateway`)",
                   "Entra ID takes assertions of RSA keys only, and the device's key is one of %s", words);
}

/* A random UUID (RFC 9562, section 5.4), so that no two assertions are the same. */
static void add_uuid(pq_buf *out)
{
    unsigned char bytes[16];
    pq_random(bytes, sizeof bytes);
    bytes[6] = (unsigned char)((bytes[6] & 0x0f) | 0x40);
    bytes[8] = (unsigned char)((bytes[8] & 0x3f) | 0x80);
    for (size_t i = 0; i < sizeof bytes; i++)
        pq_buf_addf(out, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", bytes[i]);
}

static char *dump(json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT);
    json_decref(value);
    return text;
}

static char *make_header(const pq_entra_key *key)
{
    PQ_AUTO_BUF der = PQ_BUF(PQ_MAX_SECRET), thumbprint = PQ_BUF(PQ_SHA256_HEX);
    pq_certificate_der(key->certificate, 0, &der);
    pq_sha256 hash = pq_sha256_of(pq_buf_text(&der), der.length);
    pq_base64url_add(&thumbprint, hash.bytes, sizeof hash.bytes);
    return dump(json_pack("{s:s, s:s, s:s}", "alg", pq_jws_algorithm(PQ_PS256), "typ", "JWT", "x5t#S256",
                          pq_buf_text(&thumbprint)));
}

static char *make_claims(const char *client, const char *audience, time_t now)
{
    const json_int_t life = 10 * 60, begin = now;
    PQ_AUTO_BUF id = PQ_BUF(40);
    add_uuid(&id);
    return dump(json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I}", "aud", audience, "iss", client, "sub", client, "jti",
                          pq_buf_text(&id), "nbf", begin, "iat", begin, "exp", begin + life));
}

bool pq_entra_key_assert(const pq_entra_key *key, const char *client, const char *audience, time_t now, pq_secret **out,
                         pq_error *err)
{
    PQ_AUTO_FREE char *header = make_header(key);
    PQ_AUTO_FREE char *claims = make_claims(client, audience, now);
    if (!header || !claims)
        return pq_fail(err, PQ_ECONFIG, NULL, NULL, "the client id is not text that JSON can hold");
    return pq_jws_sign(key->key, PQ_PS256, header, claims, out, err);
}
