/* Where a credentials file of Google may send us, and what it may make us read.
 *
 * Such a file can name any address, any file and any program, so it is as good as a program of whoever wrote it (Google
 * warns of it: "externally sourced credentials"). A file that comes from a secret is data: tokens are asked for at
 * Google's own hosts only, over TLS; nothing is run; a subject token is read from a file only if it is one, and never
 * fetched from an address. What else is wanted is allowed by name, outside of the secret:
 *
 *     PRATIQUE_GOOGLE_ALLOW=HOST[:PORT][,…]
 *
 * The caller's own file (GOOGLE_APPLICATION_CREDENTIALS, gcloud's) may also fetch a subject token from any https
 * address, from loopback and from a metadata service, and run a program if
 * GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1. */
#pragma once

#include "auth/google/file.h"

typedef enum pq_google_trust {
    PQ_GOOGLE_SECRET, /* the file was in a secret */
    PQ_GOOGLE_OWN,    /* it is the caller's own */
} pq_google_trust;

/* Adds a problem for each thing that the file wants and may not have. True when there is none. */
bool pq_google_file_bounded(const pq_google_file *file, pq_google_trust trust, const char *where,
                            pq_errors *errors) PQ_MUST_USE;
/* True for an https URL of a host of googleapis.com, or one that is allowed by name. */
bool pq_google_endpoint_allowed(const char *url);
