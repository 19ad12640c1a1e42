/* OLPC canonical JSON: the one byte form of a JSON value that TUF signatures are made over.
 *
 * Keys in byte order of their UTF-8, no blanks, in strings only `"` and `\` escaped, integers only (TUF specification
 * 1.0.31, section 4.2; wiki.laptop.org "Canonical JSON"; securesystemslib, formats.encode_canonical). */
#pragma once

#include "base/error.h"

#include <jansson.h>

/* Adds the canonical form. PQ_EINPUT for a number with a fraction, for nesting deeper than 64, and when `out` is full.
 */
bool pq_canonical_add(const json_t *value, pq_buf *out, pq_error *err) PQ_MUST_USE;
