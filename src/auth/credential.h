/* A credential: the one answer of this floor. */
#pragma once

#include "base/clock.h"
#include "base/secret.h"

typedef struct pq_credential {
    char *username;
    pq_secret *secret;
    time_t expires; /* 0 when nobody said */
    char *source;   /* words for a person: "secret aws_creds, profile default" */
} pq_credential;

#define PQ_AUTO_CREDENTIAL PQ_CLEANUP(pq_credential_clear) pq_credential

void pq_credential_clear(pq_credential *credential);
void pq_credential_copy(const pq_credential *from, pq_credential *to); /* `to` is let go first */
