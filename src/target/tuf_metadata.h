/* TUF metadata: bytes of one file in, checked parts out (TUF specification 1.0.31, sections 4.2 to 4.6).
 *
 * Nothing here trusts what it reads: pq_tuf_parse() judges the form alone, pq_tuf_check_signatures() whether the keys
 * that a root names vouch for it. Expiry, versions and who names whom are judged in tuf_verify.h. Every refusal is
 * PQ_EUNTRUSTED with WHERE the file. Fields that the specification does not know are signed but not looked at, and of
 * keys and signatures only Ed25519 counts. */
#pragma once

#include "base/error.h"
#include "base/text.h"
#include "crypto/hash.h"
#include "crypto/sign.h"

#include <jansson.h>
#include <time.h>

#define PQ_TUF_SPEC_VERSION "1.0.31"

typedef enum pq_tuf_role {
    PQ_TUF_ROOT,
    PQ_TUF_TARGETS,
    PQ_TUF_SNAPSHOT,
    PQ_TUF_TIMESTAMP,
} pq_tuf_role;
#define PQ_TUF_ROLES 4

/* "root", "targets", "snapshot", "timestamp". */
const char *pq_tuf_role_name(pq_tuf_role role);

typedef struct pq_tuf_key {
    char *id;
    bool usable; /* an Ed25519 key; others are carried and never count */
    unsigned char public_key[PQ_SIGN_PUBLIC_SIZE];
} pq_tuf_key;

typedef struct pq_tuf_signature {
    char *key_id;
    char *hex;
} pq_tuf_signature;

/* What one metadata file says of another, or of a target. */
typedef struct pq_tuf_file {
    uint64_t version; /* 0 for a target */
    uint64_t length;
    pq_sha256 hash;
    bool has_length, has_hash;
} pq_tuf_file;

typedef struct pq_tuf_metadata {
    pq_tuf_role role;
    json_t *document; /* the whole file; NULL while nothing is held */
    pq_buf canonical; /* the bytes that are signed */
    uint64_t version;
    time_t expires;
    pq_tuf_signature *signatures;
    size_t signature_count;
    /* of a root */
    bool consistent_snapshot;
    pq_tuf_key *keys;
    size_t key_count;
    pq_strings role_keys[PQ_TUF_ROLES]; /* key ids */
    uint64_t threshold[PQ_TUF_ROLES];
    /* of a snapshot (targets.json) and a timestamp (snapshot.json) */
    pq_tuf_file names;
    /* of targets: name to object; borrowed from document */
    json_t *targets;
} pq_tuf_metadata;

#define PQ_AUTO_TUF_METADATA PQ_CLEANUP(pq_tuf_metadata_clear) pq_tuf_metadata

/* Reads one file of metadata that must be of this role. `out` must be empty; it is left empty on failure. */
bool pq_tuf_parse(pq_tuf_role role, const void *bytes, size_t length, const char *where, pq_tuf_metadata *out,
                  pq_error *err) PQ_MUST_USE;
void pq_tuf_metadata_clear(pq_tuf_metadata *metadata);

/* Whether enough different keys of the role, as `root` names them, signed `metadata`. A wrong signature of such a key
 * and too few signatures have messages of their own. */
bool pq_tuf_check_signatures(const pq_tuf_metadata *root, const pq_tuf_metadata *metadata, const char *where,
                             pq_error *err) PQ_MUST_USE;
/* Whether the bytes have the length and hash that were named; what was not named is not looked at. `by` is the name of
 * the file that names them. */
bool pq_tuf_check_bytes(const pq_tuf_file *file, const void *bytes, size_t length, const char *by, const char *where,
                        pq_error *err) PQ_MUST_USE;
/* The length and hash of a target; false when `targets` has none of that name. `custom` may be NULL and gets a borrowed
 * value or NULL. */
bool pq_tuf_target(const pq_tuf_metadata *targets, const char *name, pq_tuf_file *out, json_t **custom);
/* Whether a target may have that name: relative, no empty, `.` or `..` part, no control byte or backslash, each part
 * short enough to be a file behind its hash. */
bool pq_tuf_target_name_valid(const char *name);
