/* Private to Compose: images that a service names outside `image`: in its `build` and among its volumes. */
#pragma once

#include "scan/composefile.h"
#include "scan/options.h"

typedef struct pq_build_section {
    const pq_composefile *file;
    const char *owner, *service;
    const pq_scan_options *options;
    const pq_vars *vars;
    bool volumes;   /* these are the service's volumes, and no `build` */
    bool inherited; /* a nearer service has a `build` too: its dockerfile_inline overrides this one */
    /* Work left: a byte of dockerfile_inline costs 1, any other image 64. With `extends`, a small file could ask for
     * hours of it. Running out is an error, told once. */
    size_t *budget;
} pq_build_section;

/* dockerfile_inline, cache_from, additional_contexts. */
void pq_build_section_scan(const pq_build_section *section, pq_yaml_node build, pq_scan *scan);
/* `volumes: [{type: image, source: …}]`. */
void pq_service_volumes_scan(const pq_build_section *of, pq_yaml_node volumes, pq_scan *scan);
