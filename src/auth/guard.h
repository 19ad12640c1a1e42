/* Keeps the secrets of a configuration alive in memory for a while, whole and in their parts (the password of a pair,
 * the keys of a profile), so that pq_secret_found_in() finds them in what is about to be published. */
#pragma once

#include "config/config.h"
#include "secrets/source.h"

typedef struct pq_guard {
    pq_secret **at;
    size_t count, capacity;
} pq_guard;

#define PQ_AUTO_GUARD PQ_CLEANUP(pq_guard_clear) pq_guard

void pq_guard_clear(pq_guard *guard);
/* Looks up every secret that the configuration names, and the usual ones of the hub and TUF; what is not there is
 * nothing. `hub_secret` (NULL for none) is one more name. */
bool pq_guard_open(pq_guard *guard, const pq_config *config, pq_secrets *secrets, const char *hub_secret,
                   pq_error *err) PQ_MUST_USE;
