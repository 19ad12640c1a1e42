/* The profiles of the AWS CLI: those of a shared credentials file that is held in a secret, or those of a person's own
 * ~/.aws/credentials and ~/.aws/config together, where a setting of the former wins. Pure: no I/O. */
#pragma once

#include "auth/aws/ini.h"
#include "auth/aws/sigv4.h"

#define PQ_AWS_NOWHERE SIZE_MAX

typedef struct pq_aws_profiles {
    pq_aws_ini credentials, config;
    pq_secret *credentials_bytes, *config_bytes;
    bool is_secret; /* it leads nowhere else: a secret is not code */
} pq_aws_profiles;

#define PQ_AUTO_AWS_PROFILES PQ_CLEANUP(pq_aws_profiles_clear) pq_aws_profiles

/* Reads a file. `where` names it in messages ("secret aws_creds", "~/.aws/config"; lines are appended as ":3"). All its
 * problems are added to `errors` (PQ_ECONFIG), which is kept for those found later; none with contents of the file
 * other than names of profiles. */
void pq_aws_profiles_add_secret(pq_aws_profiles *files, const pq_secret *bytes, const char *where, pq_errors *errors);
void pq_aws_profiles_add_credentials(pq_aws_profiles *files, const pq_secret *bytes, const char *where,
                                     pq_errors *errors);
void pq_aws_profiles_add_config(pq_aws_profiles *files, const pq_secret *bytes, const char *where, pq_errors *errors);
void pq_aws_profiles_clear(pq_aws_profiles *files);

/* A profile, or an [sso-session …]: its sections in both files, PQ_AWS_NOWHERE where it has none. Borrowed. */
typedef struct pq_aws_profile {
    pq_aws_profiles *files;
    const char *name;
    size_t credentials, config;
} pq_aws_profile;

bool pq_aws_profiles_find(pq_aws_profiles *files, const char *name, pq_aws_profile *out);
bool pq_aws_profiles_find_session(pq_aws_profiles *files, const char *name, pq_aws_profile *out);
/* Tells that there is no such profile, and which there are; `where` says who wants it. */
void pq_aws_profiles_missing(const pq_aws_profiles *files, const char *name, const char *where, pq_errors *errors);
/* A setting by its name in lower case, and the file that it is of; NULL when there is none. */
const pq_aws_setting *pq_aws_profile_get(const pq_aws_profile *profile, const char *name, pq_aws_ini **out_file);
/* "~/.aws/config:12", its first line. Owned. */
char *pq_aws_profile_where(const pq_aws_profile *profile) PQ_MUST_USE;

/* The static keys of one section. False, with problems, when they are missing or cannot be keys. */
bool pq_aws_section_keys(pq_aws_ini *file, size_t section, pq_aws_keys *out) PQ_MUST_USE;
