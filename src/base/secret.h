/* The one type that holds a secret.
 *
 * Opaque, one allocation, locked in memory and left out of core files where the kernel allows, wiped whole when let go.
 * There is no way to print one: pq_secret_bytes() is for the code that must put it on a wire or hand it to a child over
 * a pipe, and every message that this program prints has the bytes of living secrets blotted out (log.h). */
#pragma once

#include "base/buf.h"

typedef struct pq_secret pq_secret;

#define PQ_AUTO_SECRET PQ_CLEANUP(pq_secret_cleanup) pq_secret

pq_secret *pq_secret_new(const void *bytes, size_t length) PQ_MUST_USE;
/* Takes the bytes of a sensitive buffer, which is wiped and empty afterwards. */
pq_secret *pq_secret_from_buf(pq_buf *buffer) PQ_MUST_USE;
pq_secret *pq_secret_copy(const pq_secret *secret) PQ_MUST_USE; /* NULL in, NULL out */
void pq_secret_free(pq_secret *secret);                         /* wipes; NULL is fine */
void pq_secret_cleanup(pq_secret **secret);
/* The bytes, borrowed, followed by a NUL that does not count. */
const char *pq_secret_bytes(const pq_secret *secret);
size_t pq_secret_length(const pq_secret *secret);
bool pq_secret_equal(const pq_secret *a, const pq_secret *b); /* in constant time for equal lengths */

/* Replaces in `text` each run of bytes that is a living secret of at least 6 bytes by "***". */
void pq_secret_redact(pq_buf *text);
/* True when `bytes` hold a living secret of at least 12 bytes: for what must not be published. */
bool pq_secret_found_in(const void *bytes, size_t length);
/* Makes this process leave no core file and closes its memory to other processes of the same user. Call at start. */
void pq_secret_harden_process(void);
