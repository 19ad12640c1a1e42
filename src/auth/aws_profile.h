/* The AWS shared credentials file, held in a secret: bytes in, the keys of one profile out.
 *
 * It is read as botocore reads it (Python's configparser without interpolation: case-sensitive section names, `=` or
 * `:`, whole-line comments with `#` or `;`, indented lines continue the value above), and where botocore would take
 * nonsense for a key, it says so.
 *
 * A secret is not code and leads nowhere else: credential_process, credential_source, web_identity_token_file and sso_…
 * are never followed. Beside static keys they are left alone with a warning; in their place they are an error. */
#pragma once

#include "auth/sigv4.h"

/* Reads the profile (NULL for "default") into `out`. `where` names the secret in messages ("secret aws_creds"; lines
 * are appended to it as ":3"). All problems of the file and of that profile are added to `errors` (PQ_ECONFIG), none
 * of them with contents of the file other than profile names. */
bool pq_aws_profile_read(const pq_secret *file, const char *where, const char *profile, pq_aws_keys *out,
                         pq_errors *errors) PQ_MUST_USE;
