/* Errors: a code, where, what, and what to do.
 *
 * A fallible function returns false and fills the caller's pq_error, in one line:
 *
 *     return pq_fail(err, PQ_ENOTFOUND, where, "set it with `pratique secrets update`", "no secret named %s", name);
 *
 * Callers add context with pq_error_at() (sets WHERE if nobody has) and pq_error_wrap() (puts words before the
 * message). A message never holds a secret nor the contents of a file; names and references may be held as they are,
 * for control bytes are escaped where an error is printed. */
#pragma once

#include "base/buf.h"

typedef enum pq_code {
    PQ_OK = 0,
    PQ_EUSAGE,     /* the command line is wrong */
    PQ_ECONFIG,    /* factory-config.yml is wrong, or a secret that it names is missing */
    PQ_EINPUT,     /* a file that we were given is wrong */
    PQ_EDENIED,    /* a peer says that this identity may not */
    PQ_ENOTFOUND,  /* a peer has no such thing */
    PQ_EFAILED,    /* it ran and what was asked is not so */
    PQ_EBUILD,     /* an image build failed */
    PQ_EUNTRUSTED, /* a signature, digest, version or date is not what trust demands */
    PQ_ETRANSPORT, /* could not reach or understand a peer */
    PQ_EBUSY,      /* 429 or 5xx after retries */
    PQ_ESYSTEM,    /* this machine said no: disk, memory, permission */
    PQ_EINTERRUPTED,
} pq_code;

typedef struct pq_error {
    pq_code code;
    char *where;   /* file:line[:column], registry/repository:tag, or NULL */
    char *message; /* one line, no final full stop */
    char *hint;    /* what to do, or NULL */
} pq_error;

#define PQ_AUTO_ERROR PQ_CLEANUP(pq_error_clear) pq_error

/* Fills `err` (whatever it held is let go) and returns false. `where` and `hint` may be NULL; all are copied. */
bool pq_fail(pq_error *err, pq_code code, const char *where, const char *hint, const char *format, ...) PQ_PRINTF(5, 6);
/* The same for a failed system call: adds ": " and the text of errno. ENOSPC and EDQUOT are named as a full disk. */
bool pq_fail_errno(pq_error *err, const char *where, const char *format, ...) PQ_PRINTF(3, 4);
/* Puts the words before the message; false, so that it can be returned. */
bool pq_error_wrap(pq_error *err, const char *format, ...) PQ_PRINTF(2, 3);
/* Sets WHERE unless it is set already; false. */
bool pq_error_at(pq_error *err, const char *where);
void pq_error_clear(pq_error *err);
/* `to` gets what `from` held; `from` is empty afterwards. */
void pq_error_move(pq_error *to, pq_error *from);
/* A lower-case word for --json: "usage", "config", "denied", … */
const char *pq_code_name(pq_code code);
/* The process's exit status for one error (interface: 1, 2, 3 or 130). */
int pq_code_status(pq_code code);
/* `pratique: WHERE: message (hint)`, control bytes escaped, no line end. */
void pq_error_format(const pq_error *err, pq_buf *out);

/* Several errors, for "all the problems of an input are reported". */
typedef struct pq_errors {
    pq_error *at;
    size_t count, capacity;
} pq_errors;

#define PQ_AUTO_ERRORS PQ_CLEANUP(pq_errors_clear) pq_errors

void pq_errors_take(pq_errors *list, pq_error *err); /* takes the contents of err */
bool pq_errors_add(pq_errors *list, pq_code code, const char *where, const char *hint, const char *format, ...)
    PQ_PRINTF(5, 6);                                   /* false, so that it can be returned */
void pq_errors_append(pq_errors *to, pq_errors *from); /* takes all of them */
void pq_errors_clear(pq_errors *list);
/* 0 for none; 130 if interrupted; else 2 if any is of the input, else 1 if any will not pass by itself, else 3. */
int pq_errors_status(const pq_errors *list);
