/* Access tokens for what a credentials file holds itself: a service account's key (an assertion signed with it, RFC
 * 7523; Google, "Using OAuth 2.0 for server to server applications"), and a person's login (a refresh token, RFC 6749,
 * section 6). */
#pragma once

#include "auth/google/file.h"
#include "auth/google/token.h"

/* Offline: whether the key can sign. PQ_ECONFIG with `where`. */
bool pq_google_key_check(const pq_google_file *file, const char *where, pq_error *err) PQ_MUST_USE;
/* An access token for a service account. `where` names the secret or file for what is wrong in it. When Google finds
 * the time of the assertion wrong, the clock of its answer is taken once, with a warning. PQ_EDENIED for what only
 * another key will mend. */
bool pq_google_key_token(const pq_google_ask *ask, const pq_google_file *file, const char *where, const char *scope,
                         pq_access_token *out, pq_error *err) PQ_MUST_USE;
/* The same for a person's login, whose scopes are those that were granted at login. */
bool pq_google_login_token(const pq_google_ask *ask, const pq_google_file *file, pq_access_token *out,
                           pq_error *err) PQ_MUST_USE;
