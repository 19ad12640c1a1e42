/* What a parsed document is made of; private to this folder. */
#pragma once

#include "yaml/yaml.h"

typedef struct pq_yaml_pair {
    const pq_yaml_item *key, *value;
    const pq_yaml_item *merge; /* the `<<` key's value (or its element) that brought it here, or NULL */
} pq_yaml_pair;

struct pq_yaml_item {
    const pq_yaml_item *target; /* an alias: what it refers to, never an alias itself */
    const char *tag;
    const char *text; /* of a scalar or null */
    size_t length;
    union {
        const pq_yaml_item **items; /* of a sequence */
        pq_yaml_pair *pairs;        /* of a mapping */
    };
    uint32_t *sorted; /* of a mapping: indices of the pairs with scalar keys, by key */
    uint32_t count, sorted_count;
    uint32_t start, end, line, column;
    uint32_t weight; /* entries below, aliases followed */
    uint8_t height;  /* levels below, aliases followed */
    uint8_t kind, style;
    bool open; /* its end was not parsed yet */
    bool exact;
};

typedef struct pq_yaml_block pq_yaml_block;

struct pq_yaml {
    pq_yaml_block *blocks; /* all items, texts and arrays lie here */
    const pq_yaml_item **roots;
    size_t count, capacity;
};

/* Zeroed memory that lives as long as the document. */
void *pq_yaml_reserve(pq_yaml *yaml, size_t count, size_t size) PQ_MUST_USE;
/* The item that an item stands for. */
const pq_yaml_item *pq_yaml_resolve(const pq_yaml_item *item);
/* Byte order of two keys, shorter first where one begins the other. */
int pq_yaml_compare_text(const char *a, size_t a_length, const char *b, size_t b_length);
/* The pair with a key in the sorted index, or NULL. */
const pq_yaml_pair *pq_yaml_search(const pq_yaml_item *mapping, const char *key, size_t length);
