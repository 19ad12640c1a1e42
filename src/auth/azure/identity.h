/* Who we are for Entra ID, by an entry of type azure and the environment. */
#pragma once

#include "auth/azure/entra_key.h"
#include "auth/common/access_token.h"
#include "auth/common/kind.h"

typedef enum pq_azure_proof {
    PQ_AZURE_CLIENT_SECRET,
    PQ_AZURE_CERTIFICATE,
    PQ_AZURE_OIDC,       /* the CI's own token */
    PQ_AZURE_TOKEN_FILE, /* AZURE_FEDERATED_TOKEN_FILE: a Kubernetes service account's */
    PQ_AZURE_MANAGED,    /* a managed identity */
} pq_azure_proof;

typedef struct pq_azure_identity {
    pq_azure_proof proof;
    const struct pq_azure_cloud_facts *cloud; /* static */
    char *authority;                          /* URL of the login service, no slash at its end */
    char *tenant, *client;                    /* NULL only for a managed identity */
    pq_secret *secret;                        /* PQ_AZURE_CLIENT_SECRET */
    pq_entra_key key;                         /* PQ_AZURE_CERTIFICATE */
    const char *certificate;                  /* its file, if it is a device's; borrowed, or NULL */
    char *token_file;                         /* PQ_AZURE_TOKEN_FILE */
    char *words;                              /* for people: "secret azprincipal, tenant contoso" */
    char *renew;                              /* how to put another secret in place */
} pq_azure_identity;

#define PQ_AUTO_AZURE_IDENTITY PQ_CLEANUP(pq_azure_identity_clear) pq_azure_identity

/* Reads the entry, its secret and, with `auth: environment`, the variables of azure-identity's EnvironmentCredential
 * (AZURE_CLIENT_SECRET, else AZURE_CLIENT_CERTIFICATE_PATH), of its WorkloadIdentityCredential
 * (AZURE_FEDERATED_TOKEN_FILE), else a managed identity: the order of its DefaultAzureCredential, of which the
 * identities of developers' tools are left out. Offline; all problems. A certificate that ends soon is a warning. */
bool pq_azure_identity_find(const pq_auth_ask *ask, pq_azure_identity *out, pq_errors *errors) PQ_MUST_USE;
void pq_azure_identity_clear(pq_azure_identity *identity);

/* All that decides whose token it is, but for the bytes of the entry's secret. Owned. */
char *pq_azure_identity_key(const pq_auth_ask *ask, const pq_azure_identity *identity) PQ_MUST_USE;
/* A token of Entra ID for registries. Those that a run has had are in `ask->run->tokens`: registries of one tenant and
 * client share them. */
bool pq_azure_identity_token(const pq_auth_ask *ask, const pq_azure_identity *identity, pq_access_token *out,
                             pq_error *err) PQ_MUST_USE;
