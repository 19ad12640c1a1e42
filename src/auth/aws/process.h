/* credential_process: a program of the user's own that prints keys (AWS, "Sourcing credentials with an external
 * process"). Only from a person's own files under `auth: environment`, never from a secret. */
#pragma once

#include "auth/aws/sigv4.h"

/* Splits a command into words as Python's shlex does, which botocore uses: blanks, quotes and backslashes; no shell, so
 * nothing is expanded. False for a quote or backslash without its other half, and for no words at all. */
bool pq_words_split(const char *command, pq_strings *out) PQ_MUST_USE;
/* Runs it, with our whole environment and for $PRATIQUE_TIMEOUT seconds at most (else 60), and reads what it prints.
 * `where` says where the command stands. What it writes to standard error is the reason when it fails. */
bool pq_aws_process_keys(const char *command, const char *where, pq_aws_keys *out, pq_error *err) PQ_MUST_USE;
