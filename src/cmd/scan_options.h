/* The options of commands that scan a tree: --build-arg, --env, --use-environment. */
#pragma once

#include "cmd/cli.h"
#include "config/config.h"
#include "scan/tree.h"

/* The rows for a command's table. */
#define PQ_SCAN_OPTIONS                                                                                                \
    {"build-arg", '\0', "K=V", "Set an ARG of the Dockerfiles; may be repeated."},                                     \
        {"env", '\0', "K=V", "Set a variable for the interpolation of Compose files; may be repeated."},               \
    {                                                                                                                  \
        "use-environment", '\0', NULL, "Let Compose interpolation read the process environment too."                   \
    }

typedef struct pq_scan_arguments {
    pq_vars build_args, variables;
    pq_scan_options options;
} pq_scan_arguments;

#define PQ_AUTO_SCAN_ARGUMENTS PQ_CLEANUP(pq_scan_arguments_clear) pq_scan_arguments

/* `out` must not move afterwards: its options point into it. Problems go to the run's errors. */
bool pq_scan_arguments_read(pq_cli *cli, const pq_arguments *arguments, pq_scan_arguments *out);
/* FACTORY means what it means in `target build`, when the configuration names a hub and --env does not set it. */
void pq_scan_arguments_define(pq_scan_arguments *arguments, const pq_config *config);
void pq_scan_arguments_clear(pq_scan_arguments *arguments);
