/* Where docker-credential-pratique lies: beside this very program. */
#pragma once

#include "base/error.h"

bool pq_helper_place(char **out, pq_error *err) PQ_MUST_USE; /* owned, absolute */
