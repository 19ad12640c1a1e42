/* Private to Compose: the files of one project: the one that was asked for, and those that `include` and `extends`
 * bring in (Compose specification, 14-include.md; compose-go, loader/include.go). */
#pragma once

#include "scan/composefile.h"
#include "scan/options.h"

typedef struct pq_compose_unit pq_compose_unit;

/* A file with services of the project. */
struct pq_compose_unit {
    const pq_composefile *file;
    char *folder; /* names in the file are relative to it */
    pq_vars vars;
    const pq_compose_unit *parent; /* that includes this one; NULL for the file that was asked for */
    pq_compose_unit *under;        /* the file before this one in a list of `include`, which it overrides; or NULL */
    pq_compose_unit **included;    /* borrowed, in the order of the document */
    size_t included_count, included_capacity;
    bool listed;     /* its services were */
    unsigned looked; /* number of the search that was here last */
};

typedef struct pq_compose_project {
    const pq_loader *loader;
    const pq_scan_options *options;
    pq_scan *scan;
    const char *owner;       /* name of the file that was asked for */
    pq_composefile **others; /* each read once */
    size_t other_count, other_capacity;
    pq_compose_unit **units;
    size_t unit_count, unit_capacity;
    size_t variable_count; /* of all units that are included */
} pq_compose_project;

/* Reads what `file` (which must outlive the project) includes. NULL when there is no use in it, which was told. */
pq_compose_unit *pq_compose_project_open(pq_compose_project *project, const pq_composefile *file) PQ_MUST_USE;
void pq_compose_project_clear(pq_compose_project *project);
/* The file that `node` of `from` names, NULL when it cannot be had, which is then told. Borrowed. */
const pq_composefile *pq_compose_project_load(pq_compose_project *project, const pq_compose_unit *unit,
                                              const pq_composefile *from, pq_yaml_node node,
                                              const char *service) PQ_MUST_USE;
/* Where an image of a service is, or should be. */
pq_image_site pq_compose_project_site(const pq_compose_project *project, const pq_composefile *file, pq_yaml_node node,
                                      const char *service);
/* Adds an error at the node. */
void pq_compose_project_complain(pq_compose_project *project, const pq_composefile *file, pq_yaml_node node,
                                 const char *hint, const char *format, ...) PQ_PRINTF(5, 6);
