/* TOML 1.0 (https://toml.io/en/v1.0.0), as far as containers-registries.conf(5) wants it: tables, arrays of tables,
 * text in all its quotings, true and false, arrays and inline tables. Numbers and dates are taken as the words that
 * they are, unread. */
#pragma once

#include "base/error.h"

typedef enum pq_toml_type {
    PQ_TOML_TABLE = 0,
    PQ_TOML_ARRAY,
    PQ_TOML_TEXT,
    PQ_TOML_BOOL,
    PQ_TOML_OTHER, /* a number or a date */
} pq_toml_type;

typedef struct pq_toml pq_toml;
struct pq_toml {
    pq_toml_type type;
    unsigned line;                /* where it begins, from 1 */
    char *key;                    /* in a table; NULL in an array */
    char *text;                   /* of PQ_TOML_TEXT and PQ_TOML_OTHER; never holds a NUL */
    bool truth;                   /* of PQ_TOML_BOOL */
    pq_toml *first, *last, *next; /* children in their order; the next child of the parent */
    enum { PQ_TOML_IMPLIED = 0, PQ_TOML_BY_HEADER, PQ_TOML_BY_DOTS, PQ_TOML_CLOSED } origin; /* private */
};

#define PQ_AUTO_TOML PQ_CLEANUP(pq_toml_cleanup) pq_toml

/* Reads a document; `*out` is its root table (owned). The error is PQ_ECONFIG with WHERE `name:line`, and quotes
 * nothing of the document. */
bool pq_toml_parse(const void *bytes, size_t length, const char *name, pq_toml **out, pq_error *err) PQ_MUST_USE;
void pq_toml_free(pq_toml *value); /* NULL is fine */
void pq_toml_cleanup(pq_toml **value);
/* The value of a key, or NULL. Borrowed. */
const pq_toml *pq_toml_get(const pq_toml *table, const char *key);
