/* What a person sees on standard error: warnings, notes, details, progress.
 *
 * Every line goes through one door that escapes control bytes and blots out the bytes of living secrets. Results do not
 * come here: they go to standard output. */
#pragma once

#include "base/error.h"

typedef enum pq_level {
    PQ_QUIET = 0,  /* errors only */
    PQ_NORMAL = 1, /* warnings and notes */
    PQ_VERBOSE = 2 /* what is done, request by request */
} pq_level;

void pq_log_setup(pq_level level, bool progress);
pq_level pq_log_level(void);

/* `pratique: WHERE: message (hint)` as an error line. */
void pq_log_error(const pq_error *err);
/* `pratique: WHERE: warning: message (hint)`; each distinct line is shown once in a run. */
void pq_warn(const char *where, const char *hint, const char *format, ...) PQ_PRINTF(3, 4);
/* `pratique: message`, unless quiet. */
void pq_note(const char *format, ...) PQ_PRINTF(1, 2);
/* The same, only when verbose. */
void pq_detail(const char *format, ...) PQ_PRINTF(1, 2);
/* A line that the next one overwrites; only on a terminal and when not switched off. */
void pq_progress(const char *format, ...) PQ_PRINTF(1, 2);
/* Takes the progress line away. */
void pq_progress_done(void);
/* The warnings shown so far, each as `{code PQ_OK, where, message, hint}`, for --json. Borrowed. */
const pq_errors *pq_warnings(void);
