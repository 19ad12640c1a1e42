#include "auth/clock_skew.h"

#include "base/clock.h"
#include "base/log.h"

static char *duration_text(long seconds)
{
    if (seconds < 120)
        return pq_asprintf("%ld seconds", seconds);
    if (seconds < 120L * 60)
        return pq_asprintf("%ld minutes", seconds / 60);
    if (seconds < 48L * 3600)
        return pq_asprintf("%ld hours", seconds / 3600);
    return pq_asprintf("%ld days", seconds / 86400);
}

bool pq_clock_skew_learn(const pq_http_answer *answer, const char *where, const char *whose, long *offset)
{
    const char *date = pq_http_header(answer, "Date");
    time_t theirs;
    if (!date || !pq_time_parse_http(date, &theirs))
        return false;
    *offset = (long)(theirs - pq_now());
    PQ_AUTO_FREE char *by = duration_text(labs(*offset));
    PQ_AUTO_FREE char *hint = pq_asprintf("set this machine's clock; the request is made again with %s's time", whose);
    pq_warn(where, hint, "this machine's clock is %s %s", by, *offset > 0 ? "slow" : "fast");
    return true;
}
