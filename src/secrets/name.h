/* The names of secrets, and the hosts that they are bound to. */
#pragma once

#include "base/error.h"
#include "base/text.h"

#define PQ_SECRET_NAME_MAX 128u
#define PQ_SECRET_HOSTS_MAX 64u /* that one secret may be bound to */

/* 1 to PQ_SECRET_NAME_MAX of A-Z a-z 0-9 . _ - and no leading dot: it is a file name too. */
bool pq_secret_name_valid(const char *name);
/* `host[:port]`, an IPv6 address in brackets; lower-cased, and `:443` dropped, as the `url` of a registry is compared.
 * PQ_EUSAGE for anything else (a scheme, a path). `*out` is owned by the caller. */
bool pq_secret_host(const char *text, char **out, pq_error *err) PQ_MUST_USE;
/* Each of `texts` by pq_secret_host(), sorted, none twice, into `out`; every problem is added to `errors`. */
bool pq_secret_hosts(const pq_strings *texts, pq_strings *out, pq_errors *errors) PQ_MUST_USE;
