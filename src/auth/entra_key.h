/* A certificate with its private key, by which an application proves itself to Entra ID (Microsoft identity platform,
 * "Application authentication certificate credentials"). */
#pragma once

#include "crypto/pkey.h"

typedef struct pq_entra_key {
    pq_pkey *key;
    pq_certificate *certificate;
} pq_entra_key;

#define PQ_AUTO_ENTRA_KEY PQ_CLEANUP(pq_entra_key_clear) pq_entra_key

void pq_entra_key_clear(pq_entra_key *key);

/* Reads PEM text that holds both, in any order. PQ_ECONFIG with `where` when one is missing, when they do not belong
 * together, when the key is not RSA (Entra ID takes no other), and when the certificate has ended or not begun. One
 * that ends within 30 days is a warning. */
bool pq_entra_key_read(const pq_secret *pem, const char *where, pq_entra_key *out, pq_error *err) PQ_MUST_USE;

/* A JWT that says `client` to `audience`, the URL that it is sent to; good for ten minutes from `now`, signed PS256. */
bool pq_entra_key_assert(const pq_entra_key *key, const char *client, const char *audience, time_t now, pq_secret **out,
                         pq_error *err) PQ_MUST_USE;
