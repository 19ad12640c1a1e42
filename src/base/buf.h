/* A growable byte buffer with a cap that is stated at its birth.
 *
 * Adding beyond the cap changes nothing and sets `overflow`, which stays: a producer checks once at its end. The bytes
 * are always followed by a NUL that does not count, so `data` can be used as a string once something was added (see
 * pq_buf_text). A sensitive buffer wipes what it lets go. */
#pragma once

#include "base/mem.h"

#include <stdint.h>

typedef struct pq_buf {
    char *data; /* owned; NULL until something is added */
    size_t length;
    size_t size; /* allocated */
    size_t cap;
    bool sensitive;
    bool overflow;
} pq_buf;

#define PQ_BUF(cap_bytes) ((pq_buf){.cap = (cap_bytes)})
#define PQ_SENSITIVE_BUF(cap_bytes) ((pq_buf){.cap = (cap_bytes), .sensitive = true})
#define PQ_AUTO_BUF PQ_CLEANUP(pq_buf_clear) pq_buf

void pq_buf_clear(pq_buf *buffer); /* frees (and wipes), keeps cap and sensitivity */
void pq_buf_add(pq_buf *buffer, const void *bytes, size_t length);
void pq_buf_addc(pq_buf *buffer, char byte);
void pq_buf_adds(pq_buf *buffer, const char *text);
void pq_buf_addf(pq_buf *buffer, const char *format, ...) PQ_PRINTF(2, 3);
void pq_buf_vaddf(pq_buf *buffer, const char *format, va_list arguments) PQ_PRINTF(2, 0);
/* Adds text with control bytes and bytes that are not UTF-8 as \xNN, so that it can be shown on a terminal. */
void pq_buf_add_printable(pq_buf *buffer, const char *text, size_t length);
void pq_buf_truncate(pq_buf *buffer, size_t length);
/* The bytes as a string, "" when empty. Borrowed. */
const char *pq_buf_text(const pq_buf *buffer);
/* Hands the bytes on as an owned string (never NULL) and leaves the buffer empty. */
char *pq_buf_steal(pq_buf *buffer) PQ_MUST_USE;
/* Makes room for `extra` more bytes and returns the place to write them, or NULL (and sets overflow) beyond the cap.
 * Follow with pq_buf_commit(). */
char *pq_buf_reserve(pq_buf *buffer, size_t extra) PQ_MUST_USE;
void pq_buf_commit(pq_buf *buffer, size_t added);
