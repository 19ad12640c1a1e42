/* A piece of work in a child process: forked, not executed, so that what it needs (libcurl, OpenSSL, a YAML parser)
 * comes and goes with it. It writes its result into a pipe. However it ends, the parent goes on. */
#pragma once

#include "base/error.h"

#include <sys/types.h>

typedef struct pq_work {
    pid_t child; /* 0: nothing is under way */
    int fd;      /* its pipe; does not block */
    double deadline;
    pq_buf output; /* sensitive */
} pq_work;

#define PQ_WORK_NONE ((pq_work){.fd = -1})

/* Runs in the child, with nothing open but the standard streams and `out`; the exit status. */
typedef int pq_work_function(void *context, int out);

/* `now` is the time of pq_monotonic() or another clock; after `seconds` of it the child is killed. `cap` bytes of a
 * result are taken. The child ends with us. */
bool pq_work_start(pq_work *work, pq_work_function *function, void *context, double now, double seconds, size_t cap,
                   pq_error *err) PQ_MUST_USE;

typedef enum pq_work_state {
    PQ_WORK_RUNS,
    PQ_WORK_DONE,   /* it ended with status 0; `output` is the result */
    PQ_WORK_FAILED, /* it ended otherwise */
    PQ_WORK_LATE,   /* it was killed */
} pq_work_state;

/* Reads what is there. When it has ended, `child` is 0, the descriptor is closed and `*status` (or NULL) is its exit
 * status, 128 + N when signal N ended it; `output` stays until pq_work_clear(). */
pq_work_state pq_work_look(pq_work *work, double now, int *status);
/* Kills what runs, and lets the result go. */
void pq_work_clear(pq_work *work);
