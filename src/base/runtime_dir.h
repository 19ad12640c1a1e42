/* The folder for live tokens: private, and in memory, so that no token ever rests on a disk. */
#pragma once

#include "base/error.h"

#include <sys/types.h>

/* What decides where it is. Borrowed. */
typedef struct pq_runtime_environment {
    const char *pratique_runtime_dir; /* $PRATIQUE_RUNTIME_DIR: this folder or none */
    const char *xdg_runtime_dir;      /* $XDG_RUNTIME_DIR: `pratique` in it */
    uid_t user;                       /* the effective user */
    const char *run, *shm;            /* /run and /dev/shm; tests name others */
} pq_runtime_environment;

pq_runtime_environment pq_runtime_environment_read(void);

/* The first of $PRATIQUE_RUNTIME_DIR, $XDG_RUNTIME_DIR/pratique, for root /run/pratique, for others
 * /dev/shm/pratique-UID, that is good: made (0700) where its parent is there. Root never uses /dev/shm: a build with
 * buildah's chroot isolation sees the machine's own, as root. `*out` is owned. PQ_ENOTFOUND, with a reason, when none
 * is good. */
bool pq_runtime_dir_find(const pq_runtime_environment *environment, char **out, pq_error *err) PQ_MUST_USE;
/* Opens such a folder: no symbolic link, owned by the effective user, closed to all others, tmpfs or ramfs. -1 with an
 * error otherwise. */
int pq_runtime_dir_open(const char *path, pq_error *err);
