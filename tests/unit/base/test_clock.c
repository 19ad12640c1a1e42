#include "pq_cmocka.h"

#include "base/clock.h"

/* Expected values: `date -u -d TEXT +%s`. */
static void rfc_3339_is_read(void **state)
{
    (void)state;
    time_t when;
    assert_true(pq_time_parse("2026-11-23T14:05:00Z", &when));
    assert_int_equal(when, 1795442700);
    assert_true(pq_time_parse("2026-11-23T16:05:00.123456+02:00", &when));
    assert_int_equal(when, 1795442700);
    assert_true(pq_time_parse("2024-02-29T00:00:00Z", &when));
    assert_int_equal(when, 1709164800);
    assert_false(pq_time_parse("2026-02-29T00:00:00Z", &when));
    assert_false(pq_time_parse("2026-11-23T14:05:00", &when));
    assert_false(pq_time_parse("2026-11-23", &when));
    assert_false(pq_time_parse("2026-11-23T14:05:00Zjunk", &when));
    char text[PQ_TIME_TEXT];
    pq_time_text(1795442700, text);
    assert_string_equal(text, "2026-11-23T14:05:00Z");
    pq_time_compact(1440938160, text);
    assert_string_equal(text, "20150830T123600Z"); /* AWS's own vectors */
}

static void http_dates_are_read(void **state)
{
    (void)state;
    time_t when;
    assert_true(pq_time_parse_http("Sun, 06 Nov 1994 08:49:37 GMT", &when)); /* RFC 9110's example */
    assert_int_equal(when, 784111777);
    assert_false(pq_time_parse_http("Sunday, 06-Nov-94 08:49:37 GMT", &when));
    assert_false(pq_time_parse_http("", &when));
}

static void periods_follow_the_calendar(void **state)
{
    (void)state;
    time_t when;
    assert_true(pq_time_add_period(1795442700, "1Y3M5D", &when));
    assert_int_equal(when, 1835359500); /* 2028-02-28T14:05:00Z */
    assert_true(pq_time_add_period(0, "7D", &when));
    assert_int_equal(when, 7 * 86400);
    assert_false(pq_time_add_period(0, "", &when));
    assert_false(pq_time_add_period(0, "1X", &when));
    assert_false(pq_time_add_period(0, "Y", &when));
    assert_false(pq_time_add_period(0, "99999Y", &when));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc_3339_is_read),
        cmocka_unit_test(http_dates_are_read),
        cmocka_unit_test(periods_follow_the_calendar),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
