#include "scan/vars.h"

#include <stdint.h>
#include <string.h>

static size_t hash_of(const char *name)
{
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 1099511628211u;
    return (size_t)(hash ^ (hash >> 29));
}

/* The slot that holds the name, or the free one where it belongs. */
static size_t *slot_of(const pq_vars *vars, const char *name)
{
    size_t mask = vars->slot_count - 1;
    for (size_t i = hash_of(name) & mask;; i = (i + 1) & mask)
        if (!vars->slots[i] || strcmp(vars->at[vars->slots[i] - 1].name, name) == 0)
            return &vars->slots[i];
}

static void make_room(pq_vars *vars)
{
    if ((vars->count + 1) * 2 <= vars->slot_count)
        return;
    free(vars->slots);
    vars->slot_count = vars->slot_count ? vars->slot_count * 2 : 32;
    vars->slots = pq_alloc(vars->slot_count, sizeof *vars->slots);
    for (size_t i = 0; i < vars->count; i++)
        *slot_of(vars, vars->at[i].name) = i + 1;
}

void pq_vars_set(pq_vars *vars, const char *name, const char *value, const char *gap)
{
    make_room(vars);
    size_t *slot = slot_of(vars, name);
    if (!*slot) {
        vars->at = pq_grow(vars->at, &vars->capacity, vars->count + 1, sizeof *vars->at);
        vars->at[vars->count++] = (pq_var){.name = pq_strdup(name)};
        *slot = vars->count;
    }
    pq_var *var = &vars->at[*slot - 1];
    char *new_value = pq_strdup(value), *new_gap = pq_strdup(gap); /* before the old ones go: they may be the same */
    free(var->value);
    free(var->gap);
    var->value = new_value;
    var->gap = new_gap;
}

bool pq_vars_set_pair(pq_vars *vars, const char *pair)
{
    const char *equals = strchr(pair, '=');
    if (!equals || equals == pair)
        return false;
    PQ_AUTO_FREE char *name = pq_strndup(pair, (size_t)(equals - pair));
    pq_vars_set(vars, name, equals + 1, NULL);
    return true;
}

void pq_vars_merge(pq_vars *vars, const pq_vars *from)
{
    for (size_t i = 0; i < from->count; i++)
        pq_vars_set(vars, from->at[i].name, from->at[i].value, from->at[i].gap);
}

const pq_var *pq_vars_get(const pq_vars *vars, const char *name)
{
    if (!vars->slot_count)
        return NULL;
    size_t slot = *slot_of(vars, name);
    return slot ? &vars->at[slot - 1] : NULL;
}

void pq_vars_clear(pq_vars *vars)
{
    for (size_t i = 0; i < vars->count; i++) {
        free(vars->at[i].name);
        free(vars->at[i].value);
        free(vars->at[i].gap);
    }
    free(vars->at);
    free(vars->slots);
    *vars = (pq_vars){0};
}
