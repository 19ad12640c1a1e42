/* A containers repository: each first-level folder with a Dockerfile is an image, each with a docker-compose.yml is a
 * Compose App, a folder may be both, one whose name ends in `.disabled` is left out.
 *
 * What people keep beside a Dockerfile for the shell scripts of old is read, never run: `docker-build.conf` (literal
 * BUILD_CONTEXT, DOCKERFILE, SKIP_ARCHS, MANIFEST_PLATFORMS; anything else is a warning that names it) and
 * `.docker_build_args` (a NAME=VALUE a line). */
#pragma once

#include "base/file.h"
#include "base/text.h"

typedef struct pq_folder {
    char *name;
    bool image;
    bool app;
    char *dockerfile;     /* relative to the tree */
    char *context;        /* relative to the tree; "." for the whole */
    pq_strings arguments; /* NAME=VALUE */
    char *skipped;        /* why the image is not built on this platform, or NULL */
    char *compose;        /* relative to the tree */
} pq_folder;

typedef struct pq_layout {
    pq_folder *at; /* in byte order of the names */
    size_t count, capacity;
} pq_layout;

#define PQ_AUTO_LAYOUT PQ_CLEANUP(pq_layout_clear) pq_layout

/* Reads the folders of a tree. `architecture` is "amd64", "arm64" or "arm". All problems go to `errors`; true when
 * there were none. */
bool pq_layout_read(const pq_tree *tree, const char *architecture, pq_layout *out, pq_errors *errors);
void pq_layout_clear(pq_layout *layout);
/* The folder of that name that is an image; NULL when there is none. Borrowed. */
const pq_folder *pq_layout_image(const pq_layout *layout, const char *name);

/* Reads docker-build.conf. For its tests and its fuzz target; pq_layout_read() is what callers want. */
typedef struct pq_build_conf {
    char *build_context, *dockerfile, *skip_archs, *manifest_platforms; /* NULL when not set */
} pq_build_conf;
void pq_build_conf_parse(const char *text, size_t length, const char *name, pq_build_conf *out);
void pq_build_conf_clear(pq_build_conf *conf);
/* Reads .docker_build_args; adds NAME=VALUE to `out`. */
bool pq_build_args_parse(const char *text, size_t length, const char *name, pq_strings *out, pq_errors *errors);
