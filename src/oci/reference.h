/* Image references, "registry/repository:tag@digest", read and normalised as docker does
 * (distribution/reference: the grammar in reference.go, the rules in normalize.go). */
#pragma once

#include "base/error.h"

#define PQ_REFERENCE_NAME_MAX 255u /* bytes of a repository's path */
#define PQ_REFERENCE_TAG_MAX 128u

typedef struct pq_reference {
    char *domain; /* registry, "docker.io" or "host:5000"; "" only from pq_reference_parse_plain() */
    char *path;   /* repository, "library/busybox" */
    char *tag;    /* NULL when there is none */
    char *digest; /* NULL when there is none; with a tag too, the digest decides */
} pq_reference;

#define PQ_AUTO_REFERENCE PQ_CLEANUP(pq_reference_clear) pq_reference

/* Reads a reference as a user writes it for docker: `busybox` is docker.io/library/busybox. `out` must be empty. The
 * error is PQ_EINPUT and has no WHERE; it does not quote the text. */
bool pq_reference_parse(const char *text, pq_reference *out, pq_error *err) PQ_MUST_USE;
/* Reads by the grammar alone, without docker's rules: `busybox` has an empty domain. */
bool pq_reference_parse_plain(const char *text, pq_reference *out, pq_error *err) PQ_MUST_USE;
void pq_reference_clear(pq_reference *reference);
/* `out` must be empty. */
void pq_reference_copy(const pq_reference *from, pq_reference *out);
/* `domain/path`. Owned, as all of these. */
char *pq_reference_name(const pq_reference *reference) PQ_MUST_USE;
/* `domain/path[:tag][@digest]`. */
char *pq_reference_string(const pq_reference *reference) PQ_MUST_USE;
/* As docker shows it: docker.io and its `library/` left out. */
char *pq_reference_familiar_name(const pq_reference *reference) PQ_MUST_USE;
char *pq_reference_familiar_string(const pq_reference *reference) PQ_MUST_USE;
/* What a pull asks for: `domain/path@digest` when there is a digest, else `domain/path:tag` with "latest" by default.
 */
char *pq_reference_pull_string(const pq_reference *reference) PQ_MUST_USE;
/* The digest, else the tag, else "latest": the last part of /v2/<name>/manifests/<it>. Borrowed. */
const char *pq_reference_target(const pq_reference *reference);
/* Whether two references name the same registry and repository. */
bool pq_reference_same_name(const pq_reference *a, const pq_reference *b);
/* Whether the text can be a tag: a letter, digit or `_`, then up to 127 of those, `.` and `-`. */
bool pq_tag_valid(const char *text);
