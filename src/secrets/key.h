/* The key file of the store, and what says in the store which key it is sealed with. */
#pragma once

#include "base/error.h"
#include "base/secret.h"

#define PQ_STORE_FORMAT 1

/* Reads a key file. PQ_ENOTFOUND when there is none; PQ_ECONFIG when others could read or write it (`credential`: when
 * it is open to all), when it belongs to somebody else, or is no key. `*out` is owned by the caller. */
bool pq_store_key_read(const char *path, bool credential, pq_secret **out, pq_error *err) PQ_MUST_USE;
/* Writes a key file, 0600, and its folder, 0700; what is there stays and `*out_created` is false. */
bool pq_store_key_create(const char *path, const pq_secret *key, bool *out_created, pq_error *err) PQ_MUST_USE;

/* What the store carries of its key: an identifier (it tells keys apart and says nothing about them), and a sealed
 * value (it proves that identifier and format were not changed). */
typedef struct pq_key_mark {
    char id[33]; /* 32 hexadecimal digits */
    pq_buf check;
} pq_key_mark;

#define PQ_AUTO_KEY_MARK PQ_CLEANUP(pq_key_mark_clear) pq_key_mark

typedef enum pq_key_match {
    PQ_KEY_FITS,
    PQ_KEY_OTHER,   /* the store was sealed with another key */
    PQ_KEY_CHANGED, /* with this key, but the mark was changed since */
} pq_key_match;

bool pq_key_mark_make(const pq_secret *key, pq_key_mark *out, pq_error *err) PQ_MUST_USE;
pq_key_match pq_key_mark_try(const pq_key_mark *mark, const pq_secret *key);
void pq_key_mark_clear(pq_key_mark *mark);
