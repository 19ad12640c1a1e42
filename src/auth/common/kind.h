/* A kind of registry: one file, one table of functions, one line in auth.c. */
#pragma once

#include "auth/common/access_token.h"
#include "auth/common/credential.h"
#include "auth/common/send.h"
#include "config/config.h"
#include "crypto/identity.h"
#include "secrets/source.h"

/* What all that are asked in one run have in common. */
typedef struct pq_auth_run {
    const pq_config *config; /* that the entries are of */
    pq_secrets *secrets;
    bool once, ask_who; /* as in pq_auth_options (auth.h) */
    pq_auth_send *send;
    void *send_context;
    long aws_clock_offset, azure_clock_offset; /* seconds; learned */
    pq_access_tokens tokens;                   /* those that login services have given so far */
    struct pq_aws_memory *aws_memory;
} pq_auth_run;

/* What a kind is asked with. */
typedef struct pq_auth_ask {
    const pq_config_registry *entry;
    const pq_secret *secret; /* the one that the entry names; NULL with `auth: oidc` or `auth: environment` */
    const char
        *secret_name; /* "secret ghcr_creds": WHERE of what is wrong in it, and words for people; else "auth: …" */
    const pq_identity *identity; /* of the device; NULL for an entry that needs none */
    const char *where; /* of what says who we are: "factory-config.yml:7", the line of the secret's name or of `auth` */
    const char *host;  /* normal form */
    const char *repository; /* or NULL */
    pq_auth_run *run;
} pq_auth_ask;

typedef struct pq_auth_kind {
    pq_registry_type type;
    /* What the entry and its secret are worth offline; all problems. */
    bool (*check)(const pq_auth_ask *ask, pq_errors *errors);
    /* Under which key an answer may serve other hosts too, and later runs: all that decides who we are and what is
     * asked for (profile, role, tenant, region), but for the bytes of the secret, which are added to it elsewhere.
     * Owned. */
    char *(*share_key)(const pq_auth_ask *ask);
    /* Called when check() found nothing. */
    bool (*get)(const pq_auth_ask *ask, pq_credential *out, pq_error *err);
} pq_auth_kind;

extern const pq_auth_kind pq_auth_kind_aws, pq_auth_kind_azure, pq_auth_kind_gar, pq_auth_kind_generic,
    pq_auth_kind_gateway;
