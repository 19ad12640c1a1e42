/* A certificate with its private key, by which an application proves itself to Entra ID (Microsoft identity platform,
 * "Application authentication certificate credentials"). */
#pragma once

#include "crypto/identity.h"

/* What is used; the owned ones are those that were read here, NULL when they belong to a device's identity. */
typedef struct pq_entra_key {
    const pq_pkey *key;
    const pq_certificate *certificate;
    pq_pkey *own_key;
    pq_certificate *own_certificate;
} pq_entra_key;

#define PQ_AUTO_ENTRA_KEY PQ_CLEANUP(pq_entra_key_clear) pq_entra_key

void pq_entra_key_clear(pq_entra_key *key);

/* Reads PEM text that holds both, in any order. PQ_ECONFIG with `where` when one is missing, when they do not belong
 * together, when the key is not RSA (Entra ID takes no other), and when the certificate has ended or not begun. One
 * that ends within 30 days is a warning. */
bool pq_entra_key_read(const pq_secret *pem, const char *where, pq_entra_key *out, pq_error *err) PQ_MUST_USE;

/* The same with those of a device, which are borrowed, and whose dates were looked at. */
bool pq_entra_key_borrow(const pq_identity *identity, const char *where, pq_entra_key *out, pq_error *err) PQ_MUST_USE;

/* A JWT that says `client` to `audience`, the URL that it is sent to; good for ten minutes from `now`, signed PS256. */
bool pq_entra_key_assert(const pq_entra_key *key, const char *client, const char *audience, time_t now, pq_secret **out,
                         pq_error *err) PQ_MUST_USE;
