/* `.env` files as Compose reads them (compose-go, dotenv): comments, `export`, quotes, escapes, interpolation. */
#pragma once

#include "scan/vars.h"

/* Adds the file's variables to `out`, replacing earlier ones. A value may use `environment` (which wins) and the
 * variables above it, those already in `out` among them; one that is set nowhere leaves its name in pq_var.gap. A name
 * alone takes its value from `environment`. `name` is for errors, whose WHERE is `name:line`; all that are found are
 * added to `errs`. False if there were any. */
bool pq_dotenv_parse(const char *name, const char *bytes, size_t length, const pq_vars *environment, pq_vars *out,
                     pq_errors *errs) PQ_MUST_USE;
