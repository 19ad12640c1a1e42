/* The links of the chain from a device's certificate to an image, as `pratique device check` tells them: each is in
 * order, or broken with a reason and a mend, or was not tried. Names of steps are part of the command's contract. */
#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"

typedef enum pq_check_status {
    PQ_CHECK_OK,
    PQ_CHECK_FAILED,
    PQ_CHECK_SKIPPED,
} pq_check_status;

/* In the order in which they are taken. */
#define PQ_CHECK_CONFIG "config"
#define PQ_CHECK_CLOCK "clock"
#define PQ_CHECK_IDENTITY "identity"
#define PQ_CHECK_CERTIFICATE "certificate"
#define PQ_CHECK_SETTINGS "settings"
#define PQ_CHECK_DNS "dns"
#define PQ_CHECK_TCP "tcp"
#define PQ_CHECK_TLS "tls"
#define PQ_CHECK_CLIENT "client-certificate"
#define PQ_CHECK_LOGIN "login"
#define PQ_CHECK_ROLE "role"
#define PQ_CHECK_TOKEN "token"
#define PQ_CHECK_REGISTRY "registry"
#define PQ_CHECK_IMAGE "image"

/* What some server's clock says (`*out_server` is its name, owned): asked for when the device's own is in doubt. False
 * when none can be had. */
typedef bool pq_check_ask_time(void *context, time_t *out, char **out_server);

typedef struct pq_check_step {
    const char *name; /* static */
    pq_check_status status;
    char *endpoint; /* "host[:port]" that was spoken to, or NULL */
    char *detail;   /* one line: the facts, or the reason */
    char *hint;     /* what to do, or NULL; with `ok` too, for what is not as it should be */
} pq_check_step;

/* Told of each step as soon as it is done. */
typedef void pq_check_said(void *context, const pq_check_step *step);

typedef struct pq_check_steps {
    pq_check_step *at;
    size_t count, capacity;
    pq_error error;      /* why the walk ended; code PQ_OK while nothing failed */
    pq_errors others;    /* what else is wrong with the same link */
    pq_check_said *said; /* or NULL */
    void *said_context;
} pq_check_steps;

#define PQ_AUTO_CHECK_STEPS PQ_CLEANUP(pq_check_steps_clear) pq_check_steps

void pq_check_steps_clear(pq_check_steps *steps);
/* "ok", "failed", "skipped". */
const char *pq_check_status_name(pq_check_status status);
/* Adds a step that is in order. `endpoint` and `hint` may be NULL. */
void pq_check_ok(pq_check_steps *steps, const char *name, const char *endpoint, const char *hint, const char *format,
                 ...) PQ_PRINTF(5, 6);
/* Adds one that is not tried, and why. */
void pq_check_skip(pq_check_steps *steps, const char *name, const char *endpoint, const char *format, ...)
    PQ_PRINTF(4, 5);
/* Adds the broken one and takes the error over; false. */
bool pq_check_fail(pq_check_steps *steps, const char *name, const char *endpoint, pq_error *err);
bool pq_check_have(const pq_check_steps *steps, const char *name);
/* The parts of a hint that lists what something can be ("it can be that …; that …; or that …"), for a list of lines;
 * one part when it is no such list. Owned texts. */
void pq_check_hint_parts(const char *hint, pq_strings *out);
