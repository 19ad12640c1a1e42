/* The shell patterns of ${X#p}, ${X%p} and ${X/p/r} in a Dockerfile: `*` is any run of characters, `?` is one, `\`
 * escapes `*`, `?`, `\`, and the `}` or `/` that would end the pattern (BuildKit, shell/lex.go). */
#pragma once

#include "base/error.h"

#define PQ_PATTERN_MAX 128u       /* bytes of a pattern */
#define PQ_PATTERN_VALUE_MAX 512u /* bytes of a value that one is applied to; image references are shorter */

/* Adds the value without the shortest (or longest) start (or end) that the pattern matches. */
bool pq_pattern_trim(const char *value, const char *pattern, bool at_end, bool longest, pq_buf *out,
                     pq_error *err) PQ_MUST_USE;
/* Adds the value with the first (or every) longest match replaced. */
bool pq_pattern_replace(const char *value, const char *pattern, const char *replacement, bool all, pq_buf *out,
                        pq_error *err) PQ_MUST_USE;
