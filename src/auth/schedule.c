#include "auth/schedule.h"

static const double longest_asked_for = 3600;

static const struct {
    double base, spread, growth, asked, idle;
} memory[] = {
    [PQ_FAILURE_REFUSED] = {60, 60, 2, 600, 3600},
    [PQ_FAILURE_BUSY] = {10, 60, 3, 900, 3600},
    [PQ_FAILURE_UNREACHED] = {5, 5, 2, 30, 600},
};

pq_failure_kind pq_failure_kind_of(pq_code code)
{
    return code == PQ_EBUSY ? PQ_FAILURE_BUSY : code == PQ_ETRANSPORT ? PQ_FAILURE_UNREACHED : PQ_FAILURE_REFUSED;
}

double pq_schedule_refresh(double life, bool crowded, double chance)
{
    return crowded ? life * (0.7 + 0.2 * chance) : life * (0.5 - 0.1 * chance);
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

double pq_schedule_wait(pq_failure_kind kind, unsigned failures, double retry_after, bool asked, double chance)
{
    double base = memory[kind].base, cap = asked ? memory[kind].asked : memory[kind].idle;
    double spread = memory[kind].spread;
    for (unsigned i = 1; i < failures && spread < cap; i++)
        spread *= memory[kind].growth;
    if (retry_after > longest_asked_for)
        retry_after = longest_asked_for;
    return larger(base, retry_after) + chance * (spread < cap ? spread : cap);
}

void pq_schedule_begin(pq_schedule *schedule, double now, double boot_window, double chance)
{
    *schedule = (pq_schedule){.due = now + chance * boot_window, .barred = now};
}

void pq_schedule_got(pq_schedule *schedule, double now, double life, double chance)
{
    double refresh = pq_schedule_refresh(life, schedule->crowded, chance);
    *schedule = (pq_schedule){.due = now + refresh, .barred = now};
}

void pq_schedule_failed(pq_schedule *schedule, double now, double left, pq_failure_kind kind, double retry_after,
                        double chance)
{
    unsigned failures = schedule->failures < ~0u ? schedule->failures + 1 : schedule->failures;
    double idle = pq_schedule_wait(kind, failures, retry_after, false, chance);
    if (kind == PQ_FAILURE_BUSY && left > 0)
        idle = larger(pq_schedule_wait(kind, 1, retry_after, false, chance), left * (0.25 + 0.25 * chance));
    *schedule = (pq_schedule){
        .due = now + idle,
        .barred = now + pq_schedule_wait(kind, failures, retry_after, true, chance),
        .failures = failures,
        .crowded = schedule->crowded || kind == PQ_FAILURE_BUSY,
    };
}

void pq_schedule_forget(pq_schedule *schedule, double now)
{
    *schedule = (pq_schedule){.due = now, .barred = now, .crowded = schedule->crowded};
}

double pq_schedule_next(const pq_schedule *schedule, bool somebody_waits)
{
    return somebody_waits ? schedule->barred : schedule->due;
}

double pq_schedule_left(double by_clock, double when_got, double passed)
{
    double left = when_got - passed;
    return by_clock < left ? by_clock : left;
}
