/* The policies of one kind of registry: one file, one table of functions, one line in policy.c. */
#pragma once

#include "auth/policy/policy.h"
#include "base/secret.h"
#include "base/shell.h"

typedef struct pq_policy_ask {
    const pq_config_registry *entry; /* of the first name; the others of a policy have the same identity */
    const pq_policy_options *options;
    const pq_secret *secret; /* the one that the entry names, if it can be had; or NULL */
} pq_policy_ask;

typedef struct pq_policy_kind {
    pq_registry_type type;
    /* Names with the same key make up one policy. Owned. */
    char *(*key)(const pq_policy_options *options, const pq_config_registry *entry, const char *host);
    /* Fills `identity` and the steps; the lists are there. */
    void (*make)(const pq_policy_ask *ask, pq_policy *policy, pq_errors *errors);
} pq_policy_kind;

extern const pq_policy_kind pq_policy_kind_aws, pq_policy_kind_azure, pq_policy_kind_gar, pq_policy_kind_generic,
    pq_policy_kind_gateway;

/* Takes `command` and `document` (each may be NULL); `note` is copied. Borrowed, until the next one. */
pq_policy_step *pq_policy_add(pq_policy *policy, const char *note, char *command, char *document);
/* The two parts of host/name: the host is owned, the repository borrowed from `name` ("" when there is none). */
char *pq_policy_host(const char *name) PQ_MUST_USE;
const char *pq_policy_repository(const char *name);
/* Whether it stands for all of a registry (pq_policy_all_of()). */
bool pq_policy_is_all(const char *name);
/* "${NAME_7:?words}" for entry 7: stops the shell and says what is wanted, unless it is set. Owned. */
char *pq_shell_wanted(const pq_config_registry *entry, const char *name, const char *words) PQ_MUST_USE;
/* Where the identity of an entry comes from: "secret NAME", "auth: oidc", "auth: environment", or the way of a
 * device. Owned. */
char *pq_policy_identity(const pq_config_registry *entry) PQ_MUST_USE;
