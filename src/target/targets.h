/* Targets: the signed names of what devices are to run. Which version comes next, what a new one says, and whether
 * there is anything new to say. */
#pragma once

#include "target/tuf_repository.h"

/* A published Compose App. Borrowed. */
typedef struct pq_target_app {
    const char *name;
    const char *uri; /* HOST/FACTORY/APP@sha256:… */
} pq_target_app;

typedef struct pq_targets_options {
    const char *tag;
    uint64_t version;
    const pq_strings *machines; /* NAME, or NAME:ARCH */
    const pq_target_app *apps;
    size_t app_count;
    const char *revision;  /* of the containers repository */
    const pq_buf *release; /* release.json: what an app-only Target's hash and length are of */
    time_t now;
} pq_targets_options;

typedef struct pq_new_targets {
    pq_tuf_new_target *at; /* its names and customs are owned here */
    size_t count;
    size_t unchanged; /* machines whose newest Target of that tag says the same already */
    pq_strings unchanged_names;
} pq_new_targets;

#define PQ_AUTO_NEW_TARGETS PQ_CLEANUP(pq_new_targets_clear) pq_new_targets

void pq_new_targets_clear(pq_new_targets *list);
/* The highest version of all Targets plus one; 1 when there are none. */
uint64_t pq_targets_next_version(const pq_tuf_state *state);
/* PQ_EUSAGE when the version is used. */
bool pq_targets_check_version(const pq_tuf_state *state, uint64_t version, pq_error *err) PQ_MUST_USE;
/* Makes a Target for each machine, from its newest OSTREE Target of that tag where there is one. */
bool pq_targets_make(const pq_tuf_state *state, const pq_targets_options *options, pq_new_targets *out,
                     pq_error *err) PQ_MUST_USE;
/* Whether metadata should be signed anew although no Target is added: when less than half of the life that signing
 * would give it (`expire_after`, a period; NULL for the default) is left. */
bool pq_targets_want_renewal(const pq_tuf_state *state, const char *expire_after, time_t now);
/* A Target as targets-created.json shows it: {NAME: {hashes, length, custom}}. New reference. */
json_t *pq_new_targets_json(const pq_new_targets *list);
