/* What a build of a containers repository comes to: its images in order of dependency, its apps, and every image that
 * they refer to. Offline. */
#pragma once

#include "config/config.h"
#include "oci/platform.h"
#include "scan/scan.h"
#include "target/layout.h"

/* How one reference in a folder is met. */
typedef struct pq_plan_use {
    const pq_image_use *use; /* borrowed from the folder's scan */
    size_t built_here;       /* index of the image that it stands for; PQ_PLAN_ELSEWHERE when it is pulled */
} pq_plan_use;

#define PQ_PLAN_ELSEWHERE SIZE_MAX

typedef struct pq_plan_image {
    const pq_folder *folder;
    pq_scan scan;
    pq_plan_use *uses; /* without `# syntax=`, which buildah does not fetch */
    size_t use_count;
} pq_plan_image;

typedef struct pq_plan_app {
    const pq_folder *folder;
    pq_scan scan;
    pq_plan_use *uses; /* those of services: kind PQ_IMAGE_COMPOSE */
    size_t use_count;
} pq_plan_app;

typedef struct pq_plan {
    pq_layout layout;
    pq_plan_image *images; /* those that are built on this platform, in the order of the layout */
    size_t image_count;
    size_t *order; /* indexes into `images`: each after those that it is made from */
    pq_plan_app *apps;
    size_t app_count;
} pq_plan;

typedef struct pq_plan_options {
    const char *hub_host;
    const char *factory;
    const char *tag;     /* TAG: the short git revision */
    const char *version; /* H_BUILD */
    const pq_platform *platform;
} pq_plan_options;

#define PQ_AUTO_PLAN PQ_CLEANUP(pq_plan_clear) pq_plan

/* Reads the tree. All problems go to `errors`: what does not parse, what cannot be resolved (PQ_EFAILED), circles, what
 * the engine or this machine cannot do. True when there were none. */
bool pq_plan_make(const pq_tree *tree, const pq_plan_options *options, pq_plan *out, pq_errors *errors);
/* The first Dockerfile with a heredoc, which buildah knows from 1.33 on; NULL when there is none. Borrowed. */
const pq_dockerfile *pq_plan_heredoc(const pq_plan *plan);
void pq_plan_clear(pq_plan *plan);
