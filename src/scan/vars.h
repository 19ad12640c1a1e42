/* Variables by name, looked up in constant time: a hostile file may set a hundred thousand of them. */
#pragma once

#include "base/error.h"

typedef struct pq_var {
    char *name;
    char *value; /* NULL: known by name, without a value */
    char *gap;   /* the variable without a value that this value was made from, or NULL */
} pq_var;

typedef struct pq_vars {
    pq_var *at; /* in order of first setting */
    size_t count, capacity;
    size_t *slots; /* private: index + 1 into `at`, 0 when free */
    size_t slot_count;
} pq_vars;

#define PQ_AUTO_VARS PQ_CLEANUP(pq_vars_clear) pq_vars

/* Sets or replaces; all are copied, `value` and `gap` may be NULL. */
void pq_vars_set(pq_vars *vars, const char *name, const char *value, const char *gap);
/* Sets from "NAME=VALUE". False when there is no `=` or no name before it. */
bool pq_vars_set_pair(pq_vars *vars, const char *pair) PQ_MUST_USE;
/* Sets all that `from` has. */
void pq_vars_merge(pq_vars *vars, const pq_vars *from);
/* The variable, or NULL when it was never set. Borrowed until the next setting. */
const pq_var *pq_vars_get(const pq_vars *vars, const char *name);
void pq_vars_clear(pq_vars *vars);
