/* Private to this folder: how a parser's events become items. Two parsers use it: libfyaml's, and one for the plain
 * subset of YAML that nearly all files keep to. */
#pragma once

#include "base/limits.h"
#include "yaml/item.h"

/* All counted from 0. */
typedef struct pq_yaml_mark {
    uint32_t at, line, column;
} pq_yaml_mark;

/* A sequence or mapping whose end was not seen yet. */
typedef struct pq_yaml_level {
    pq_yaml_item *item;
    const pq_yaml_item **children; /* items, or keys and values by turns */
    size_t count, capacity;
    uint32_t weight_before;
} pq_yaml_level;

typedef struct pq_yaml_duplicate {
    const pq_yaml_item *key;
    uint32_t first_line;
} pq_yaml_duplicate;

typedef struct pq_yaml_builder {
    const char *name;
    pq_yaml *yaml;
    pq_errors *errs;
    pq_yaml_level levels[PQ_MAX_YAML_DEPTH];
    size_t depth;
    void *anchors;                 /* tree of the document's anchors, by name */
    uint32_t weight;               /* entries so far, with those that aliases stand for */
    pq_yaml_duplicate *duplicates; /* keys that were given before */
    size_t duplicate_count, duplicate_capacity;
    const pq_yaml_item *last; /* of the events */
} pq_yaml_builder;

void pq_yaml_builder_clear(pq_yaml_builder *b);
void pq_yaml_builder_forget_anchors(pq_yaml_builder *b);
/* `name:line:column`. Owned. */
char *pq_yaml_builder_where(const pq_yaml_builder *b, const pq_yaml_item *item) PQ_MUST_USE;
/* Adds an error at the item; false. */
bool pq_yaml_builder_refuse(pq_yaml_builder *b, const pq_yaml_item *item, const char *hint, const char *what);
/* A new item; NULL marks for what is not written. Its tag, text, length, style and kind are for the caller to set. */
pq_yaml_item *pq_yaml_builder_item(pq_yaml_builder *b, const pq_yaml_mark *from, const pq_yaml_mark *to) PQ_MUST_USE;
/* Names an item, before it is handed in. */
void pq_yaml_builder_anchor(pq_yaml_builder *b, pq_yaml_item *item, const char *text, size_t length);
/* Hands an item in, where the events are by now. All are false with an error when that is refused. */
bool pq_yaml_builder_scalar(pq_yaml_builder *b, pq_yaml_item *item) PQ_MUST_USE;
bool pq_yaml_builder_alias(pq_yaml_builder *b, pq_yaml_item *item, const char *text, size_t length) PQ_MUST_USE;
bool pq_yaml_builder_open(pq_yaml_builder *b, pq_yaml_item *item) PQ_MUST_USE; /* a sequence or mapping */
bool pq_yaml_builder_close(pq_yaml_builder *b) PQ_MUST_USE;

/* The two parsers. Where the plain one is true its result is that of the other to the last byte and mark; where it is
 * false it says nothing at all about the input, which is then for the other. */
bool pq_yaml_parse_plain(const char *bytes, size_t length, pq_yaml **out) PQ_MUST_USE;
bool pq_yaml_parse_full(const char *name, const char *bytes, size_t length, pq_yaml **out, pq_errors *errs) PQ_MUST_USE;

enum {
    PQ_YAML_MAX_INPUT = 16 << 20, /* what callers read is smaller; offsets are kept in 32 bits */
    PQ_YAML_MAX_BLANKS = 1024,    /* spaces, tabs and line ends in a row */
};
