/* Problems of one file, told in the order of their lines; private to this folder. */
#pragma once

#include "base/error.h"
#include "yaml/yaml.h"

typedef struct pq_problem {
    unsigned line, column;
    size_t order;
    pq_error err;
} pq_problem;

typedef struct pq_report {
    const char *name;   /* of the file */
    const char *prefix; /* "registry 1", "hub"; borrowed, may be NULL */
    pq_problem *at;
    size_t count, capacity;
} pq_report;

/* Adds a problem at a node; false, so that it can be returned. */
bool pq_report_at(pq_report *report, pq_yaml_node node, const char *hint, const char *format, ...) PQ_PRINTF(4, 5);
/* A hint for an unknown key: the nearest of the known ones, or all of them. `name` may be NULL. Owned. */
char *pq_report_known(const char *name, const char *const *known, size_t count) PQ_MUST_USE;
/* Sorts by line and hands all to `errs`; true when there was none. */
bool pq_report_end(pq_report *report, pq_errors *errs);
void pq_report_clear(pq_report *report);
