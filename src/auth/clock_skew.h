/* How far this machine's clock is from a service's. */
#pragma once

#include "net/http.h"

/* Learns from the Date of an answer how many seconds must be added to this machine's clock, and says so in a warning.
 * `whose` is "AWS" or "Entra ID". False when the answer has no date. */
bool pq_clock_skew_learn(const pq_http_answer *answer, const char *where, const char *whose, long *offset) PQ_MUST_USE;
