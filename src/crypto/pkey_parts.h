/* What keys and certificates are made of; for files of this folder only. */
#pragma once

#include <openssl/x509.h>

#include "crypto/pkey.h"

struct pq_pkey {
    EVP_PKEY *key;
    pq_pkey_type type;
};

enum { PQ_LONGEST_CHAIN = 10 };

struct pq_certificate {
    X509 *at[PQ_LONGEST_CHAIN];
    size_t count;
    time_t begins, ends;
    char *name;
};

/* Takes the key. PQ_ECONFIG with `where` when it is of a kind that is not used here; it is let go then. */
bool pq_pkey_take(EVP_PKEY *key, const char *where, pq_pkey **out, pq_error *err) PQ_MUST_USE;
/* Adds a certificate, which is taken, at the end. */
void pq_certificate_add(pq_certificate *certificate, X509 *more);
/* Reads what is asked of the first one. False when it cannot be read. */
bool pq_certificate_complete(pq_certificate *certificate) PQ_MUST_USE;
