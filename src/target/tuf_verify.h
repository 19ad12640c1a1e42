/* The client's side of TUF: from a root that is trusted to metadata and targets that are proven (TUF specification
 * 1.0.31, section 5).
 *
 * Every refusal is PQ_EUNTRUSTED with WHERE the file and a message of its own: a signature, a threshold, an expiry, a
 * version, a length or hash. Delegations are not followed: a target is proven by the top-level targets role or not at
 * all. */
#pragma once

#include "target/tuf_metadata.h"

/* Adds the bytes of a file of the repository, "metadata/timestamp.json" or "targets/…", to `out`, whose cap is the most
 * that may be read. PQ_ENOTFOUND when there is no such file. */
typedef bool pq_tuf_read_fn(void *context, const char *path, pq_buf *out, pq_error *err);

typedef struct pq_tuf_source {
    pq_tuf_read_fn *read;
    void *context;
    const char *name; /* folder or URL, for errors */
} pq_tuf_source;

/* A source for a repository on disk: `context` is the folder's pq_tree. */
pq_tuf_read_fn pq_tuf_read_tree;

typedef struct pq_tuf_trust {
    const void *root; /* the bytes of the root.json that is trusted */
    size_t root_length;
    const char *root_name; /* for errors */
    const char *state_dir; /* what was seen before, against rollback: made when missing; NULL for none */
    time_t now;
    bool ignore_expiry; /* for the one who is about to renew it; a root's own expiry still counts */
} pq_tuf_trust;

/* What was proven. */
typedef struct pq_tuf_state {
    pq_tuf_metadata root, timestamp, snapshot, targets;
} pq_tuf_state;
#define PQ_AUTO_TUF_STATE PQ_CLEANUP(pq_tuf_state_clear) pq_tuf_state
void pq_tuf_state_clear(pq_tuf_state *state);

/* Proves the metadata of a source: roots N+1, N+2, … from the trusted one, timestamp, snapshot, targets. `out` must be
 * empty. With a state folder, what was proven is kept there step by step, and anything older is refused later. */
bool pq_tuf_verify(const pq_tuf_source *source, const pq_tuf_trust *trust, pq_tuf_state *out,
                   pq_error *err) PQ_MUST_USE;

/* Reads the bytes of a target and proves them. PQ_ENOTFOUND when there is no target of that name, or the repository
 * has no file for it: an OSTREE Target has none. */
bool pq_tuf_read_target(const pq_tuf_source *source, const pq_tuf_state *state, const char *name, pq_buf *out,
                        pq_error *err) PQ_MUST_USE;
/* Where a target's bytes lie below REPO: "targets/<sha256>.<name>" with consistent snapshots. Owned. */
char *pq_tuf_target_path(const pq_tuf_state *state, const char *name, const pq_sha256 *hash) PQ_MUST_USE;

/* One target of a list; all borrowed from the metadata. */
typedef struct pq_tuf_listed {
    const char *name;
    pq_tuf_file file;
    const json_t *custom; /* an object, or NULL */
    uint64_t version;     /* custom.version as a number; 0 when it has none */
} pq_tuf_listed;

/* All targets by version, then in byte order of their names. Owned, of `*count` elements. */
pq_tuf_listed *pq_tuf_list_targets(const pq_tuf_state *state, size_t *count) PQ_MUST_USE;
