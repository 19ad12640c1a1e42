/* The least that pulling takes: the rights that each identity of the configuration needs, in exactly the repositories
 * that are used, in the words of the cloud that gives them. Offline.
 *
 * What only an administrator knows stands in a command as a shell parameter that stops the shell and says what is
 * wanted: ${IAM_USER_1:?the IAM user …}, 1 being the number of the entry. Of secrets, only names that are no secret are
 * looked at: an application's id, the e-mail address of a service account. */
#pragma once

#include "config/config.h"
#include "secrets/source.h"

/* One thing that an administrator does. */
typedef struct pq_policy_step {
    char *note;       /* what for, in words; NULL when the one before it says it */
    char *command;    /* for a POSIX shell; NULL: there is only the note */
    char *document;   /* JSON, compact: the last argument of the command, without which it is not complete; or NULL */
    const char *name; /* what the document is: "trust", "pull". Static; NULL for others */
    char *file;       /* the absolute path at which the document lies: the command names that in its place; or NULL */
    bool by_hand;     /* not to be run without a look: it lacks something, or replaces what is there */
} pq_policy_step;

/* What one identity needs. */
typedef struct pq_policy {
    pq_registry_type type;
    char *identity;          /* words: "secret aws_creds, profile default" */
    pq_strings registries;   /* hosts */
    pq_strings repositories; /* host/name */
    pq_policy_step *steps;
    size_t step_count, step_capacity;
} pq_policy;

typedef struct pq_policies {
    pq_policy *at;
    size_t count, capacity;
    pq_strings others; /* host/name of those that no entry serves */
} pq_policies;

#define PQ_AUTO_POLICIES PQ_CLEANUP(pq_policies_clear) pq_policies

typedef struct pq_policy_options {
    const pq_config *config;
    pq_secrets *secrets;  /* NULL: none can be looked up */
    const char *aws_role; /* name or ARN of the role that gets the rights at AWS in place of the entries' identities; or
                             NULL */
    /* For a device.yml: */
    pq_strings subjects;     /* common names of devices' certificates, as far as they are known. Borrowed */
    bool subjects_given;     /* by the user; not read from a certificate */
    const char *aws_account; /* 12 digits: where AWS IoT and the role are; NULL: where the registry is */
} pq_policy_options;

/* `names` are those used, host/name, each once; of a device.yml also `host/` and an asterisk, for all of a registry.
 * Policies come in the order of their first name. A name for which no policy can be made is an error (PQ_EFAILED); the
 * others are there all the same. */
bool pq_policies_make(const pq_policy_options *options, const pq_strings *names, pq_policies *out,
                      pq_errors *errors) PQ_MUST_USE;
void pq_policies_clear(pq_policies *policies);
/* The name that stands for all repositories of a host. Owned. */
char *pq_policy_all_of(const char *host) PQ_MUST_USE;
/* A role as pq_policy_options takes it: a name that IAM allows, or the ARN of a role. */
bool pq_policy_role_valid(const char *role);
/* The whole command, with the document as JSON_INDENT(`indent`) has it; 0: in one line. Owned; NULL when there is none.
 */
char *pq_policy_step_command(const pq_policy_step *step, int indent) PQ_MUST_USE;
