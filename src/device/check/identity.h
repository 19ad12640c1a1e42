/* The links that lie on the device itself: its clock, its certificate and key. */
#pragma once

#include "config/config.h"
#include "crypto/identity.h"
#include "device/check/steps.h"

typedef struct pq_check_identity_ask {
    const pq_config *config; /* with an identity */
    pq_check_ask_time *ask_time;
    void *ask_time_context;
} pq_check_identity_ask;

/* clock, identity, certificate. `*out` is there as soon as certificate and key are open, also when a later link is
 * broken; owned. */
bool pq_check_identity(const pq_check_identity_ask *ask, pq_check_steps *steps, pq_identity **out) PQ_MUST_USE;
/* The clock alone, for a device without an identity. */
bool pq_check_own_clock(const pq_check_identity_ask *ask, pq_check_steps *steps) PQ_MUST_USE;

/* "12 minutes", "3 days". Owned. */
char *pq_check_duration(time_t seconds) PQ_MUST_USE;
/* PQ_EFAILED when this machine's clock is more than five minutes from a server's: as much as the clouds let pass. */
bool pq_check_skew(time_t theirs, const char *server, pq_error *err) PQ_MUST_USE;
/* Where a key or certificate was said to be, without what follows a URI. Owned. */
char *pq_check_place(const char *place) PQ_MUST_USE;
