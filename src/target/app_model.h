/* What a YAML document means, as a JSON value: aliases and merges followed, comments and layout gone. For comparing a
 * rewritten file with what it should say, for hashing a service, and for writing again what cannot be spliced.
 *
 * A mapping is an object, a sequence an array, a scalar (and a mapping's key) a string whose first character says how
 * it must be written again: 'p' as it is, plain, for it may be a number, a truth value or a plain word; 't' as a text
 * in quotes; '0' for null. A tagged value is {"!": tag, "v": value}. */
#pragma once

#include "base/error.h"
#include "yaml/yaml.h"

#include <jansson.h>

#define PQ_APP_MODEL_MAX (4u << 20) /* bytes of all texts, aliases followed: they may name one text many times */

/* The value of a node; `*out` is owned. PQ_EINPUT for a key that is no scalar, and beyond PQ_APP_MODEL_MAX. */
bool pq_app_model_of(const char *name, pq_yaml_node node, json_t **out, pq_error *err) PQ_MUST_USE;

/* The member of an object with this text as its key, plain or quoted; NULL without one. Borrowed. */
json_t *pq_app_model_get(const json_t *object, const char *key);
void pq_app_model_delete(json_t *object, const char *key);

/* Adds what follows "key:" in a block mapping: the value with its line end, entries below at `indent` blanks. */
void pq_app_model_add_block(const json_t *value, size_t indent, pq_buf *out);
/* Adds the value in flow style, on one line. */
void pq_app_model_add_flow(const json_t *value, pq_buf *out);
/* Adds a text as a double-quoted scalar. */
void pq_app_model_add_quoted(const char *text, pq_buf *out);
