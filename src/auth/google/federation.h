/* Workload identity federation: a token of somebody else's for one of Google's (RFC 8693; Google's AIP-4117 and
 * "Security Token Service API", token), and from there to a service account (IAM Service Account Credentials API,
 * generateAccessToken). */
#pragma once

#include "auth/google/token.h"

typedef struct pq_google_exchange {
    const char *token_url;
    const char *audience; /* //iam.googleapis.com/projects/N/locations/global/workloadIdentityPools/P/providers/R */
    const char *subject_token_type;
    const pq_secret *subject_token;
    const char *scope;
    const char *user_project;         /* of a workforce pool, or NULL */
    const char *client_id;            /* how the client proves itself, or NULL */
    const pq_secret *client_secret;   /* NULL is an empty one */
    const pq_http_trust *trust;       /* the client's certificate in files, or NULL */
    const pq_http_identity *identity; /* a device's, or NULL */
} pq_google_exchange;

/* PQ_EDENIED with what is wrong with the token in the provider's eyes. */
bool pq_google_exchange_token(const pq_google_ask *ask, const pq_google_exchange *exchange, pq_access_token *out,
                              pq_error *err) PQ_MUST_USE;

typedef struct pq_google_impersonation {
    const char *url;             /* …/serviceAccounts/EMAIL:generateAccessToken */
    const char *account;         /* EMAIL, for words */
    unsigned lifetime;           /* seconds */
    const char *scope;           /* of the token that is wanted */
    const pq_strings *delegates; /* accounts on the way, or NULL */
    bool federated;              /* who asks is no account of Google's: decides which role is named as missing */
} pq_google_impersonation;

/* The URL for an account at Google's own host. Owned. */
char *pq_google_impersonation_url(const char *account) PQ_MUST_USE;
/* `base` is a token with PQ_GOOGLE_IAM_SCOPE. */
bool pq_google_impersonate(const pq_google_ask *ask, const pq_google_impersonation *what, const pq_access_token *base,
                           pq_access_token *out, pq_error *err) PQ_MUST_USE;
