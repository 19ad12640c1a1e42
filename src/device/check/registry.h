/* The links from a device's identity to an image of one registry.
 *
 * It asks as `credential get` does (auth.h), only that each request on the way is looked at: before the first one to a
 * server the links to that are tried one by one (endpoint.h), and what the server answers is the next link. So
 * what is checked is what is used. No cache of tokens is read or written. */
#pragma once

#include "config/config.h"
#include "crypto/identity.h"
#include "device/check/steps.h"
#include "net/http.h"
#include "oci/reference.h"

typedef struct pq_check_options {
    const pq_config *config;
    pq_http *http;
    const pq_identity *identity; /* the device's, open; NULL where no entry needs one */
    const char *certs_dir;       /* holds HOST/ca.crt; NULL: /etc/docker/certs.d */
    double seconds;              /* for connecting to a server, and for its answer */
} pq_check_options;

/* What one entry of the configuration serves. */
typedef struct pq_check_target {
    const pq_config_registry *entry;
    const char *host;           /* of the entry, or of an image of it; NULL when nothing names one */
    const pq_reference *images; /* of this entry */
    size_t image_count;
} pq_check_target;

/* Walks from the settings to the images, and stops at the first broken link: false, with it in `steps`. Those that are
 * left are added as skipped. */
bool pq_check_registry(const pq_check_options *options, const pq_check_target *target,
                       pq_check_steps *steps) PQ_MUST_USE;
/* All of them as skipped, for one that is not walked; `why` completes "not tried: ". */
void pq_check_registry_skip(const pq_config_registry *entry, pq_check_steps *steps, const char *why);
/* What the clock of the entry's registry says, or else that of its gateway; see pq_check_ask_time. */
bool pq_check_entry_time(const pq_check_options *options, const pq_config_registry *entry, time_t *out,
                         char **out_server) PQ_MUST_USE;
