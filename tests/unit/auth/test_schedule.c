#include "pq_cmocka.h"

#include "auth/schedule.h"

static const double nearly_one = 0.999999;

#define ASSERT_NEAR(value, expected)                                                                                   \
    do {                                                                                                               \
        double assert_value = (value), assert_expected = (expected);                                                   \
        assert_true(assert_value > assert_expected - 0.01 && assert_value < assert_expected + 0.01);                   \
    } while (0)

static void it_is_renewed_within_the_fifth_tenth_of_its_life(void **state)
{
    (void)state;
    ASSERT_NEAR(pq_schedule_refresh(43200, false, 0), 21600);
    ASSERT_NEAR(pq_schedule_refresh(43200, false, nearly_one), 17280);
    /* After a throng, later. */
    ASSERT_NEAR(pq_schedule_refresh(3600, true, 0), 2520);
    ASSERT_NEAR(pq_schedule_refresh(3600, true, nearly_one), 3240);
}

/* The table of schedule.h. */
static void failures_are_remembered_by_kind_and_count(void **state)
{
    (void)state;
    static const struct {
        pq_failure_kind kind;
        bool asked;
        double base, most[7]; /* of failure 1, 2, … */
    } cases[] = {
        {PQ_FAILURE_REFUSED, true, 60, {120, 180, 300, 540, 660, 660, 660}},
        {PQ_FAILURE_REFUSED, false, 60, {120, 180, 300, 540, 1020, 1980, 3660}},
        {PQ_FAILURE_BUSY, true, 10, {70, 190, 550, 910, 910, 910, 910}},
        {PQ_FAILURE_BUSY, false, 10, {70, 190, 550, 1630, 3610, 3610, 3610}},
        {PQ_FAILURE_UNREACHED, true, 5, {10, 15, 25, 35, 35, 35, 35}},
        {PQ_FAILURE_UNREACHED, false, 5, {10, 15, 25, 45, 85, 165, 325}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (unsigned n = 1; n <= 7; n++) {
            ASSERT_NEAR(pq_schedule_wait(cases[i].kind, n, -1, cases[i].asked, 0), cases[i].base);
            ASSERT_NEAR(pq_schedule_wait(cases[i].kind, n, -1, cases[i].asked, nearly_one), cases[i].most[n - 1]);
        }
    ASSERT_NEAR(pq_schedule_wait(PQ_FAILURE_BUSY, ~0u, -1, true, nearly_one), 910);
    ASSERT_NEAR(pq_schedule_wait(PQ_FAILURE_UNREACHED, ~0u, -1, false, nearly_one), 605);
}

static void what_the_service_asks_for_is_kept_to(void **state)
{
    (void)state;
    ASSERT_NEAR(pq_schedule_wait(PQ_FAILURE_BUSY, 1, 3, true, 0), 10);
    ASSERT_NEAR(pq_schedule_wait(PQ_FAILURE_BUSY, 1, 120, true, 0), 120);
    ASSERT_NEAR(pq_schedule_wait(PQ_FAILURE_BUSY, 1, 120, true, nearly_one), 180);
    ASSERT_NEAR(pq_schedule_wait(PQ_FAILURE_BUSY, 1, 1e9, true, 0), 3600);
}

static void kinds_of_errors(void **state)
{
    (void)state;
    assert_int_equal(pq_failure_kind_of(PQ_EBUSY), PQ_FAILURE_BUSY);
    assert_int_equal(pq_failure_kind_of(PQ_ETRANSPORT), PQ_FAILURE_UNREACHED);
    static const pq_code refused[] = {PQ_EDENIED, PQ_ENOTFOUND, PQ_EFAILED, PQ_ECONFIG, PQ_ESYSTEM};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        assert_int_equal(pq_failure_kind_of(refused[i]), PQ_FAILURE_REFUSED);
}

static void after_a_start_it_waits_for_chance_or_for_somebody(void **state)
{
    (void)state;
    pq_schedule s;
    pq_schedule_begin(&s, 1000, PQ_SCHEDULE_BOOT_WINDOW, 0.5);
    ASSERT_NEAR(pq_schedule_next(&s, false), 2800);
    ASSERT_NEAR(pq_schedule_next(&s, true), 1000);
}

static void who_waits_is_served_at_once_but_for_a_failure(void **state)
{
    (void)state;
    pq_schedule s;
    pq_schedule_begin(&s, 0, PQ_SCHEDULE_BOOT_WINDOW, 0);
    pq_schedule_failed(&s, 100, 0, PQ_FAILURE_REFUSED, -1, 0.5);
    ASSERT_NEAR(pq_schedule_next(&s, true), 190);
    pq_schedule_failed(&s, 200, 0, PQ_FAILURE_REFUSED, -1, 0.5);
    ASSERT_NEAR(pq_schedule_next(&s, true), 320);
    assert_int_equal(s.failures, 2);
    pq_schedule_got(&s, 400, 3600, 0);
    assert_int_equal(s.failures, 0);
    ASSERT_NEAR(pq_schedule_next(&s, false), 2200);
    ASSERT_NEAR(pq_schedule_next(&s, true), 400);
    pq_schedule_failed(&s, 2200, 1800, PQ_FAILURE_UNREACHED, -1, 0);
    pq_schedule_forget(&s, 2201);
    ASSERT_NEAR(pq_schedule_next(&s, false), 2201);
    assert_int_equal(s.failures, 0);
}

/* Tries to renew are spread over what is left; the one after the last is of the usual kind. */
static void a_busy_service_is_left_alone_while_the_old_one_is_good(void **state)
{
    (void)state;
    pq_schedule s = {0};
    double now = 0, expires = 21600;
    unsigned tries = 0;
    while (now < expires) {
        pq_schedule_failed(&s, now, expires - now, PQ_FAILURE_BUSY, -1, 0.5);
        assert_true(s.due >= now + 10 && s.crowded);
        now = pq_schedule_next(&s, false);
        tries++;
    }
    assert_in_range(tries, 8, 16);
    pq_schedule_got(&s, now, 3600, 0.5);
    ASSERT_NEAR(s.due, now + 2880);
    assert_false(s.crowded);
}

static void a_clock_that_is_set_back_makes_nothing_last_longer(void **state)
{
    (void)state;
    ASSERT_NEAR(pq_schedule_left(3600, 3600, 0), 3600);
    ASSERT_NEAR(pq_schedule_left(3000, 3600, 600), 3000);
    /* Set back by an hour after 3,700 seconds; and set forward by one. */
    assert_true(pq_schedule_left(3500, 3600, 3700) <= 0);
    assert_true(pq_schedule_left(-10, 3600, 10) <= 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_renewed_within_the_fifth_tenth_of_its_life),
        cmocka_unit_test(failures_are_remembered_by_kind_and_count),
        cmocka_unit_test(what_the_service_asks_for_is_kept_to),
        cmocka_unit_test(kinds_of_errors),
        cmocka_unit_test(after_a_start_it_waits_for_chance_or_for_somebody),
        cmocka_unit_test(who_waits_is_served_at_once_but_for_a_failure),
        cmocka_unit_test(a_busy_service_is_left_alone_while_the_old_one_is_good),
        cmocka_unit_test(a_clock_that_is_set_back_makes_nothing_last_longer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
