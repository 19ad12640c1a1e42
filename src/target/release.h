/* release.json: the lock of a release. Each app, each service, the image as written, what it was pinned to, platforms,
 * sizes, file and line, and the revision. No times, names of this machine or absolute paths: the same release is the
 * same file anywhere. */
#pragma once

#include "target/publish.h"

/* Adds the file to `out`. `pinned`: a preflight that was run over the pinned images, for platforms and sizes. */
bool pq_release_write(const pq_build_options *options, const pq_build *build, const pq_publication *publication,
                      const pq_preflight *pinned, const char *revision, pq_buf *out, pq_error *err) PQ_MUST_USE;
