/* The store: secrets sealed in an SQLite database.
 *
 * The names, the hosts, the sizes and the times of the secrets stand there to be seen; the values are sealed (crypto/
 * seal.h) with the key of a key file that lies elsewhere, bound to all of these, so that nothing in a row can be
 * changed or swapped unseen. What cannot be noticed is that a whole file or row was replaced by an older one of its
 * own, or removed.
 *
 * The database uses a rollback journal and syncs at each commit: an update that was reported is there after a crash of
 * the machine, one that was interrupted is not, and nothing else is lost. Processes wait for one another. A store that
 * cannot be written (read-only file system, read-only bind mount) can be read.
 *
 * The key file holds 64 hexadecimal digits and a line end (`openssl rand -hex 32` makes one), mode 0600. While the
 * store is rekeyed, the new key lies beside it as `<key file>.new`; whichever of the two the store is sealed with is
 * found by trying, so that there is no instant at which a kill would part the store from its key.
 *
 * Errors: PQ_ECONFIG for the key (missing, readable by others, another one) and for a store of another user, PQ_EINPUT
 * for a file that is no store, is truncated or is of a newer format, PQ_EUNTRUSTED for a changed row, PQ_ENOTFOUND for
 * no such secret or no store, PQ_ESYSTEM for the rest. WHERE is the path of the store or of the key file. */
#pragma once

#include "base/error.h"
#include "base/secret.h"
#include "base/text.h"

#include <time.h>

typedef struct pq_store pq_store;
#define PQ_AUTO_STORE PQ_CLEANUP(pq_store_cleanup) pq_store

typedef struct pq_store_options {
    const char *path;       /* the database */
    const char *key_path;   /* the key file */
    bool key_is_credential; /* the service manager made the key file: it is never written, its mode may be 0440 */
    bool create;            /* make the store, and the key file with it, where there is no store */
    unsigned wait_ms;       /* how long to wait for other processes; 0 means 10,000 */
} pq_store_options;

/* One change of pq_store_update(). */
typedef struct pq_store_change {
    const char *name;        /* see pq_secret_name_valid() */
    const pq_secret *value;  /* NULL removes it */
    const pq_strings *hosts; /* what it is bound to, as pq_secret_hosts() gives them; NULL keeps what it is bound to */
    bool existed;            /* out: there was one of that name */
} pq_store_change;

typedef struct pq_store_entry {
    char *name;
    pq_strings hosts; /* empty: not bound */
    size_t size;      /* bytes of the value */
    time_t created, updated;
} pq_store_entry;

typedef struct pq_store_entries {
    pq_store_entry *at;
    size_t count, capacity;
} pq_store_entries;

#define PQ_AUTO_STORE_ENTRIES PQ_CLEANUP(pq_store_entries_clear) pq_store_entries

/* PQ_ENOTFOUND where there is no store and `create` is false. */
bool pq_store_open(const pq_store_options *options, pq_store **out, pq_error *err) PQ_MUST_USE;
void pq_store_close(pq_store *store); /* NULL is fine */
void pq_store_cleanup(pq_store **store);
const char *pq_store_path(const pq_store *store); /* borrowed */

/* The value, owned by the caller. `hosts` may be NULL; what the secret is bound to is added to it. */
bool pq_store_get(pq_store *store, const char *name, pq_secret **out, pq_strings *hosts, pq_error *err) PQ_MUST_USE;
/* All changes or none, in one transaction. Removing what is not there is fine, see `existed`. */
bool pq_store_update(pq_store *store, pq_store_change *changes, size_t count, pq_error *err) PQ_MUST_USE;
bool pq_store_put(pq_store *store, const char *name, const pq_secret *value, const pq_strings *hosts,
                  pq_error *err) PQ_MUST_USE;
bool pq_store_remove(pq_store *store, const char *name, bool *existed, pq_error *err) PQ_MUST_USE;
/* In byte order of the names. */
bool pq_store_list(pq_store *store, pq_store_entries *out, pq_error *err) PQ_MUST_USE;
void pq_store_entries_clear(pq_store_entries *entries);
/* A new key, all values sealed with it, the key file replaced. `out_count` (may be NULL): how many values. */
bool pq_store_rekey(pq_store *store, size_t *out_count, pq_error *err) PQ_MUST_USE;
