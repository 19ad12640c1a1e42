/* The form of one Dockerfile instruction: keyword, flags, arguments, and which of each BuildKit allows. */
#pragma once

#include "base/text.h"
#include "scan/scan.h"

typedef struct pq_instruction {
    char *keyword;    /* lower case; one that BuildKit knows */
    pq_strings flags; /* "--from=x", quotes and escapes taken away */
    pq_strings args;  /* ADD, COPY, VOLUME, FROM, EXPOSE: words; ARG: NAME[=VALUE] with quotes; JSON form: its items */
    unsigned line;    /* where it begins */
    bool json;        /* arguments are a JSON array */
    bool trigger;     /* it stands after ONBUILD */
} pq_instruction;

/* Fills `out` (its `line` is set already) from the joined text of an instruction. False, with an error at file:line in
 * scan->errors, when BuildKit would refuse it. */
bool pq_form_read(const char *file, const char *text, char escape, pq_instruction *out, pq_scan *scan) PQ_MUST_USE;
void pq_form_clear(pq_instruction *instruction);
/* The value of the last flag `--NAME=VALUE`, or NULL. Borrowed. */
const char *pq_instruction_flag(const pq_instruction *instruction, const char *name);
