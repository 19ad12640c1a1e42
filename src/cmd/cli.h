/* One run of the program: its global options, what it prints, what went wrong. */
#pragma once

#include "base/error.h"
#include "base/log.h"
#include "cmd/args.h"

#include <jansson.h>

struct pq_cli {
    const char *config_option;  /* --config, or NULL */
    const char *device_option;  /* --device-config, or NULL */
    const char *secrets_option; /* --secrets, or NULL */
    bool json;
    pq_buf out;         /* what goes to standard output, unless `json` */
    json_t *document;   /* with `json`: filled as far as the command gets */
    bool begun;         /* with `json`: the document was begun by pq_cli_write(), up to its "errors" */
    pq_error unwritten; /* why standard output could not be written */
    pq_errors errors;
    char *closing; /* owned; what is printed told of the errors, and this line stands for them on standard error */
    int status;    /* exit status if there are no errors */
};

void pq_cli_clear(pq_cli *cli);
/* Adds to standard output. Nothing happens with --json: the document says it. */
void pq_print(pq_cli *cli, const char *format, ...) PQ_PRINTF(2, 3);
/* Writes to standard output at once, what pq_print() added before it first: for results too large to be held. Give
 * whole lines, so that a secret is seen. With --json, see `begun`. */
void pq_cli_write(pq_cli *cli, const char *text, size_t length);
/* Like pq_print(), for text that others wrote: control bytes are escaped. */
void pq_print_text(pq_cli *cli, const char *text);
/* The first word of a line, twelve columns wide, in colour where it is read on a terminal. */
void pq_print_status(pq_cli *cli, const char *word, bool good);
/* Takes the error over. */
void pq_cli_fail(pq_cli *cli, pq_error *err);
/* Prints the output or the document, then the errors; the exit status. */
int pq_cli_finish(pq_cli *cli);

/* JSON values from what may be absent: null for NULL and for time 0. New references. */
json_t *pq_json_text(const char *text);
json_t *pq_json_time(time_t when);
/* Sets a key; takes the value. Running out of memory aborts, as everywhere. */
void pq_json_set(json_t *object, const char *key, json_t *value);
void pq_json_append(json_t *array, json_t *value);
json_t *pq_json_errors(const pq_errors *errors);
