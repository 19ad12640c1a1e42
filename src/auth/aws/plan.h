/* How the keys of an AWS identity come about: a plan that is made offline, from files and the environment, and followed
 * when keys are needed (keys.h). So that everything can be checked, named and compared before anything is sent.
 *
 * The order of the default chain is botocore's (credentials.py, create_credential_resolver), which is the AWS CLI's:
 * environment, role of the profile, web identity, SSO, keys of the credentials file, credential_process, keys of the
 * config file, container, instance metadata. */
#pragma once

#include "auth/aws/profile.h"
#include "crypto/identity.h"

typedef enum pq_aws_step_kind {
    PQ_AWS_STEP_KEYS,         /* they stand there */
    PQ_AWS_STEP_ROLE,         /* AssumeRole with the keys of `source` */
    PQ_AWS_STEP_WEB_IDENTITY, /* AssumeRoleWithWebIdentity with the OIDC token in `token_file`, or the CI's own */
    PQ_AWS_STEP_SSO,
    PQ_AWS_STEP_PROCESS,
    PQ_AWS_STEP_CONTAINER,
    PQ_AWS_STEP_INSTANCE,
    PQ_AWS_STEP_IOT,            /* a device's certificate shown to the AWS IoT credentials provider (iot.h) */
    PQ_AWS_STEP_ROLES_ANYWHERE, /* a session signed with the certificate's key (roles_anywhere.h) */
} pq_aws_step_kind;

typedef struct pq_aws_step {
    pq_aws_step_kind kind;
    char *where; /* what says so: "~/.aws/config:12", "AWS_ROLE_ARN" */
    char *words; /* for a person: "profile ci", "instance metadata" */
    pq_aws_keys keys;
    char *role_arn, *external_id, *session_name;           /* the last is never NULL for a role */
    unsigned duration;                                     /* seconds; 0 for AWS's own */
    char *token_file;                                      /* web identity; NULL: the CI's own token */
    char *command;                                         /* credential_process */
    char *sso_region, *sso_account, *sso_role, *sso_cache; /* the last is the path of the token's file */
    char *sso_login;                                       /* the command that makes a new token */
    const pq_identity *identity;                           /* the device's; borrowed */
    char *iot_endpoint, *iot_alias, *iot_thing;
    char *profile_arn, *trust_anchor_arn, *anywhere_region; /* with role_arn */
    bool last_resort;                                       /* instance metadata that nobody named: there may be none */
    struct pq_aws_step *source;
} pq_aws_step;

#define PQ_AUTO_AWS_STEP PQ_CLEANUP(pq_aws_step_cleanup) pq_aws_step

void pq_aws_step_free(pq_aws_step *step); /* NULL is fine */
void pq_aws_step_cleanup(pq_aws_step **step);
/* The first one: where it all comes from. Borrowed. */
const pq_aws_step *pq_aws_step_origin(const pq_aws_step *step);
/* All that decides who it is, without any secret in it: the same key, the same identity. Owned. */
char *pq_aws_step_key(const pq_aws_step *step) PQ_MUST_USE;

/* A role (borrowed texts) on top of `source`, which is taken; NULL source: the CI's own OIDC token. Owned. */
pq_aws_step *pq_aws_plan_role(const char *role_arn, const char *external_id, const char *session_name,
                              const char *where, pq_aws_step *source) PQ_MUST_USE;

/* Of a shared credentials file that is held in a secret ("secret aws_creds"). A secret is not code and leads nowhere
 * else: role_arn and source_profile are followed within the file; credential_process, credential_source,
 * web_identity_token_file and sso_… never. Beside static keys they are left alone with a warning, in their place they
 * are an error. NULL with all problems of the file and of the profile in `errors` (PQ_ECONFIG). Owned. */
pq_aws_step *pq_aws_plan_secret(const pq_secret *file, const char *where, const char *profile,
                                pq_errors *errors) PQ_MUST_USE;

/* Of this process's environment and a person's own files; `profile` is the entry's, or NULL; `where` is the entry's
 * line. Reads files, runs and asks nothing. NULL with all problems. Owned. */
pq_aws_step *pq_aws_plan_environment(const char *profile, const char *where, pq_errors *errors) PQ_MUST_USE;
/* The same for files that were read already. */
pq_aws_step *pq_aws_plan_files(pq_aws_profiles *files, const char *profile, const char *where,
                               pq_errors *errors) PQ_MUST_USE;

/* A path of the AWS CLI with `~` opened (owned); NULL when there is no home. */
char *pq_aws_own_path(const char *path) PQ_MUST_USE;
