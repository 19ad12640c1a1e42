/* The images of one folder, for commands that go on to the registries: scanned as `target build` would read it. */
#pragma once

#include "cmd/scan_options.h"
#include "target/layout.h"
#include "target/revision.h"

typedef struct pq_tree_images {
    pq_scan scan;
    const pq_config *config; /* borrowed */
    pq_layout layout;        /* to know what is built here */
    pq_revision revision;    /* empty outside of git, or where no file asks for it */
} pq_tree_images;

#define PQ_AUTO_TREE_IMAGES PQ_CLEANUP(pq_tree_images_clear) pq_tree_images

/* Defines FACTORY and TAG as far as `how` does not, and scans. False with the scan's errors, and nothing read then. */
bool pq_tree_images_read(pq_tree_images *out, const char *folder, pq_scan_arguments *how, const pq_config *config,
                         pq_errors *errors) PQ_MUST_USE;
void pq_tree_images_clear(pq_tree_images *images);
/* HOST/FACTORY/NAME of the hub, with NAME a folder of this tree that has a Dockerfile. */
bool pq_tree_images_built_here(const pq_tree_images *images, const pq_reference *reference);
/* The error of an image that cannot be known. */
void pq_tree_images_unresolved(const pq_unresolved *unresolved, pq_errors *errors);
