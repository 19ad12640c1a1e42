#include "pq_cmocka.h"

#include "device/serve/day_clock.h"

enum { IN_1970 = 100, IN_2025 = 1735689600, IN_2026 = 1767225600 };

static void it_is_wrong_before_this_program_was_written(void **state)
{
    (void)state;
    pq_day_clock clock = PQ_DAY_CLOCK_NONE;
    PQ_AUTO_ERROR err = {0};
    assert_false(pq_day_clock_judge(&clock, IN_1970, 0));
    assert_true(clock.wrong && clock.told);
    pq_day_clock_why(IN_1970, 0, &err);
    assert_string_equal(err.message, "this device's clock says 1970-01-01T00:01:40Z, which cannot be");
    assert_int_equal(err.code, PQ_ESYSTEM);
    assert_false(pq_day_clock_judge(&clock, IN_2025 - 1, 0));
    assert_true(clock.wrong);
    assert_true(pq_day_clock_judge(&clock, IN_2025, 0));
    assert_false(clock.wrong || clock.told);
    assert_false(pq_day_clock_judge(&clock, IN_2025, 0)); /* that was told */
}

static void it_is_wrong_before_the_certificate_began(void **state)
{
    (void)state;
    pq_day_clock clock = PQ_DAY_CLOCK_NONE;
    PQ_AUTO_ERROR err = {0};
    assert_false(pq_day_clock_judge(&clock, IN_2025, IN_2026));
    assert_true(clock.wrong);
    pq_day_clock_why(IN_2025, IN_2026, &err);
    assert_string_equal(err.message, "this device's clock says 2025-01-01T00:00:00Z, which is before its certificate "
                                     "began (2026-01-01T00:00:00Z)");
    assert_true(pq_day_clock_judge(&clock, IN_2026, IN_2026));
}

static void what_was_right_is_no_news(void **state)
{
    (void)state;
    pq_day_clock clock = PQ_DAY_CLOCK_NONE;
    assert_false(pq_day_clock_judge(&clock, IN_2026, 0));
    assert_false(clock.wrong || clock.told);
    assert_true(pq_day_clock_watch(&clock));
    assert_true(clock.fd >= 0);
    pq_day_clock_was_set(&clock); /* does not block */
    pq_day_clock_clear(&clock);
    assert_int_equal(clock.fd, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_wrong_before_this_program_was_written),
        cmocka_unit_test(it_is_wrong_before_the_certificate_began),
        cmocka_unit_test(what_was_right_is_no_news),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
