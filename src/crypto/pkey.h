/* Private keys that sign for an identity, and the certificates that go with them.
 *
 * RSA, P-256 and P-384, for the assertions and requests of the clouds. A key is read from PEM; whoever signs does not
 * see where the key lies. */
#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "base/secret.h"
#include "base/text.h"
#include "crypto/hash.h"

typedef struct pq_pkey pq_pkey;
#define PQ_AUTO_PKEY PQ_CLEANUP(pq_pkey_cleanup) pq_pkey

typedef enum pq_pkey_type {
    PQ_PKEY_RSA,  /* 2048 bits or more */
    PQ_PKEY_P256, /* secp256r1 */
    PQ_PKEY_P384, /* secp384r1 */
} pq_pkey_type;

/* How a signature is made; the names are those of JWA (RFC 7518, section 3.1). */
typedef enum pq_signature_form {
    PQ_RS256,     /* RSASSA-PKCS1-v1_5, SHA-256 */
    PQ_PS256,     /* RSASSA-PSS, SHA-256, salt of 32 bytes */
    PQ_ES256,     /* ECDSA on P-256, SHA-256: R and S, 32 bytes each */
    PQ_ECDSA_DER, /* ECDSA on either curve, SHA-256, in the DER form of X9.62 */
} pq_signature_form;

/* The first private key of PEM text (PKCS #8, PKCS #1 or SEC 1), not encrypted. PQ_ECONFIG with `where` when there is
 * none, or one of another type or too short; nothing of the text is quoted. */
bool pq_pkey_from_pem(const char *pem, size_t length, const char *where, pq_pkey **out, pq_error *err) PQ_MUST_USE;
void pq_pkey_free(pq_pkey *key); /* NULL is fine */
void pq_pkey_cleanup(pq_pkey **key);
pq_pkey_type pq_pkey_type_of(const pq_pkey *key);
/* Adds the signature of the bytes to `out`. The form must be one of the key's type. */
bool pq_pkey_sign(const pq_pkey *key, pq_signature_form form, const void *bytes, size_t length, pq_buf *out,
                  pq_error *err) PQ_MUST_USE;

/* An X.509 certificate. */
typedef struct pq_certificate pq_certificate;
#define PQ_AUTO_CERTIFICATE PQ_CLEANUP(pq_certificate_cleanup) pq_certificate

/* The first certificate of PEM text is the one that is meant; those after it are its chain. PQ_ECONFIG with `where`. */
bool pq_certificate_from_pem(const char *pem, size_t length, const char *where, pq_certificate **out,
                             pq_error *err) PQ_MUST_USE;
void pq_certificate_free(pq_certificate *certificate); /* NULL is fine */
void pq_certificate_cleanup(pq_certificate **certificate);
time_t pq_certificate_begins(const pq_certificate *certificate);
time_t pq_certificate_ends(const pq_certificate *certificate);
/* How many there are, the one that is meant included; and the DER of each, in the order of the text. */
size_t pq_certificate_count(const pq_certificate *certificate);
void pq_certificate_der(const pq_certificate *certificate, size_t index, pq_buf *out);
/* The common name of the subject, "" when there is none or more than text in it. Borrowed. */
const char *pq_certificate_name(const pq_certificate *certificate);
/* The serial number in decimal, as AWS writes it. Owned. */
char *pq_certificate_serial(const pq_certificate *certificate) PQ_MUST_USE;
/* What it may be used for: TLS client authentication (RFC 5280, sections 4.2.1.3 and 4.2.1.12), also when it does not
 * say. */
bool pq_certificate_may_be_client(const pq_certificate *certificate);
/* The kind and strength of its key, "RSA of 2048 bits", "P-256". Owned. */
char *pq_certificate_key_words(const pq_certificate *certificate) PQ_MUST_USE;
/* True when the private key is the certificate's. */
bool pq_certificate_matches(const pq_certificate *certificate, const pq_pkey *key);
