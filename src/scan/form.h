/* The form of one Dockerfile instruction: keyword, flags, arguments, and which of each BuildKit allows. */
#pragma once

#include "scan/instruction.h"

/* Fills `out` (its `line` is set already) from the joined text of an instruction. False, with an error at file:line in
 * scan->errors, when BuildKit would refuse it. */
bool pq_form_read(const char *file, const char *text, char escape, pq_instruction *out, pq_scan *scan) PQ_MUST_USE;
void pq_form_clear(pq_instruction *instruction);
