/* The subject token of an external account: what proves to Google who we are elsewhere. From a file, an address, a
 * program, or a certificate (AIP-4117; google-auth-library-python, google/auth/identity_pool.py and pluggable.py). */
#pragma once

#include "auth/google/endpoint.h"
#include "auth/google/token.h"
#include "crypto/pkey.h"

typedef struct pq_google_subject {
    pq_secret *token;
    char *certificate, *key; /* files with which to show oneself to the token service; NULL for none */
} pq_google_subject;

#define PQ_AUTO_GOOGLE_SUBJECT PQ_CLEANUP(pq_google_subject_clear) pq_google_subject
void pq_google_subject_clear(pq_google_subject *subject);

/* Gets it anew: such tokens live for minutes. `where` names the credentials file, which pq_google_file_bounded() has
 * been asked about. PQ_ECONFIG when there is none to be had, PQ_EDENIED when it has ended. */
bool pq_google_subject_get(const pq_google_ask *ask, const pq_google_file *file, pq_google_trust trust,
                           const char *where, pq_google_subject *out, pq_error *err) PQ_MUST_USE;
/* Offline: whether the files that it needs are there. */
bool pq_google_subject_check(const pq_google_file *file, const char *where, pq_error *err) PQ_MUST_USE;
/* What a program prints (AIP-4117, "executable response"): `{version, success, token_type, id_token | saml_response,
 * expiration_time, code, message}`. */
bool pq_google_executable_read(const void *bytes, size_t length, time_t now, const char *where, pq_secret **out,
                               pq_error *err) PQ_MUST_USE;
/* Google's bounds for a certificate and its chain ("Workload Identity Federation with X.509 certificates",
 * limitations): a life of 390 days, five certificates in all. PQ_ECONFIG with `where`. */
bool pq_google_certificate_check(const pq_certificate *certificate, const char *where, pq_error *err) PQ_MUST_USE;
/* The JSON array of base64 DER that stands for a certificate: itself, then what is in `chain` (may be NULL) but for
 * itself at its beginning. */
bool pq_google_certificate_token(const pq_certificate *certificate, const pq_certificate *chain, const char *where,
                                 pq_secret **out, pq_error *err) PQ_MUST_USE;
