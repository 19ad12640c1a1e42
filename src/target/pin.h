/* Changing a YAML file without rewriting it: bytes are replaced in place, all others stay as they were, comments, order
 * and quoting included. */
#pragma once

#include "yaml/yaml.h"

/* Bytes [start, end) become `text`; nothing is replaced where start equals end. */
typedef struct pq_splice {
    size_t start, end;
    char *text; /* owned */
} pq_splice;

typedef struct pq_splices {
    pq_splice *at;
    size_t count, capacity;
} pq_splices;

#define PQ_AUTO_SPLICES PQ_CLEANUP(pq_splices_clear) pq_splices

void pq_splices_clear(pq_splices *list);
void pq_splices_add(pq_splices *list, size_t start, size_t end, const char *text); /* copies */
void pq_splices_take(pq_splices *list, size_t start, size_t end, char *text);      /* takes */
/* Adds the new bytes to `out`. Splices may come in any order; those that insert at one place keep theirs. PQ_EINPUT
 * when two overlap, one lies outside, or `out` is full. */
bool pq_splices_apply(const pq_splices *list, const void *bytes, size_t length, pq_buf *out, pq_error *err) PQ_MUST_USE;

/* Where an entry can be put at the head of a mapping that stands written in `bytes`. */
typedef struct pq_pin_place {
    size_t offset;
    size_t indent; /* blanks before the keys of a block mapping */
    bool flow;     /* `{…}`: the entry is followed by ", ", else by a line end and the indent */
} pq_pin_place;

/* The place before an entry whose key is this. False when the mapping is written in a way that this does not understand
 * (`? key`, an anchor before a key). */
bool pq_pin_place_of(const char *bytes, size_t length, pq_yaml_node key, pq_pin_place *out) PQ_MUST_USE;
/* The place before the first key that is written in the mapping itself and is not `skip` (which may be NULL); where
 * there is none, before the first `<<`. False when there is neither. */
bool pq_pin_find_place(const char *bytes, size_t length, pq_yaml_node mapping, const char *skip,
                       pq_pin_place *out) PQ_MUST_USE;

/* The splice that pins the image of a Compose service to `reference`, whose characters need no quotes in YAML and are
 * none that quotes would change: a plain or quoted scalar's content is replaced; of an alias (`image: *base`), the
 * alias; where it comes by merge or not at all, an `image` entry is put into the service itself; a service that is an
 * alias as a whole becomes `{<<: *alias, image: …}`. `name` is the file's,
 * for errors. PQ_EINPUT when the image is written in a way that cannot be spliced, a block scalar (`>-`) for example.
 */
bool pq_pin_image(const char *name, const char *bytes, size_t length, pq_yaml_node service, const char *reference,
                  pq_splices *out, pq_error *err) PQ_MUST_USE;
