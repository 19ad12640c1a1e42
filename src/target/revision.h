/* What git says of a tree. No hook, filter or file system monitor of the tree is run. */
#pragma once

#include "base/error.h"

typedef struct pq_revision {
    char *commit;     /* the whole hexadecimal name */
    char *short_name; /* as `git log --format=%h` shows it */
    char *branch;     /* NULL when HEAD is detached */
} pq_revision;

#define PQ_AUTO_REVISION PQ_CLEANUP(pq_revision_clear) pq_revision

void pq_revision_clear(pq_revision *revision);
/* PQ_EINPUT when the folder is in no git work tree or nothing is committed. */
bool pq_revision_read(const char *folder, pq_revision *out, pq_error *err) PQ_MUST_USE;
