/* The files of a tree that count, in byte order of their path, a folder at a time. */
#pragma once

#include "base/file.h"

typedef enum pq_scan_file { PQ_SCAN_NOTHING = 0, PQ_SCAN_DOCKERFILE, PQ_SCAN_COMPOSE } pq_scan_file;

/* What a file of that name in a tree is: Dockerfile, Dockerfile.* (not *.dockerignore), *.Dockerfile, Containerfile;
 * docker-compose.y[a]ml, compose.y[a]ml. */
pq_scan_file pq_scan_kind_of(const char *name);

/* An open folder, for as long as files of it are still to be read. */
typedef struct pq_walk_folder {
    int fd; /* -1 where too many are open above it */
    bool has_env;
    size_t users; /* not atomic: one thread holds and lets go */
} pq_walk_folder;

typedef struct pq_walk {
    const pq_tree *tree;
    /* `path` is the callee's, who also holds the folder until it calls pq_walk_let_go(). */
    void (*found)(void *context, pq_walk_folder *folder, char *path, pq_scan_file kind);
    /* A folder that cannot be read. `err` is the callee's to take. */
    void (*failed)(void *context, const char *folder, pq_error *err);
    void *context;
} pq_walk;

/* Ends early when the program is interrupted. */
void pq_walk_tree(const pq_walk *walk);
void pq_walk_let_go(pq_walk_folder *folder);
/* Whether pq_walk_tree() would come by the file. */
bool pq_walk_lists(const pq_tree *tree, const char *path) PQ_MUST_USE;
