/* Command lines: one table a command, from which parsing, --help and the man page all come. */
#pragma once

#include "base/error.h"
#include "base/text.h"

typedef struct pq_option {
    const char *name;     /* without the dashes */
    char letter;          /* or '\0' */
    const char *argument; /* what it takes, e.g. "DIR"; NULL for a flag */
    const char *help;     /* one sentence or two */
} pq_option;

typedef struct pq_cli pq_cli;
typedef struct pq_arguments pq_arguments;

typedef struct pq_command {
    const char *name;         /* "images", "secrets update" */
    const char *synopsis;     /* what follows the name */
    const char *summary;      /* one line */
    const char *description;  /* paragraphs */
    const char *examples;     /* lines; a line that begins with `$` is a command */
    const pq_option *options; /* ends with an empty name; NULL for none */
    size_t least, most;       /* how many words it takes beside options */
    /* Adds what went wrong to the run's errors; the exit status comes from these, or is that of `status`. */
    void (*run)(pq_cli *cli, const pq_arguments *arguments);
} pq_command;

struct pq_arguments {
    char **words; /* the array is owned, its elements are argv's own: a value in it can be wiped */
    size_t word_count, word_capacity;
    pq_strings names, values; /* of the options given, in their order; a flag's value is "" */
};

#define PQ_AUTO_ARGUMENTS PQ_CLEANUP(pq_arguments_clear) pq_arguments

/* The options that every command takes. */
extern const pq_option pq_global_options[];

/* Reads argv[0…count) by the options of a command (NULL: only the global ones, stopping at the first word). `*used` is
 * how many were read. Problems go to `errors` as PQ_EUSAGE. */
bool pq_arguments_parse(const pq_command *command, int count, char **argv, int *used, pq_arguments *out,
                        pq_errors *errors);
void pq_arguments_clear(pq_arguments *arguments);
bool pq_arguments_have(const pq_arguments *arguments, const char *name);
/* The last value given for an option, or NULL. Borrowed. */
const char *pq_arguments_value(const pq_arguments *arguments, const char *name);
/* All values given for an option, in their order. */
void pq_arguments_values(const pq_arguments *arguments, const char *name, pq_strings *out);

/* The text of `pratique COMMAND --help`. */
void pq_command_help(const pq_command *command, pq_buf *out);
/* What this program is, of the several that the same sources make. */
typedef struct pq_program {
    const char *about;    /* a paragraph */
    const char *examples; /* lines, as in pq_command */
    const pq_command *const *commands;
    size_t count;
} pq_program;

/* The text of `pratique --help`. */
void pq_program_help(const pq_program *program, pq_buf *out);
