/* Private to Compose: one parsed file, and the services in it. */
#pragma once

#include "scan/scan.h"
#include "yaml/yaml.h"

typedef struct pq_composefile {
    char *path; /* for the loader */
    char *name; /* in results and errors */
    pq_buf bytes;
    pq_yaml *yaml;
} pq_composefile;

/* Parses `bytes`, which are copied. False with errors in `errs`. */
bool pq_composefile_parse(const char *path, const char *name, const char *bytes, size_t length, pq_composefile *out,
                          pq_errors *errs) PQ_MUST_USE;
void pq_composefile_clear(pq_composefile *file);
/* A key at the top of the last document that has it. */
pq_yaml_node pq_composefile_top(const pq_composefile *file, const char *key);
/* A service of the last document that has it; the absent node when there is none, or a `!reset`. */
pq_yaml_node pq_composefile_service(const pq_composefile *file, const char *service);
/* A key of a service, in the last document that has it and does not `!reset` it. */
bool pq_composefile_find(const pq_composefile *file, const char *service, const char *key, pq_yaml_entry *out);
/* Whether it is `!reset` in the last document that has it: then no other place gives it a value either. */
bool pq_composefile_resets(const pq_composefile *file, const char *service, const char *key);
/* The line where a node begins; for a block scalar, that of its `|` or `>`. */
unsigned pq_composefile_line(const pq_composefile *file, pq_yaml_node node);
/* How an image can be set in a service of the file; `image` is the service's own entry or NULL. The strings of the
 * result are owned. */
pq_image_span pq_composefile_splice(const pq_composefile *file, const char *service, const pq_yaml_entry *image);
