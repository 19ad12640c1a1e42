/* Child processes: an argument vector, an environment that is built and not inherited, output that is read while other
 * descriptors are served. */
#pragma once

#include "base/error.h"
#include "base/text.h"

/* Gets output of the child as it comes. */
typedef void pq_process_output(void *context, const char *bytes, size_t length);
/* Called when `service_fd` can be read. */
typedef void pq_process_service(void *context);

typedef struct pq_process_options {
    const pq_strings *argv;        /* argv[0] is looked up in PATH of `environment` unless it holds a slash */
    const pq_strings *environment; /* NAME=VALUE; all that the child gets */
    const char *folder;            /* working directory; NULL for ours */
    pq_buf *standard_output;       /* collects standard output; NULL: it goes to `output` with standard error */
    pq_process_output *output;     /* may be NULL: thrown away */
    void *output_context;
    const char *standard_input; /* the text that the child can read; NULL: it reads /dev/null */
    double timeout;             /* seconds after which the child is ended; 0 for none */
    int service_fd;             /* polled beside; -1 for none */
    pq_process_service *service;
    void *service_context;
} pq_process_options;

/* Runs a child to its end. True when it could be started and has ended; `status` is its exit status, 128 + N when
 * signal N ended it. A child that took longer than `timeout` is PQ_EFAILED. When we are asked to stop, so is the child,
 * and the error is PQ_EINTERRUPTED. A program that is not there is PQ_ENOTFOUND. The child ends with us. */
bool pq_process_run(const pq_process_options *options, int *status, pq_error *err) PQ_MUST_USE;

/* The variables of this process that every child may have (locale, home, proxies, trust, temporary folders), as
 * NAME=VALUE. PATH is not among them. */
void pq_process_environment(pq_strings *out);
/* Adds NAME=VALUE from this process's environment if it is set. */
void pq_process_environment_add(pq_strings *out, const char *name);
/* Adds PATH: `first` (may be NULL), then the folders of ours that are absolute. A relative one would have a child run
 * what lies in its working directory, which may be anybody's. */
void pq_process_environment_path(pq_strings *out, const char *first);
/* The absolute path of a program in PATH; NULL when there is none. Owned. */
char *pq_process_find(const char *name) PQ_MUST_USE;
