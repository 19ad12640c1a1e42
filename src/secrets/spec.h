/* The arguments of `secrets update`: NAME=VALUE, NAME==FILE, NAME=- and NAME=, cut at the first `=`. */
#pragma once

#include "secrets/store.h"

typedef enum pq_spec_kind {
    PQ_SPEC_VALUE,  /* NAME=VALUE */
    PQ_SPEC_FILE,   /* NAME==FILE: its bytes as they are */
    PQ_SPEC_STDIN,  /* NAME=-: all of the standard input, as it is */
    PQ_SPEC_REMOVE, /* NAME= */
} pq_spec_kind;

typedef struct pq_secret_spec {
    char *name;
    pq_spec_kind kind;
    char *file;       /* of PQ_SPEC_FILE */
    pq_secret *value; /* of PQ_SPEC_VALUE; of the next two once loaded; NULL for PQ_SPEC_REMOVE */
    bool existed;     /* once stored: there was one of that name */
} pq_secret_spec;

typedef struct pq_secret_specs {
    pq_secret_spec *at;
    size_t count, capacity;
} pq_secret_specs;

#define PQ_AUTO_SECRET_SPECS PQ_CLEANUP(pq_secret_specs_clear) pq_secret_specs

/* Takes the arguments apart and adds every problem to `errors` (PQ_EUSAGE): no `=`, a name that cannot be one, the same
 * name twice, NAME== without a file, the standard input twice. What follows the first `=` of an argument is overwritten
 * with zeros where it lies, so that `ps` shows it no longer, and so is an argument that is no spec at all: it is most
 * likely a part of a value that was not quoted. For the same reason no problem quotes an argument: it is named by its
 * place. */
bool pq_secret_specs_parse(char **arguments, size_t count, pq_secret_specs *out, pq_errors *errors) PQ_MUST_USE;
/* Reads the files and the standard input. An empty or too large one is an error. */
bool pq_secret_specs_load(pq_secret_specs *specs, int stdin_fd, pq_errors *errors) PQ_MUST_USE;
/* Puts all of them into the store in one transaction and sets `existed` of each. `hosts` as in pq_store_change; a
 * removal of what was not there is a warning. */
bool pq_secret_specs_store(pq_secret_specs *specs, const pq_strings *hosts, pq_store *store, pq_error *err) PQ_MUST_USE;
void pq_secret_specs_clear(pq_secret_specs *specs);
