/* Secrets for a build (`containers.docker_build_secrets`): only the ids that a Dockerfile mounts, each a file in memory
 * (tmpfs, 0600) that goes with the build, and never one that a registry, the hub or TUF uses. */
#pragma once

#include "config/config.h"
#include "scan/scan.h"
#include "secrets/source.h"

typedef struct pq_build_secrets {
    char *folder;
    pq_strings files; /* ID=FILE */
} pq_build_secrets;

#define PQ_AUTO_BUILD_SECRETS PQ_CLEANUP(pq_build_secrets_clear) pq_build_secrets

/* A Dockerfile that mounts secrets while the configuration does not allow them is only warned about: the mount is
 * optional unless it says `required`. A secret that is not there is such a case too. */
bool pq_build_secrets_open(const pq_config *config, pq_secrets *secrets, const pq_dockerfile *file,
                           pq_build_secrets *out, pq_error *err) PQ_MUST_USE;
void pq_build_secrets_clear(pq_build_secrets *secrets);
