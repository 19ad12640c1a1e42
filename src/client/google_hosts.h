/* Google's registries by name: clients' configurations know no patterns. */
#pragma once

#include "base/text.h"

/* The hosts of Artifact Registry (LOCATION-docker.pkg.dev) and of gcr.io. Locations: those of docker-credential-gcr
 * (config/const.go), and Google Cloud's regions opened since (cloud.google.com/artifact-registry/docs/repo-locations).
 */
void pq_google_hosts(pq_strings *out);
