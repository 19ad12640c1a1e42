/* How a scan is made: with which values, how files beside the one being scanned are read, and what they are called. */
#pragma once

#include "oci/platform.h"
#include "scan/vars.h"

typedef struct pq_loader {
    /* Reads `path` (joined to the folder of the file that names it) up to the cap of `out`; PQ_ENOTFOUND when there is
     * none. It decides what may be read at all. */
    bool (*read)(void *context, const char *path, pq_buf *out, pq_error *err);
    void *context;
} pq_loader;

typedef struct pq_scan_options {
    const pq_vars *build_args;          /* `--build-arg`; NULL for none */
    const pq_vars *variables;           /* for interpolation, above all others; NULL for none */
    bool use_environment;               /* the process environment counts too, above `.env` */
    const pq_platform *target_platform; /* NULL: this machine */
    const pq_platform *build_platform;  /* NULL: this machine */
    const char *prefix;                 /* put before every name of a file in results and errors; NULL for none */
} pq_scan_options;

/* The name of a scanned file as it stands in results: prefixed, printable. Owned. */
char *pq_scan_name(const pq_scan_options *options, const char *path) PQ_MUST_USE;
/* `name` as the file `from` means it: beside it, `.` and inner `..` taken away. Owned. */
char *pq_scan_beside(const char *from, const char *name) PQ_MUST_USE;
