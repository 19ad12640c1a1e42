/* The value of `RUN --mount=` (Dockerfile reference, "RUN --mount"; BuildKit instructions/commands_runmount.go). */
#pragma once

#include "base/error.h"

typedef struct pq_mount {
    char *type;   /* "bind" by default */
    char *from;   /* NULL when not given or empty */
    char *secret; /* id of a secret mount, NULL for others and where it depends on a variable */
} pq_mount;

#define PQ_AUTO_MOUNT PQ_CLEANUP(pq_mount_clear) pq_mount

/* Errors are PQ_EINPUT without WHERE. `out` must be empty. */
bool pq_mount_parse(const char *text, pq_mount *out, pq_error *err) PQ_MUST_USE;
void pq_mount_clear(pq_mount *mount);
