/* The Compose file inside a Compose App's bundle: the source with its images pinned, `build` dropped and every service
 * labelled, in the form that devices read.
 *
 * What devices demand (composeapp c321762e, aktualizr-lite HEAD of 2026-11):
 * - Each service has an `image` of the form domain/path@sha256:… (aktualizr-lite src/docker/docker.cc, Uri::parseUri;
 *   composeapp pkg/compose/image.go, ReadImageRoot).
 * - Each service has the label `io.compose-spec.config-hash`. Nobody computes it again: it is compared with the label
 * of the running container, to tell whether that container is of this version of the service (aktualizr-lite
 *   src/docker/dockerclient.cc, getContainerState; composeapp pkg/compose/status.go, find). composectl crashes without
 *   it (pkg/compose/v1/app.go, LoadAppTree writes into a map that only the label makes). The publisher's own value is
 *   the SHA-256 of the marshalled service (pkg/compose/v1/publish.go, pinServiceConfigs). Ours is the SHA-256 of the
 *   service's meaning: aliases followed, keys sorted, image pinned, without `build` and the label itself. It changes
 *   whenever the service does, and not with comments or the order of keys.
 * - `labels` is a mapping: aktualizr-lite looks the label up as labels["io.compose-spec.config-hash"]
 *   (src/docker/composeinfo.cc). A list is turned into one.
 * - No aliases: aktualizr-lite reads the file with `fy-tool --mode json` (src/yaml2json.cc), which fails with "aliases
 *   not allowed in JSON emit mode". What holds one is written again without. Anchors do no harm and stay.
 * - One document, at most 1 MiB (composeapp pkg/compose/v1/app.go, AppComposeMaxSize).
 *
 * All else stays byte for byte. Where a service cannot be changed in place (it holds aliases or merges, its labels are
 * a list, it is empty) it is written again as a whole and loses its comments; where that cannot be done either (aliases
 * outside services), the file is. Whatever was done, the result is parsed again and must mean what was intended. */
#pragma once

#include "base/error.h"

#define PQ_APP_COMPOSE_MAX (1u << 20)
#define PQ_APP_SERVICES_MAX 1000u
#define PQ_APP_HASH_LABEL "io.compose-spec.config-hash"

/* The image of a service, pinned: "domain/path@sha256:…". */
typedef struct pq_app_pin {
    const char *service;
    const char *image;
} pq_app_pin;

/* Adds the new file to `out`. Each service needs a pin, and each pin a service. `name` is the file's, for errors
 * (PQ_EINPUT, file:line:column), all of which are reported. */
bool pq_app_compose(const char *name, const char *bytes, size_t length, const pq_app_pin *pins, size_t count,
                    pq_buf *out, pq_errors *errs) PQ_MUST_USE;
