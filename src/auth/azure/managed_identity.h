/* Managed identities of Azure: the token that the platform gives to a machine, app or job, without any secret.
 *
 * A virtual machine asks the instance metadata service (IMDS) at 169.254.169.254; App Service, Functions and Container
 * Apps have an endpoint of their own, in IDENTITY_ENDPOINT and IDENTITY_HEADER. AZURE_POD_IDENTITY_AUTHORITY_HOST
 * stands for the first part of IMDS's address, as azure-identity has it. Never through a proxy. */
#pragma once

#include "auth/common/access_token.h"
#include "auth/common/send.h"

typedef struct pq_managed_identity_call {
    const char *resource; /* "https://containerregistry.azure.net" */
    const char *client;   /* id of a user-assigned identity; NULL for the system's own */
    pq_auth_send *send;
    void *send_context;
} pq_managed_identity_call;

/* Where it is asked: "managed identity at http://169.254.169.254". Owned. */
char *pq_managed_identity_place(void) PQ_MUST_USE;
/* Offline: what is wrong with the variables above. */
bool pq_managed_identity_check(const char *where, pq_error *err) PQ_MUST_USE;
/* PQ_ETRANSPORT after a second when nobody answers, PQ_EDENIED when there is no such identity. */
bool pq_managed_identity_get_token(const pq_managed_identity_call *call, pq_access_token *out,
                                   pq_error *err) PQ_MUST_USE;
/* The words of a refusal: IMDS's error_description, or the message of App Service. NULL when there are none. Owned. */
char *pq_managed_identity_reason(const pq_http_answer *answer) PQ_MUST_USE;
