/* A Dockerfile as a list of instructions: lines joined, comments and heredocs taken away, flags apart, and each
 * instruction's own form checked as BuildKit checks it (frontend/dockerfile/parser and instructions). */
#pragma once

#include "scan/form.h"

typedef struct pq_instructions {
    pq_instruction *at;
    size_t count, capacity;
    char escape;           /* '\\', or '`' by `# escape=` */
    char *syntax;          /* image of `# syntax=`, or NULL */
    unsigned syntax_line;  /* 0 for none */
    unsigned heredoc_line; /* first instruction with a heredoc, 0 for none */
} pq_instructions;

#define PQ_AUTO_INSTRUCTIONS PQ_CLEANUP(pq_instructions_clear) pq_instructions

/* Reads all it can; what is wrong is added to scan->errors at file:line. */
void pq_instructions_read(const char *file, const char *bytes, size_t length, pq_instructions *out, pq_scan *scan);
void pq_instructions_clear(pq_instructions *list);
