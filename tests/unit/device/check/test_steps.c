#include "pq_cmocka.h"

#include <string.h>

#include "device/check/identity.h"
#include "device/check/steps.h"

static void a_list_of_possibilities_becomes_lines(void **state)
{
    (void)state;
    static const struct {
        const char *hint;
        size_t count;
        const char *parts[4];
    } cases[] = {
        {"check the name", 1, {"check the name"}},
        {"one; two; or three", 1, {"one; two; or three"}},
        {"it can be that the thing is not there: `a`; that the policy is: `b`; or that the alias is",
         3,
         {"the thing is not there: `a`", "the policy is: `b`", "the alias is"}},
        {"it can be that a; or that b", 2, {"a", "b"}},
        {"it can be that `cd x; make`; or that b", 2, {"`cd x; make`", "b"}},
        {"it can be that a, that b, or that c: ask", 1, {"it can be that a, that b, or that c: ask"}},
        {"it can be that ", 1, {"it can be that "}},
        {"it can be that a; ", 1, {"a"}},
        {"", 1, {""}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        PQ_AUTO_STRINGS parts = {0};
        pq_check_hint_parts(cases[i].hint, &parts);
        assert_int_equal(parts.count, cases[i].count);
        for (size_t j = 0; j < parts.count; j++)
            assert_string_equal(parts.at[j], cases[i].parts[j]);
    }
}

static void count_step(void *context, const pq_check_step *step)
{
    int *seen = context;
    assert_non_null(step->detail);
    (*seen)++;
}

static void a_failure_is_kept_and_told(void **state)
{
    (void)state;
    int seen = 0;
    PQ_AUTO_CHECK_STEPS steps = {.said = count_step, .said_context = &seen};
    PQ_AUTO_ERROR err = {0};
    pq_check_ok(&steps, PQ_CHECK_DNS, "host", NULL, "%d addresses", 2);
    (void)pq_fail(&err, PQ_ETRANSPORT, "device.yml:3", "try", "broken");
    assert_false(pq_check_fail(&steps, PQ_CHECK_TCP, "host", &err));
    pq_check_skip(&steps, PQ_CHECK_TLS, NULL, "not tried");
    assert_int_equal(seen, 3);
    assert_int_equal(steps.count, 3);
    assert_string_equal(steps.at[0].detail, "2 addresses");
    assert_string_equal(steps.at[1].detail, "device.yml:3: broken");
    assert_string_equal(steps.at[1].hint, "try");
    assert_int_equal(steps.error.code, PQ_ETRANSPORT);
    assert_int_equal(err.code, PQ_OK);
    assert_true(pq_check_have(&steps, "tls"));
    assert_false(pq_check_have(&steps, "image"));
    assert_string_equal(pq_check_status_name(steps.at[2].status), "skipped");
}

static void a_clock_is_wrong_from_five_minutes_on(void **state)
{
    (void)state;
    PQ_AUTO_ERROR err = {0};
    time_t now = pq_now();
    assert_true(pq_check_skew(now + 295, "host", &err));
    assert_true(pq_check_skew(now - 295, "host", &err));
    assert_false(pq_check_skew(now + 330, "host", &err));
    assert_non_null(strstr(err.message, "5 minutes behind"));
    assert_false(pq_check_skew(now - 3 * 86400 - 10, "host", &err));
    assert_non_null(strstr(err.message, "3 days ahead"));
    assert_int_equal(pq_code_status(err.code), 1);
}

static void durations_are_told_in_one_unit(void **state)
{
    (void)state;
    static const struct {
        time_t seconds;
        const char *words;
    } cases[] = {{0, "0 seconds"},  {-90, "90 seconds"},  {120, "2 minutes"}, {7199, "119 minutes"},
                 {7200, "2 hours"}, {172799, "47 hours"}, {172800, "2 days"}, {31536000, "365 days"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        PQ_AUTO_FREE char *words = pq_check_duration(cases[i].seconds);
        assert_string_equal(words, cases[i].words);
    }
}

static void a_place_shows_no_pin(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"/var/sota/pkey.pem", "/var/sota/pkey.pem"},
        {"/odd?name;pin-x", "/odd?name;pin-x"},
        {"pkcs11:token=a;object=b?pin-source=file:/etc/pin", "pkcs11:token=a;object=b"},
        {"PKCS11:token=a;pin-value=1234;object=b", "PKCS11:token=a"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        PQ_AUTO_FREE char *shown = pq_check_place(cases[i][0]);
        assert_string_equal(shown, cases[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_of_possibilities_becomes_lines),
        cmocka_unit_test(a_failure_is_kept_and_told),
        cmocka_unit_test(a_clock_is_wrong_from_five_minutes_on),
        cmocka_unit_test(durations_are_told_in_one_unit),
        cmocka_unit_test(a_place_shows_no_pin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
