/* What can be said offline of a device.yml and of who the device is: all that is wrong, at once. */
#pragma once

#include "auth/auth.h"

/* What is known of the device; empty without an `identity`. */
typedef struct pq_device_facts {
    char *name;           /* the certificate's common name; NULL when it cannot be read */
    char *key_words;      /* "P-256" */
    time_t begins, ends;  /* of the certificate */
    bool key_in_token;    /* nobody can copy it */
    bool ends_soon, good; /* within 30 days; all of the identity is in order */
} pq_device_facts;

#define PQ_AUTO_DEVICE_FACTS PQ_CLEANUP(pq_device_facts_clear) pq_device_facts

void pq_device_facts_clear(pq_device_facts *facts);
/* Certificate, key, that they belong together, dates, the gateway's trust; then each entry, as pq_auth_check() does,
 * but for those that need an identity which was found wanting. All problems are added to `errors`; true when there are
 * none. */
bool pq_device_check(pq_auth *auth, const pq_config *config, pq_device_facts *out, pq_errors *errors) PQ_MUST_USE;
