/* Objects of PKCS#11 tokens, by URI (RFC 7512). The one place that knows how OpenSSL reaches them: by its provider
 * where there is one, else by the engine of libp11. Both are loaded when they are first needed. For files of this
 * folder. */
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/error.h"

/* "pkcs11:…", in any case. */
bool pq_pkcs11_is_uri(const char *text);
/* Whether a URI can be used here: no `pin-value`, a `pin-source` that is a file. PQ_ECONFIG with `where`. */
bool pq_pkcs11_check_uri(const char *uri, const char *where, pq_error *err) PQ_MUST_USE;
/* The file that `pin-source` names; NULL when there is none. Owned. */
char *pq_pkcs11_pin_file(const char *uri) PQ_MUST_USE;
/* The key of a token; it stays there. PQ_ECONFIG with `where`: no module, no token, no such object, a wrong PIN. */
bool pq_pkcs11_load_key(const char *uri, const char *where, EVP_PKEY **out, pq_error *err) PQ_MUST_USE;
bool pq_pkcs11_load_certificate(const char *uri, const char *where, X509 **out, pq_error *err) PQ_MUST_USE;
/* Whether a token has refused a PIN in this process: a few more, and it locks itself. */
bool pq_pkcs11_pin_refused(void);
