#include "auth/common/clock_skew.h"

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

static bool read_date(const pq_http_answer *answer, time_t *out)
{
    const char *date = pq_http_header(answer, "Date");
    return date && pq_time_parse_http(date, out);
}

/* `meanwhile` says what is done about it. */
static bool learn(const pq_http_answer *answer, const char *where, const char *meanwhile, long *offset)
{
    time_t theirs;
    if (!read_date(answer, &theirs))
        return false;
    *offset = (long)(theirs - pq_now());
    PQ_AUTO_FREE char *by = duration_text(labs(*offset));
    PQ_AUTO_FREE char *hint = pq_asprintf("set this machine's clock; %s", meanwhile);
    pq_warn(where, hint, "this machine's clock is %s %s", by, *offset > 0 ? "slow" : "fast");
    return true;
}

bool pq_clock_skew_learn(const pq_http_answer *answer, const char *where, const char *whose, long *offset)
{
    PQ_AUTO_FREE char *meanwhile = pq_asprintf("the request is made again with %s's time", whose);
    return learn(answer, where, meanwhile, offset);
}

bool pq_clock_skew_is_large(const pq_http_answer *answer, long offset)
{
    enum { TOLERATED = 5 * 60 };
    time_t theirs;
    return read_date(answer, &theirs) && labs((long)(theirs - pq_now()) - offset) > TOLERATED;
}

void pq_clock_skew_notice(const pq_http_answer *answer, const char *where, const char *whose, long *offset)
{
    PQ_AUTO_FREE char *meanwhile = pq_asprintf("%s's time is used meanwhile", whose);
    if (pq_clock_skew_is_large(answer, *offset))
        (void)learn(answer, where, meanwhile, offset);
}
