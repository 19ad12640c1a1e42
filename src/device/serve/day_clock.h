/* Whether the machine's clock of the day can be right, and hearing of it when somebody sets it. */
#pragma once

#include "base/clock.h"

typedef struct pq_day_clock {
    int fd; /* readable after the clock was set; -1 while it is not watched */
    bool wrong;
    bool told; /* that it is, to the journal */
} pq_day_clock;

#define PQ_DAY_CLOCK_NONE ((pq_day_clock){.fd = -1})

/* Watches it; false with errno. */
bool pq_day_clock_watch(pq_day_clock *clock) PQ_MUST_USE;
void pq_day_clock_clear(pq_day_clock *clock);
/* After `fd` was readable: goes on watching. */
void pq_day_clock_was_set(const pq_day_clock *clock);
/* Judges `now` of pq_now(): it is wrong before this program was written, and before `begins`, that of a certificate, 0
 * for none. True when it was wrong until now, and is no more. Each is said once. */
bool pq_day_clock_judge(pq_day_clock *clock, time_t now, time_t begins);
/* Why it is wrong; `err` is filled. */
void pq_day_clock_why(time_t now, time_t begins, pq_error *err);
