/* Where this very program lies, and docker-credential-pratique beside it. */
#pragma once

#include "base/error.h"

bool pq_program_place(char **out, pq_error *err) PQ_MUST_USE; /* owned, absolute */
bool pq_helper_place(char **out, pq_error *err) PQ_MUST_USE;  /* owned, absolute */
