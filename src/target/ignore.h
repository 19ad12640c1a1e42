/* Patterns of a .composeappignores file, which are those of a .dockerignore (moby/patternmatcher: ignorefile.ReadAll,
 * PatternMatcher.MatchesOrParentMatches; docs.docker.com, "Build context", ".dockerignore files").
 *
 * `#` starts a comment line, a leading `!` takes an exclusion back, the last pattern that matches decides, `*` and `?`
 * stay within a part of the path, `**` crosses parts, `[a-z]` is a class, `\` makes the next character a plain one. A
 * pattern is always from the root of the folder; one that matches a folder holds for all below. */
#pragma once

#include "base/error.h"
#include "base/text.h"

typedef struct pq_ignore {
    pq_strings patterns; /* cleaned; those that are taken back start with `!` */
} pq_ignore;

#define PQ_AUTO_IGNORE PQ_CLEANUP(pq_ignore_clear) pq_ignore

void pq_ignore_clear(pq_ignore *ignore);
/* Reads a file's bytes. PQ_EINPUT with `name:line` for a pattern that cannot be. */
bool pq_ignore_parse(const char *name, const char *bytes, size_t length, pq_ignore *out, pq_error *err) PQ_MUST_USE;
/* Whether a path, relative and without `.` parts, is left out. */
bool pq_ignore_matches(const pq_ignore *ignore, const char *path);
/* Whether nothing below this folder can be taken back by a `!` pattern: it need not be looked into. */
bool pq_ignore_prunes(const pq_ignore *ignore, const char *folder);
