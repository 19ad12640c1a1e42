/* Times: seconds since 1970 in UTC, as time_t. */
#pragma once

#include "base/error.h"

#include <time.h>

#define PQ_TIME_TEXT 24 /* room for "2026-11-23T14:05:00Z" */

time_t pq_now(void);
/* Seconds of a clock that never jumps, for timeouts. */
double pq_monotonic(void);
/* The same of one that goes on while the machine sleeps. */
double pq_boot_time(void);
/* RFC 3339 in UTC, whole seconds. Years 1970 to 9999. */
void pq_time_text(time_t when, char out[PQ_TIME_TEXT]);
/* RFC 3339 with `Z` or an offset, with or without a fraction (which is dropped). */
bool pq_time_parse(const char *text, time_t *out) PQ_MUST_USE;
/* The Date header of HTTP: IMF-fixdate (RFC 9110, section 5.6.7). */
bool pq_time_parse_http(const char *text, time_t *out) PQ_MUST_USE;
/* "20150830T123600Z", as Signature Version 4 writes it. */
void pq_time_compact(time_t when, char out[PQ_TIME_TEXT]);
/* "1Y3M5D", "90D", "12h": years, months and days of the calendar, hours; added to `from`. */
bool pq_time_add_period(time_t from, const char *period, time_t *out) PQ_MUST_USE;
/* Sleeps, but returns early when a signal arrives (false). */
bool pq_sleep(double seconds);
