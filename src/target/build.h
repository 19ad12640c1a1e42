/* Builds the images of a plan and pushes them to the hub: nothing is built whose inputs the hub has already, nothing is
 * pushed before everything is built. */
#pragma once

#include "config/config.h"
#include "secrets/source.h"
#include "target/engine.h"
#include "target/plan.h"
#include "target/preflight.h"

/* What became of one image of the plan, at the same index. */
typedef struct pq_built_image {
    char *repository; /* FACTORY/NAME */
    char *tag;        /* inputs-… */
    char *digest;     /* of the manifest in the hub; NULL before the push */
    bool was_there;
    char *local; /* what the engine calls it; NULL when it was not built in this run */
} pq_built_image;

typedef struct pq_build {
    pq_built_image *images;
    size_t count;
    size_t missing;  /* how many the hub does not have */
    size_t uploaded; /* images that were pushed */
} pq_build;

/* All borrowed. */
typedef struct pq_build_options {
    const pq_tree *tree;
    const char *root; /* absolute path of the tree */
    const pq_plan *plan;
    const pq_preflight *preflight; /* that was run and is good */
    const char *hub_host, *factory;
    const pq_platform *platform;
    pq_registry *hub;        /* speaks with the hub's own identity */
    const pq_engine *engine; /* NULL: build nothing */
    const char *helper;      /* absolute path of docker-credential-pratique */
    pq_helper_answer *pull, *push;
    void *identity_context;
    const pq_config *config;
    pq_secrets *secrets;
    const char *logs; /* folder for the engine's logs */
} pq_build_options;

#define PQ_AUTO_BUILD PQ_CLEANUP(pq_build_clear) pq_build

void pq_build_clear(pq_build *build);
/* Finds out what the hub has: fills all but `local`, and `digest` of what is there. */
bool pq_build_prepare(const pq_build_options *options, pq_build *out, pq_error *err) PQ_MUST_USE;
/* Builds what is missing. */
bool pq_build_run(const pq_build_options *options, pq_build *build, pq_error *err) PQ_MUST_USE;
/* Pushes what was built, each under its inputs tag. */
bool pq_build_push(const pq_build_options *options, pq_build *build, pq_error *err) PQ_MUST_USE;
/* Moves the tag `latest` of each image to what this build stands for. */
bool pq_build_tag_latest(const pq_build_options *options, const pq_build *build, pq_error *err) PQ_MUST_USE;
