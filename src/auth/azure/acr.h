/* Azure Container Registry: an Entra ID token against a refresh token of the registry itself (Azure/acr,
 * docs/AAD-OAuth.md). */
#pragma once

#include "auth/common/credential.h"
#include "auth/common/send.h"

typedef struct pq_acr_call {
    const char *host;   /* one that pq_acr_host_parse() says yes to: the token is sent there */
    const char *tenant; /* NULL when not known */
    const pq_secret *access_token;
    pq_auth_send *send;
    void *send_context;
} pq_acr_call;

/* The user name that goes with a refresh token, where one is wanted. */
extern const char pq_acr_user[];

/* Reads the answer to the exchange: `refresh_token`, whose life is what it says of itself (`exp`). */
bool pq_acr_answer_read(const void *bytes, size_t length, pq_credential *out, pq_error *err) PQ_MUST_USE;
/* The first of the `errors` of a refusal in one line, "words (CODE)", or NULL. Owned. */
char *pq_acr_reason(const pq_http_answer *answer) PQ_MUST_USE;
/* PQ_EDENIED when the registry refuses the token, with its own words; `out->source` is left to the caller. */
bool pq_acr_exchange(const pq_acr_call *call, pq_credential *out, pq_error *err) PQ_MUST_USE;
