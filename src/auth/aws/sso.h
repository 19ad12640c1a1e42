/* IAM Identity Center: the token that `aws sso login` left, and the keys of a role for it (SSO Portal API,
 * GetRoleCredentials; the cache file as botocore writes it, utils.py, SSOTokenLoader). */
#pragma once

#include "auth/aws/call.h"
#include "auth/aws/host.h"
#include "auth/aws/plan.h"

/* ~/.aws/sso/cache/SHA1.json for the name of an [sso-session], or a start URL in the old form; NULL without a home.
 * Owned. */
char *pq_aws_sso_cache_path(const char *name_or_url) PQ_MUST_USE;
/* A cached token and when it ends. PQ_ECONFIG with `where`; nothing of the file is quoted. */
bool pq_aws_sso_token_read(const void *bytes, size_t length, const char *where, pq_secret **out, time_t *out_expires,
                           pq_error *err) PQ_MUST_USE;
/* Reads the token of the step's cache file; one that has ended is PQ_EDENIED, with the command that makes a new one. */
bool pq_aws_sso_token(const pq_aws_step *step, pq_secret **out, time_t *out_expires, pq_error *err) PQ_MUST_USE;
/* `endpoint` is AWS_ENDPOINT_URL_SSO or NULL. */
bool pq_aws_sso_keys(const pq_aws_step *step, const pq_aws_caller *caller, pq_aws_reach reach, const char *endpoint,
                     pq_aws_keys *out, pq_error *err) PQ_MUST_USE;
