/* Proves Targets from a root that is trusted down to the pinned digests in the registries: TUF metadata, each Target's
 * own file, each app's manifest and bundle, each image that the app's Compose file names. */
#pragma once

#include "oci/platform.h"
#include "registry/registry.h"
#include "target/tuf_verify.h"

typedef struct pq_prove_options {
    const pq_tuf_source *source;
    const pq_tuf_trust *trust;
    const char *name;      /* one Target; NULL: all */
    pq_registry *registry; /* for apps and images */
    const pq_platform *platform;
} pq_prove_options;

/* What was proved, for the report. */
typedef struct pq_proof {
    pq_strings targets; /* names */
    pq_strings apps;    /* uris, each once */
    pq_strings images;  /* pinned references, each once */
    uint64_t root_version, targets_version;
    time_t expires; /* when the first of the metadata ends */
} pq_proof;

#define PQ_AUTO_PROOF PQ_CLEANUP(pq_proof_clear) pq_proof

void pq_proof_clear(pq_proof *proof);
/* All that is wrong goes to `errors`; the metadata's first failure ends it, for nothing behind it can be trusted. */
bool pq_prove(const pq_prove_options *options, pq_proof *out, pq_errors *errors);
