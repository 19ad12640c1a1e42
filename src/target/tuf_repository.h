/* The publisher's side of TUF: a repository on disk that Targets are signed into.
 *
 * REPO holds `metadata/` and `targets/` and can be served as it is. It uses consistent snapshots: N.root.json,
 * N.targets.json and N.snapshot.json, timestamp.json (and root.json, a copy of the newest root for people), and target
 * files as <sha256>.<name>. That is the form python-tuf, go-tuf and tuf-js expect by default (python-tuf's Root() and
 * go-tuf's New both set consistent_snapshot), and the only one that a static server can publish without a moment in
 * which clients see half of an update: no file that a client may be reading is ever overwritten but timestamp.json,
 * which is replaced by rename as the last step. A run that is killed before that leaves files that nothing names and
 * the next run overwrites.
 *
 * Expiry: targets, snapshot and timestamp all last `targets_expire_after` (1Y unless configured), for nothing renews a
 * timestamp between builds: each build signs all three anew. Shorter timestamps need a periodic signer. The root lasts
 * ten years. */
#pragma once

#include "target/tuf_keys.h"
#include "target/tuf_verify.h"

#define PQ_TUF_TARGETS_EXPIRE_AFTER "1Y"
#define PQ_TUF_ROOT_EXPIRE_AFTER "10Y"

typedef struct pq_tuf_options {
    const char *targets_expire_after; /* a period as pq_time_add_period reads it; NULL: PQ_TUF_TARGETS_EXPIRE_AFTER */
    const char *root_expire_after;    /* used by init alone; NULL: PQ_TUF_ROOT_EXPIRE_AFTER */
    time_t now;                       /* 0: the clock's */
} pq_tuf_options;

/* Makes a repository with version 1 of everything, and its keys in a folder that must lie outside it and hold no keys
 * yet. PQ_EINPUT when `repo` is a repository already; PQ_EUSAGE when the keys would be served with it. */
bool pq_tuf_init(const char *repo, const char *keys_folder, const pq_secret *passphrase, const pq_tuf_options *options,
                 pq_error *err) PQ_MUST_USE;

/* A repository whose present state was verified. */
typedef struct pq_tuf pq_tuf;
#define PQ_AUTO_TUF PQ_CLEANUP(pq_tuf_cleanup) pq_tuf

/* Opens and proves a repository, from <keys_folder>/root.json when there is one, else from its own 1.root.json; the
 * files of its Targets too. Metadata that expired is fine here: signing renews it. With `lock`, other runs that lock
 * wait until pq_tuf_close(); without, nothing can be added. `keys_folder` may be NULL. */
bool pq_tuf_open(const char *repo, const char *keys_folder, bool lock, pq_tuf **out, pq_error *err) PQ_MUST_USE;
void pq_tuf_close(pq_tuf *tuf); /* NULL is fine */
void pq_tuf_cleanup(pq_tuf **tuf);
/* What was proven; borrowed, changes with pq_tuf_add_targets(). */
const pq_tuf_state *pq_tuf_current(const pq_tuf *tuf);
/* Whether these keys can sign for this repository; to be asked before a long build. */
bool pq_tuf_check_keys(const pq_tuf *tuf, const pq_tuf_keys *keys, pq_error *err) PQ_MUST_USE;

typedef struct pq_tuf_new_target {
    const char *name;
    const void *bytes; /* its contents, stored in targets/; NULL when the repository has none (OSTREE) */
    uint64_t length;   /* of `bytes`, or as stated */
    pq_sha256 hash;    /* as stated; not looked at when there are bytes */
    json_t *custom;    /* borrowed; an object or NULL */
} pq_tuf_new_target;

/* Adds Targets and signs targets, snapshot and timestamp, each one version up. All or nothing. A name that is taken is
 * PQ_EINPUT. */
bool pq_tuf_add_targets(pq_tuf *tuf, const pq_tuf_keys *keys, const pq_tuf_new_target *list, size_t count,
                        const pq_tuf_options *options, pq_error *err) PQ_MUST_USE;
