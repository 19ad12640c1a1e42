/* The bundle of a Compose App: its folder as a gzip-compressed tar with the same bytes on every machine.
 *
 * A bundle is data. It holds regular files, folders and symbolic links that stay inside, in byte order of their paths,
 * owner 0 without names, no times, modes 0644 or 0755 and nothing else. `.git` and what `.composeappignores` names are
 * left out, and that file itself (as composectl does: pkg/compose/v1/publish.go, getIgnores). Anything else (devices,
 * FIFOs, sockets, files with several hard links, links that lead out, names that are not UTF-8) stops it, and so does
 * a file that holds the bytes of a living secret.
 *
 * The form is what composectl and aktualizr-lite read: `docker-compose.yml` by that very name (no `./`), at the top.
 * The tar is ustar, with pax headers only for names or links that ustar cannot hold. gzip: no name, no time, zlib level
 * 9. Deflate leaves the encoder free, so another zlib (zlib-ng, or a future release) may give other bytes, and then
 * another digest, for the same tar; madler's zlib has given the same bytes at level 9 for many years. */
#pragma once

#include "base/error.h"
#include "base/file.h"

/* A file whose contents are given instead of read, `docker-compose.yml` pinned for example. It must exist in the
 * folder, and is neither ignored nor looked at. */
typedef struct pq_bundle_replacement {
    const char *path;
    const void *bytes;
    size_t length;
} pq_bundle_replacement;

typedef struct pq_bundle {
    pq_buf archive; /* application/octet-stream */
    char *digest;   /* of `archive`, "sha256:…" */
    pq_buf index;   /* JSON {path: "sha256:…"} of the regular files */
    char *index_digest;
    size_t entries; /* files, folders and links */
} pq_bundle;

#define PQ_AUTO_BUNDLE PQ_CLEANUP(pq_bundle_clear) pq_bundle

/* Whether Compose on the device would read the file of this path in place of docker-compose.yml, or with it
 * (https://docs.docker.com/compose/intro/compose-application-model/): nothing in it is pinned. */
bool pq_bundle_competes(const char *path);
/* Whether a `.env` tells Compose to read other files (COMPOSE_FILE, COMPOSE_ENV_FILES). */
bool pq_bundle_env_steers(const char *bytes, size_t length);

void pq_bundle_clear(pq_bundle *bundle);
/* Bundles the folder. `out` must be empty. Everything that is wrong is reported (PQ_EINPUT, WHERE the file below the
 * folder as the user named it); PQ_MAX_BUNDLE and PQ_MAX_BUNDLE_FILES bound it. */
bool pq_bundle_build(const pq_tree *folder, const pq_bundle_replacement *replacements, size_t count, pq_bundle *out,
                     pq_errors *errs) PQ_MUST_USE;
