#include "crypto/identity.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/limits.h"
#include "crypto/openssl_auto.h"
#include "crypto/pkcs11.h"
#include "crypto/pkey_parts.h"

struct pq_identity {
    pq_certificate *certificate;
    pq_pkey *key;
    char *certificate_place, *certificate_where;
    bool in_token;
};

void pq_identity_free(pq_identity *identity)
{
    if (!identity)
        return;
    pq_certificate_free(identity->certificate);
    pq_pkey_free(identity->key);
    free(identity->certificate_place);
    free(identity->certificate_where);
    free(identity);
}

void pq_identity_cleanup(pq_identity **identity)
{
    pq_identity_free(*identity);
}

/* "device.yml:3: /var/sota/pkey.pem" is what WHERE becomes: what says so, and what it says, but of a URI nothing that
 * could be a PIN. Owned. */
static char *where_of(const char *said, const char *place)
{
    size_t length = pq_pkcs11_is_uri(place) ? strcspn(place, "?") : strlen(place);
    const char *pin = pq_pkcs11_is_uri(place) ? strcasestr(place, "pin-") : NULL;
    if (pin && (size_t)(pin - place) < length)
        length = (size_t)(pin - place);
    return pq_asprintf("%s%s%.*s", said ? said : "", said ? ": " : "", (int)length, place);
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

static bool read_text(const char *path, const char *said, const char *what, pq_buf *out, struct stat *status,
                      pq_error *err)
{
    if (pq_read_file_status(path, out, status, err))
        return true;
    /* Whatever the reason: it is what the configuration says that does not hold. */
    err->code = PQ_ECONFIG;
    free(err->where);
    err->where = where_of(said, path);
    pq_hint_of_owner(path, err);
    return pq_error_wrap(err, "%s", what);
}

/* A file that holds only what the other setting was to name. `text` ends with a NUL. */
static bool judge_content(const char *text, bool is_key, const char *where, pq_error *err)
{
    bool certificate = strstr(text, "-----BEGIN CERTIFICATE-----"), key = strstr(text, "PRIVATE KEY-----");
    if (certificate == key || key == is_key)
        return true;
    return pq_fail(err, PQ_ECONFIG, where, "are `certificate` and `key` the wrong way round?", "holds %s, and no %s",
                   is_key ? "a certificate" : "a private key", is_key ? "private key" : "certificate");
}

static bool open_certificate(const pq_identity_place *place, pq_certificate **out, pq_error *err)
{
    PQ_AUTO_FREE char *where = where_of(place->certificate_where, place->certificate);
    PQ_AUTO_BUF text = PQ_BUF(PQ_MAX_SECRET);
    struct stat status;
    if (!pq_pkcs11_is_uri(place->certificate))
        return read_text(place->certificate, place->certificate_where, "the certificate", &text, &status, err) &&
               judge_content(pq_buf_text(&text), false, where, err) &&
               pq_certificate_from_pem(pq_buf_text(&text), text.length, where, out, err);
    X509 *leaf = NULL;
    if (!pq_pkcs11_load_certificate(place->certificate, where, &leaf, err))
        return false;
    PQ_AUTO_CERTIFICATE *read = pq_alloc(1, sizeof *read);
    pq_certificate_add(read, leaf);
    if (!pq_certificate_complete(read))
        return pq_fail(err, PQ_ECONFIG, where, NULL, "the object is not a certificate that can be read");
    *out = pq_steal(read);
    return true;
}

/* A key that others can read is theirs too. */
static bool judge_mode(const struct stat *status, const char *path, const char *where, pq_error *err)
{
    if ((status->st_mode & (S_IRWXO | S_IWGRP)) == 0)
        return true;
    PQ_AUTO_FREE char *hint = pq_asprintf("chmod 600 %s; if others may have read it, have a new key certified", path);
    return pq_fail(err, PQ_ECONFIG, where, hint, "the private key can be read or changed by others (mode %04o)",
                   (unsigned)status->st_mode & 07777u);
}

static bool open_key(const pq_identity_place *place, pq_pkey **out, pq_error *err)
{
    PQ_AUTO_FREE char *where = where_of(place->key_where, place->key);
    PQ_AUTO_BUF text = PQ_SENSITIVE_BUF(PQ_MAX_SECRET);
    struct stat status;
    if (!pq_pkcs11_is_uri(place->key))
        return read_text(place->key, place->key_where, "the private key", &text, &status, err) &&
               judge_content(pq_buf_text(&text), true, where, err) && judge_mode(&status, place->key, where, err) &&
               pq_pkey_from_pem(pq_buf_text(&text), text.length, where, out, err);
    EVP_PKEY *key = NULL;
    return pq_pkcs11_load_key(place->key, where, &key, err) && pq_pkey_take(key, where, out, err);
}

static pq_identity *new_identity(const pq_identity_place *place)
{
    pq_identity *identity = pq_alloc(1, sizeof *identity);
    identity->certificate_place = pq_strdup(place->certificate);
    identity->certificate_where = where_of(place->certificate_where, place->certificate);
    identity->in_token = pq_pkcs11_is_uri(place->key);
    return identity;
}

static bool judge_match(const pq_identity_place *place, const pq_identity *identity, pq_error *err)
{
    if (pq_certificate_matches(identity->certificate, identity->key))
        return true;
    PQ_AUTO_FREE char *where = where_of(place->key_where, place->key);
    PQ_AUTO_FREE char *hint = pq_asprintf(
        "put the certificate that was issued for this key at %s; the first one in the file counts", place->certificate);
    return pq_fail(err, PQ_ECONFIG, where, hint, "the private key is not that of the certificate %s (%s)",
                   place->certificate, pq_certificate_name(identity->certificate));
}

bool pq_identity_open(const pq_identity_place *place, pq_identity **out, pq_error *err)
{
    PQ_AUTO_IDENTITY *identity = new_identity(place);
    if (!open_certificate(place, &identity->certificate, err) || !open_key(place, &identity->key, err) ||
        !judge_match(place, identity, err))
        return false;
    *out = pq_steal(identity);
    return true;
}

bool pq_identity_examine(const pq_identity_place *place, pq_identity **out, pq_errors *errors)
{
    PQ_AUTO_IDENTITY *identity = new_identity(place);
    PQ_AUTO_ERROR first = {0}, second = {0}, match = {0};
    size_t before = errors->count;
    if (!open_certificate(place, &identity->certificate, &first))
        pq_errors_take(errors, &first);
    if (!open_key(place, &identity->key, &second))
        pq_errors_take(errors, &second);
    if (identity->certificate && identity->key && !judge_match(place, identity, &match))
        pq_errors_take(errors, &match);
    if (identity->certificate)
        *out = pq_steal(identity);
    return errors->count == before;
}

bool pq_identity_is_token(const char *place)
{
    return pq_pkcs11_is_uri(place);
}

char *pq_identity_pin_file(const char *place)
{
    return pq_pkcs11_is_uri(place) ? pq_pkcs11_pin_file(place) : NULL;
}

bool pq_identity_pin_refused(void)
{
    return pq_pkcs11_pin_refused();
}

/* --- looking ------------------------------------------------------------------------------------------------------ */

const pq_certificate *pq_identity_certificate(const pq_identity *identity)
{
    return identity->certificate;
}

const pq_pkey *pq_identity_key(const pq_identity *identity)
{
    return identity->key;
}

const char *pq_identity_certificate_place(const pq_identity *identity)
{
    return identity->certificate_place;
}

bool pq_identity_in_token(const pq_identity *identity)
{
    return identity->in_token;
}

bool pq_identity_judge_dates(const pq_identity *identity, time_t now, bool *out_ends_soon, pq_error *err)
{
    enum { SOON = 30 * 86400 };
    time_t begins = pq_certificate_begins(identity->certificate), ends = pq_certificate_ends(identity->certificate);
    char when[PQ_TIME_TEXT], today[PQ_TIME_TEXT];
    if (out_ends_soon)
        *out_ends_soon = ends > now && ends - now < SOON;
    pq_time_text(now, today);
    if (begins > now) {
        pq_time_text(begins, when);
        return pq_fail(
            err, PQ_EDENIED, identity->certificate_where,
            "is this machine's clock right? After a first boot it is often years behind until NTP has set it",
            "the device's certificate is not valid before %s, and this machine's clock says %s", when, today);
    }
    if (ends <= now) {
        pq_time_text(ends, when);
        return pq_fail(err, PQ_EDENIED, identity->certificate_where,
                       "have a new one issued for the device; what it was given before is good until that ends",
                       "the device's certificate ended at %s, and this machine's clock says %s", when, today);
    }
    return true;
}

/* --- TLS ---------------------------------------------------------------------------------------------------------- */

/* When the peer asks for a certificate, and its own is proved to be good (SSL_CTX_set_cert_cb(3)). 0 ends the
 * handshake. */
static int on_asked(SSL *ssl, void *host)
{
    const char *called = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name); /* NULL: by its address */
    X509 *peer = SSL_get1_peer_certificate(ssl);
    bool meant = peer && (X509_check_host(peer, host, 0, 0, NULL) == 1 || X509_check_ip_asc(peer, host, 0) == 1);
    X509_free(peer);
    pq_crypto_forget_errors();
    if (meant)
        return 1;
    SSL_certs_clear(ssl);
    /* A proxy on the way may go without; who stands in the place of `host` gets no further. */
    return called && strcasecmp(called, host) != 0;
}

bool pq_identity_arm(void *context, void *ssl_ctx, const char *host)
{
    const pq_identity *identity = context;
    const pq_certificate *certificate = identity->certificate;
    bool good = SSL_CTX_use_certificate(ssl_ctx, certificate->at[0]) == 1;
    for (size_t i = 1; i < certificate->count; i++)
        good = good && SSL_CTX_add1_chain_cert(ssl_ctx, certificate->at[i]) == 1;
    good = good && SSL_CTX_use_PrivateKey(ssl_ctx, identity->key->key) == 1;
    SSL_CTX_set_cert_cb(ssl_ctx, on_asked, (void *)(uintptr_t)host);
    pq_crypto_forget_errors();
    return good;
}
