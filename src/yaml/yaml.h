/* YAML documents with positions; the only door to libfyaml.
 *
 * Everything that a hostile file could do is refused while parsing, so that what is handed out is finite, immutable and
 * needs no error handling: aliases never refer forward nor to what contains them, the whole nests at most
 * PQ_MAX_YAML_DEPTH deep and has at most PQ_MAX_YAML_NODES entries, aliases followed in both counts. A caller may
 * recurse freely.
 *
 * Aliases and merge keys (`<<: *a`, `<<: [*a, {…}]`) are followed by every function below; nothing is copied for them.
 * A node is a small value to be passed around; it lives as long as the pq_yaml that it came from. Each function takes
 * an absent node (what a lookup gives that finds nothing) and answers with the absent node, NULL, 0 or false. */
#pragma once

#include "base/error.h"

#include <stdint.h>

typedef struct pq_yaml pq_yaml;
typedef struct pq_yaml_item pq_yaml_item;

#define PQ_AUTO_YAML PQ_CLEANUP(pq_yaml_cleanup) pq_yaml

typedef struct pq_yaml_node {
    const pq_yaml_item *item; /* private; NULL when absent */
    const pq_yaml_item *use;  /* private; the outermost alias or merge on the way here, or NULL */
} pq_yaml_node;

#define PQ_YAML_NONE ((pq_yaml_node){0})

typedef enum pq_yaml_kind {
    PQ_YAML_ABSENT = 0,
    PQ_YAML_NULL, /* nothing, `~` or `null`, not quoted; may carry a tag, as in `!reset null` */
    PQ_YAML_SCALAR,
    PQ_YAML_SEQUENCE,
    PQ_YAML_MAPPING
} pq_yaml_kind;

typedef enum pq_yaml_style {
    PQ_YAML_PLAIN = 0,
    PQ_YAML_SINGLE_QUOTED,
    PQ_YAML_DOUBLE_QUOTED,
    PQ_YAML_LITERAL, /* `|` */
    PQ_YAML_FOLDED   /* `>` */
} pq_yaml_style;

/* What a scalar means. Plain scalars follow the core schema of YAML 1.2, and the words yes, no, on and off of 1.1,
 * since people's other readers of the same files (PyYAML, go-yaml) take those as truth values. */
typedef enum pq_yaml_type {
    PQ_YAML_IS_NOT_SCALAR = 0,
    PQ_YAML_IS_NULL,
    PQ_YAML_IS_BOOL,
    PQ_YAML_IS_NUMBER,
    PQ_YAML_IS_TEXT
} pq_yaml_type;

/* Where a node stands in the bytes that were parsed. `start` and `end` are byte offsets (a byte order mark counts as
 * 3) of what stands between the quotes of a quoted scalar, or of a plain one. */
typedef struct pq_yaml_span {
    size_t start, end;
    unsigned line, column; /* counted from 1; the column in characters */
    bool exact;            /* bytes [start, end) are the scalar's content and can be replaced; false for block scalars,
                              sequences and mappings, whose end is only approximate, and for what is not written */
} pq_yaml_span;

typedef struct pq_yaml_entry {
    pq_yaml_node key, value;
    bool merged; /* came in by `<<` */
} pq_yaml_entry;

/* Parses all documents of a stream of UTF-8. `name` is for errors, whose WHERE is `name:line:column` and whose words
 * never quote the input. Syntax errors end at the first; keys that are given twice are all reported (PQ_EINPUT).
 * On success `*out` is owned by the caller; `bytes` are not needed any more. */
bool pq_yaml_parse(const char *name, const void *bytes, size_t length, pq_yaml **out, pq_errors *errs) PQ_MUST_USE;
void pq_yaml_free(pq_yaml *yaml); /* NULL is fine */
void pq_yaml_cleanup(pq_yaml **yaml);

/* Documents in the stream; 0 for an empty file. A document may be a null. */
size_t pq_yaml_count(const pq_yaml *yaml);
pq_yaml_node pq_yaml_root(const pq_yaml *yaml, size_t index);

pq_yaml_kind pq_yaml_kind_of(pq_yaml_node node);
/* "nothing", "a text", "a list", "a mapping", "a number", "true or false": for messages. */
const char *pq_yaml_kind_words(pq_yaml_node node);
/* The tag as resolved, e.g. "!reset" or "tag:yaml.org,2002:str"; NULL without one. Borrowed. */
const char *pq_yaml_tag(pq_yaml_node node);

/* The text of a scalar or null as its reader understands it (unquoted, unescaped, folded), with a NUL that does not
 * count and none within; NULL for other kinds. Borrowed. */
const char *pq_yaml_text(pq_yaml_node node);
size_t pq_yaml_text_length(pq_yaml_node node);
pq_yaml_style pq_yaml_style_of(pq_yaml_node node);
pq_yaml_type pq_yaml_type_of(pq_yaml_node node);
/* A scalar that is a truth value; false for anything else, quoted words included. */
bool pq_yaml_bool(pq_yaml_node node, bool *out) PQ_MUST_USE;

/* Items of a sequence, or entries of a mapping with the merged ones; 0 for other kinds. */
size_t pq_yaml_size(pq_yaml_node node);
pq_yaml_node pq_yaml_at(pq_yaml_node sequence, size_t index);
/* Entries in the order of the document, then the merged ones that no nearer entry overrides; `<<` itself is not among
 * them. False beyond the last. */
bool pq_yaml_entry_at(pq_yaml_node mapping, size_t index, pq_yaml_entry *out);
/* The value of a key, merged entries included. */
pq_yaml_node pq_yaml_get(pq_yaml_node mapping, const char *key);
bool pq_yaml_find(pq_yaml_node mapping, const char *key, pq_yaml_entry *out);

/* Where the node itself stands: for one that was reached through an alias, that is at its anchor. */
pq_yaml_span pq_yaml_span_of(pq_yaml_node node);
/* True when the node was reached through an alias or a merge: its span belongs to (and may serve) other places. */
bool pq_yaml_is_shared(pq_yaml_node node);
/* Where the outermost alias or merge stands that led here; pq_yaml_span_of() when there was none. */
pq_yaml_span pq_yaml_use_of(pq_yaml_node node);
/* `name:line:column` of the node. Owned. */
char *pq_yaml_where(const char *name, pq_yaml_node node) PQ_MUST_USE;
