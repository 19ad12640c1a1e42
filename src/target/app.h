/* A Compose App as an OCI artifact, in the form that composectl and aktualizr-lite read (composeapp
 * internal/app_manifest_builder.go and pkg/compose/v1; aktualizr-lite src/docker/docker.h, Manifest).
 *
 *     manifest  application/vnd.oci.image.manifest.v1+json, artifactType application/vnd.fio+compose-app,
 *               annotation compose-app: v1; below 16 KiB, which is what aktualizr-lite reads (50 KiB: composectl)
 *     config    application/vnd.oci.empty.v1+json: {}
 *     layer 0   application/octet-stream: the bundle, with the digest and size of its index as annotations
 *               org.foundries.app.bundle.index.digest and .size
 *     layer 1   optional, application/json, annotation layers-meta: v1
 *
 * The index is a blob that only the annotations name: a registry may collect it as garbage, and readers then do
 * without. It lists regular files alone; links are left out, for composectl opens what it lists and compares the
 * contents. */
#pragma once

#include "target/app_compose.h"
#include "target/bundle.h"

#define PQ_APP_COMPOSE_FILE "docker-compose.yml" /* the only name that devices look for */
#define PQ_APP_MANIFEST_MAX 16384u
#define PQ_APP_MANIFEST_TYPE "application/vnd.oci.image.manifest.v1+json"

typedef struct pq_app_blob {
    const char *media_type;
    pq_buf bytes;
    char *digest; /* "sha256:…" */
} pq_app_blob;

typedef struct pq_app {
    pq_app_blob manifest; /* to be pushed last */
    pq_app_blob config;
    pq_app_blob bundle;
    pq_app_blob index;
    pq_app_blob layers_meta; /* `bytes` is empty without */
    pq_buf compose;          /* the Compose file inside the bundle */
} pq_app;

#define PQ_AUTO_APP PQ_CLEANUP(pq_app_clear) pq_app

void pq_app_clear(pq_app *app);
/* Builds the artifact of an app folder. `layers_meta`, a JSON text that maps architectures to sizes of layers, may be
 * NULL. `out` must be empty. All problems are reported (PQ_EINPUT). The same input gives the same bytes. */
bool pq_app_build(const pq_tree *folder, const pq_app_pin *pins, size_t count, const char *layers_meta, pq_app *out,
                  pq_errors *errs) PQ_MUST_USE;
