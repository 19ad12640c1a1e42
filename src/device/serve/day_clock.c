#include "device/serve/day_clock.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include "base/log.h"

enum { EARLIEST = 1735689600 }; /* 2025-01-01: this program is younger */

static void watch(int fd)
{
    /* Fires at the end of time, or as soon as somebody sets the clock (timerfd_create(2), TFD_TIMER_CANCEL_ON_SET). An
     * end that can come, as 2038 does, would fire for ever. A kernel before 5.1 takes no later one from programs of 32
     * bits. */
    struct itimerspec never = {.it_value = {.tv_sec = INT64_MAX}};
    if (timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL) == 0)
        return;
    never.it_value.tv_sec = INT32_MAX;
    (void)timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL);
}

bool pq_day_clock_watch(pq_day_clock *clock)
{
    clock->fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (clock->fd < 0)
        return false;
    watch(clock->fd);
    return true;
}

void pq_day_clock_clear(pq_day_clock *clock)
{
    if (clock->fd >= 0)
        (void)close(clock->fd);
    *clock = PQ_DAY_CLOCK_NONE;
}

void pq_day_clock_was_set(const pq_day_clock *clock)
{
    uint64_t ignored;
    (void)!read(clock->fd, &ignored, sizeof ignored);
    watch(clock->fd);
}

void pq_day_clock_why(time_t now, time_t begins, pq_error *err)
{
    char now_text[PQ_TIME_TEXT], begins_text[PQ_TIME_TEXT];
    pq_time_text(now, now_text);
    pq_time_text(begins, begins_text);
    if (begins > now)
        (void)pq_fail(err, PQ_ESYSTEM, NULL, "set it, or wait until it is set over the network",
                      "this device's clock says %s, which is before its certificate began (%s)", now_text, begins_text);
    else
        (void)pq_fail(err, PQ_ESYSTEM, NULL, "set it, or wait until it is set over the network",
                      "this device's clock says %s, which cannot be", now_text);
}

bool pq_day_clock_judge(pq_day_clock *clock, time_t now, time_t begins)
{
    bool was = clock->wrong;
    clock->wrong = now < EARLIEST || now < begins;
    if (clock->wrong && !clock->told) {
        PQ_AUTO_ERROR err = {0};
        pq_day_clock_why(now, begins, &err);
        pq_note("%s: waiting", err.message);
        clock->told = true;
    }
    if (!was || clock->wrong)
        return false;
    pq_note("the clock is set: going on");
    clock->told = false;
    return true;
}
