/* A credential: the one answer of this floor. */
#pragma once

#include "base/clock.h"
#include "base/secret.h"

typedef struct pq_credential {
    char *username;
    pq_secret *secret;
    time_t expires; /* 0 when nobody said */
    /* The secret is a refresh token of the registry's own token service (OAuth 2.0, section 6): tokens are asked for
     * with it and not with a password. As user name and password it works too, where the service takes that. */
    bool identity_token;
    char *source; /* words for a person: "secret aws_creds, profile default" */
} pq_credential;

#define PQ_AUTO_CREDENTIAL PQ_CLEANUP(pq_credential_clear) pq_credential

void pq_credential_clear(pq_credential *credential);
void pq_credential_copy(const pq_credential *from, pq_credential *to); /* `to` is let go first */
