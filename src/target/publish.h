/* Compose Apps: every service's image pinned to the digest that was resolved or just pushed, bundled, and published to
 * the hub as HOST/FACTORY/APP@sha256:…. */
#pragma once

#include "target/app.h"
#include "target/build.h"

/* One service of an app. */
typedef struct pq_published_service {
    const pq_image_use *use; /* borrowed from the plan: the image as written, file and line */
    pq_reference pinned;     /* domain/path@digest */
} pq_published_service;

typedef struct pq_published_app {
    char *name;
    char *uri;     /* HOST/FACTORY/APP@sha256:… */
    pq_buf source; /* the source Compose file with only its image scalars changed */
    pq_app artifact;
    pq_published_service *services;
    size_t service_count;
    bool uploaded;
} pq_published_app;

typedef struct pq_publication {
    pq_published_app *apps;
    size_t count;
} pq_publication;

#define PQ_AUTO_PUBLICATION PQ_CLEANUP(pq_publication_clear) pq_publication

void pq_publication_clear(pq_publication *publication);
/* Makes the artifacts of all apps, in memory. Every image must have its digest; without `build` (NULL) none need have,
 * and the artifacts are good for nothing but to find out whether they can be made. All problems go to `errors`. */
bool pq_publication_make(const pq_build_options *options, const pq_build *build, pq_publication *out,
                         pq_errors *errors);
/* Uploads what the hub does not have. `label` is the tag that goes with a new app. */
bool pq_publication_push(const pq_build_options *options, const char *label, pq_publication *publication,
                         pq_error *err) PQ_MUST_USE;
