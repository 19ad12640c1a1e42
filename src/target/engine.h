/* Image builds belong to an engine. This is buildah, daemonless and rootless where it may be; another one is another
 * file with these functions. Credentials reach it only through the helper server. */
#pragma once

#include "target/helper_server.h"

typedef struct pq_engine {
    char *program; /* absolute */
} pq_engine;

#define PQ_AUTO_ENGINE PQ_CLEANUP(pq_engine_clear) pq_engine

/* Borrowed strings. */
typedef struct pq_engine_build {
    const char *name;            /* of the image, for people */
    const char *root;            /* absolute path of the tree */
    const char *dockerfile;      /* relative to it */
    const char *context;         /* relative to it */
    const char *platform;        /* linux/amd64 */
    const char *tag;             /* what the image is called in the engine's store */
    const pq_strings *arguments; /* NAME=VALUE */
    const pq_strings *bases;     /* REFERENCE=IMAGE: what the Dockerfile calls REFERENCE is IMAGE, pinned */
    const pq_strings *pulls;     /* HOST/NAME@DIGEST: what may be pulled, and nothing else */
    const pq_strings *secrets;   /* ID=FILE */
    const char *ignore;          /* file that takes the place of the context's .dockerignore; NULL for none */
    const char *log;             /* file that gets the engine's output */
} pq_engine_build;

/* PQ_ENOTFOUND with what to install when there is none. */
bool pq_engine_find(pq_engine *out, pq_error *err) PQ_MUST_USE;
/* Whether the engine is of that version or newer; asks it, which takes as long as starting it. `version` is what it
 * says, "1.28.2". Owned. */
bool pq_engine_is_at_least(const pq_engine *engine, unsigned major, unsigned minor, char **version, bool *out,
                           pq_error *err) PQ_MUST_USE;
void pq_engine_clear(pq_engine *engine);
/* PQ_EBUILD when the build fails; the log stays, and its last lines are shown. */
bool pq_engine_run(const pq_engine *engine, const pq_engine_build *build, pq_helper_server *credentials,
                   pq_error *err) PQ_MUST_USE;
/* Pushes what a build called `tag` to `destination` (HOST/NAME:TAG); `digest` is that of the manifest there. Owned. */
bool pq_engine_push(const pq_engine *engine, const char *tag, const char *destination, const char *log,
                    pq_helper_server *credentials, char **digest, pq_error *err) PQ_MUST_USE;
