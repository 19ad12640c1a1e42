/* Variables in text, by two rules that look alike and are not: a Dockerfile's words (BuildKit, Dockerfile reference,
 * "Environment replacement") and a Compose file's values (Compose specification, 12-interpolation.md; compose-go). */
#pragma once

#include "base/text.h"
#include "scan/vars.h"

/* A variable that a result needs and that has no value. */
typedef struct pq_gap {
    char *name; /* NULL: nothing is missing */
    bool empty; /* it has a value, which is empty, where `:?` asks for more */
} pq_gap;

#define PQ_AUTO_GAP PQ_CLEANUP(pq_gap_clear) pq_gap

void pq_gap_clear(pq_gap *gap);

/* How a Dockerfile's words are read. */
typedef struct pq_word_rules {
    char escape;      /* '\\' or '`' */
    bool raw_quotes;  /* quotes stay */
    bool raw_escapes; /* escapes stay */
    bool keep_unset;  /* a variable without a value stays as it is written */
} pq_word_rules;

/* Expands a Dockerfile word: quotes and escapes are taken away, $X ${X} ${X:-d} ${X-d} ${X:+a} ${X+a} ${X:?e} ${X?e}
 * ${X#p} ${X##p} ${X%p} ${X%%p} ${X/p/r} ${X//p/r} replaced. A variable without a value counts as empty, as in
 * BuildKit, and the first one that the result depends on is named in `gap` (which must be empty before).
 * Errors (PQ_EINPUT, without WHERE) are those of BuildKit, and a result beyond PQ_MAX_EXPANSION. */
bool pq_expand_word(const char *word, const pq_word_rules *rules, const pq_vars *vars, pq_buf *out, pq_gap *gap,
                    pq_error *err) PQ_MUST_USE;
/* The same, divided at blanks that no quote or escape protects. */
bool pq_split_words(const char *line, const pq_word_rules *rules, const pq_vars *vars, pq_strings *out,
                    pq_error *err) PQ_MUST_USE;

/* Interpolates a Compose value: $X, ${X} and the forms with :- - :+ + :? ?, which nest; $$ is a dollar. `gap` as above.
 */
bool pq_interpolate(const char *text, const pq_vars *vars, pq_buf *out, pq_gap *gap, pq_error *err) PQ_MUST_USE;
