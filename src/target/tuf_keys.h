/* The private keys of a TUF repository: a folder outside it with one file a role, "targets.key", each an Ed25519 key
 * sealed under the passphrase and bound to its role, so that one file cannot stand for another. Beside them lies
 * "root.json", the first root of the repository they belong to: public, and what clients are given to trust. */
#pragma once

#include "crypto/sign.h"
#include "target/tuf_metadata.h"

typedef struct pq_tuf_keys {
    char *folder;
    pq_sign_key *at[PQ_TUF_ROLES]; /* NULL for a role that was not opened */
} pq_tuf_keys;

#define PQ_AUTO_TUF_KEYS PQ_CLEANUP(pq_tuf_keys_clear) pq_tuf_keys

void pq_tuf_keys_clear(pq_tuf_keys *keys);
/* Makes the four keys in memory. `out` must be empty. */
bool pq_tuf_keys_generate(const char *folder, pq_tuf_keys *out, pq_error *err) PQ_MUST_USE;
/* Whether the folder holds any key. */
bool pq_tuf_keys_exist(const char *folder);
/* Writes what is there, each file 0600 and the folder 0700; nothing is left behind on failure. */
bool pq_tuf_keys_write(const pq_tuf_keys *keys, const pq_secret *passphrase, pq_error *err) PQ_MUST_USE;
/* Opens the keys that adding a Target needs: targets, snapshot and timestamp; the root key may be elsewhere. `out` must
 * be empty. */
bool pq_tuf_keys_open(const char *folder, const pq_secret *passphrase, pq_tuf_keys *out, pq_error *err) PQ_MUST_USE;
