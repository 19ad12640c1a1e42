/* Dockerfiles: which images a build would fetch, by BuildKit's rules (Dockerfile reference; frontend/dockerfile). */
#pragma once

#include "oci/platform.h"
#include "scan/scan.h"
#include "scan/vars.h"

typedef struct pq_dockerfile_options {
    const pq_vars *build_args;          /* `--build-arg`; NULL for none */
    const pq_platform *target_platform; /* what TARGETPLATFORM, TARGETARCH … say; NULL: this machine */
    const pq_platform *build_platform;  /* BUILDPLATFORM …; NULL: this machine */
} pq_dockerfile_options;

/* Reads a Dockerfile. What it finds is added to `scan`; of a file with a syntax error only the errors are. `file` is
 * how it is named in results and errors.
 *
 * An ARG without a value makes what depends on it unresolved, also where BuildKit would go on with an empty text: which
 * image is meant is then known only to whoever gives the value. What BuildKit refuses is an error at its line. ONBUILD
 * triggers count where a stage of the same file sets them off. */
void pq_dockerfile_scan(const char *file, const char *bytes, size_t length, const pq_dockerfile_options *options,
                        pq_scan *scan);
