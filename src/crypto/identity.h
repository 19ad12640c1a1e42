/* Who a device is: an X.509 certificate with its chain, and the private key, which may lie where nobody can copy it.
 *
 * Each is named by a path of a PEM file or by a PKCS#11 URI (RFC 7512): `pkcs11:token=dev;object=tls`. A PIN comes from
 * the URI's `pin-source`, a file; `pin-value` is refused. `module-path` names the PKCS#11 module; without it the one of
 * $PKCS11_MODULE_PATH, else those that p11-kit knows. */
#pragma once

#include "crypto/pkey.h"

typedef struct pq_identity pq_identity;
#define PQ_AUTO_IDENTITY PQ_CLEANUP(pq_identity_cleanup) pq_identity

/* All borrowed. `…_where` names what says so in errors, "device.yml:2". */
typedef struct pq_identity_place {
    const char *certificate, *certificate_where;
    const char *key, *key_where;
} pq_identity_place;

/* Opens both and sees that they belong together. PQ_ECONFIG for what is wrong with either, whatever the reason: not
 * there, not readable, not of its form, of a kind that is not used here, two that do not match, a key file that others
 * may read or change. Dates are not looked at: pq_identity_judge_dates(). */
bool pq_identity_open(const pq_identity_place *place, pq_identity **out, pq_error *err) PQ_MUST_USE;
/* The same, but all that is wrong with either is added to `errors`, so that both can be mended at once. With problems
 * `*out` is set all the same if the certificate is good, to be looked at; it may lack its key then. */
bool pq_identity_examine(const pq_identity_place *place, pq_identity **out, pq_errors *errors) PQ_MUST_USE;
/* Whether a certificate or a key is said to lie in a token; and then the file of its PIN, NULL when there is none.
 * Owned. */
bool pq_identity_is_token(const char *place);
char *pq_identity_pin_file(const char *place) PQ_MUST_USE;
/* Whether a token has refused its PIN in this process: what it is told again counts, and after a few it locks itself.
 */
bool pq_identity_pin_refused(void);
void pq_identity_free(pq_identity *identity); /* NULL is fine */
void pq_identity_cleanup(pq_identity **identity);

const pq_certificate *pq_identity_certificate(const pq_identity *identity); /* borrowed */
const pq_pkey *pq_identity_key(const pq_identity *identity);                /* borrowed */
/* Where the certificate was said to be: a path or URI. Borrowed. */
const char *pq_identity_certificate_place(const pq_identity *identity);
/* True when the key is one that a token keeps to itself. */
bool pq_identity_in_token(const pq_identity *identity);
/* PQ_EDENIED when the certificate has ended at `now`, or has not begun, which names the clock. `out_ends_soon` (or
 * NULL) is set for one that ends within 30 days. */
bool pq_identity_judge_dates(const pq_identity *identity, time_t now, bool *out_ends_soon, pq_error *err) PQ_MUST_USE;

/* For pq_http_identity (net/http.h): puts certificate, chain and key into an SSL_CTX. `identity` is a pq_identity. They
 * are shown only to a peer whose own certificate is for `host`, which is borrowed: libcurl looks at names after the
 * handshake, and does one with a proxy that speaks TLS, too. False when OpenSSL does not take them. */
bool pq_identity_arm(void *identity, void *ssl_ctx, const char *host);
