/* Reading the token cache: files in the runtime folder (runtime_dir.h), one an answer. Writing it, and what is kept how
 * long, is auth/cache.h. Nothing here needs more than libc: the credential helper reads with it.
 *
 * A file is text: `pratique token 1`, then fields `NAME LENGTH`, the bytes, a line end, and last the field `end`. What
 * is of another version, cut short, or has anything else in it is no entry. */
#pragma once

#include "base/buf.h"
#include "base/limits.h"

#include <time.h>

/* Bytes within a larger piece. `at` NULL: not there. */
typedef struct pq_span {
    const char *at;
    size_t length;
} pq_span;

typedef struct pq_token_entry {
    time_t fetched; /* when it was got */
    time_t refresh; /* from then on it is asked for anew */
    time_t expires; /* from then on it is worth nothing */
    /* A credential, its secret and words for its source; */
    pq_span user, secret, words;
    pq_span identity; /* there, and empty, when the secret is an identity token (auth/common/credential.h) */
    /* or why there is none: a pq_code and the parts of a pq_error. */
    unsigned code;
    pq_span where, message, hint;
    pq_span shared;                        /* the name of the entry that this one was made from, in the same folder */
    pq_span sources[PQ_MAX_TOKEN_SOURCES]; /* as pq_token_source() wrote them */
    size_t source_count;
} pq_token_entry;

/* All spans point into `bytes`. False when it is not a whole entry of this version. */
bool pq_token_entry_parse(const char *bytes, size_t length, pq_token_entry *out) PQ_MUST_USE;
void pq_token_entry_format(const pq_token_entry *entry, pq_buf *out);

typedef enum pq_token_state {
    PQ_TOKEN_GONE, /* expired, or from the future */
    PQ_TOKEN_AGED, /* still good, but to be asked for anew */
    PQ_TOKEN_FRESH,
} pq_token_state;

pq_token_state pq_token_entry_state(const pq_token_entry *entry, time_t now);

/* Which file a token was made from: path, device, inode, size, times; or that there was none. Owned. */
char *pq_token_source(const char *path) PQ_MUST_USE;
/* True when each source is still what it was. */
bool pq_token_sources_same(const pq_token_entry *entry);

/* Reads a file of the folder `folder`, which is open: no symbolic link, a regular file of the effective user, closed to
 * all others. `out` should be sensitive. False when there is no such file, whatever the reason. */
bool pq_token_file_read(int folder, const char *name, pq_buf *out) PQ_MUST_USE;
/* Opens (makes) a lock file of the folder and takes it. -1 when it cannot be had: `*out_taken` says that somebody else
 * has it, so that waiting may help. It is let go when the descriptor, and all its copies, are closed. */
int pq_token_try_lock(int folder, const char *name, bool *out_taken);

/* Waiting for somebody else's answer, with a bound. */
typedef struct pq_token_wait {
    double end, pause; /* monotonic time, seconds */
} pq_token_wait;

pq_token_wait pq_token_wait_begin(double patience);
/* Waits a little. False when it was enough, or a signal asks this process to end. */
bool pq_token_wait_more(pq_token_wait *wait) PQ_MUST_USE;
