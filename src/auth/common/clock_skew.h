/* How far this machine's clock is from a service's. */
#pragma once

#include "net/http.h"

/* Learns from the Date of an answer how many seconds must be added to this machine's clock, and says so in a warning.
 * `whose` is "AWS" or "Entra ID". False when the answer has no date. */
bool pq_clock_skew_learn(const pq_http_answer *answer, const char *where, const char *whose, long *offset) PQ_MUST_USE;
/* Whether the Date of an answer is more than five minutes from this machine's clock, as corrected by `offset`: as much
 * as services of clouds let pass. */
bool pq_clock_skew_is_large(const pq_http_answer *answer, long offset) PQ_MUST_USE;
/* Learns in the same way, but only from a difference as large as that, where nobody refused anything yet: what follows
 * is better made by the service's time. */
void pq_clock_skew_notice(const pq_http_answer *answer, const char *where, const char *whose, long *offset);
