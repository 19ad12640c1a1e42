#include "pq_cmocka.h"

#include "base/error.h"

static void an_error_is_one_printable_line(void **state)
{
    (void)state;
    PQ_AUTO_ERROR err = {0};
    assert_false(pq_fail(&err, PQ_ECONFIG, "f\n.yml:3", "write region", "unknown key %s", "reg\033ion"));
    (void)pq_error_wrap(&err, "registry 1");
    (void)pq_error_at(&err, "elsewhere");
    PQ_AUTO_BUF line = PQ_BUF(1024);
    pq_error_format(&err, &line);
    assert_string_equal(pq_buf_text(&line),
                        "pratique: f\\x0a.yml:3: registry 1: unknown key reg\\x1bion (write region)");
}

static void the_status_of_several_is_the_worst(void **state)
{
    (void)state;
    PQ_AUTO_ERRORS list = {0};
    assert_int_equal(pq_errors_status(&list), 0);
    (void)pq_errors_add(&list, PQ_ETRANSPORT, NULL, NULL, "a");
    (void)pq_errors_add(&list, PQ_EBUSY, NULL, NULL, "b");
    assert_int_equal(pq_errors_status(&list), 3);
    (void)pq_errors_add(&list, PQ_EDENIED, NULL, NULL, "c");
    assert_int_equal(pq_errors_status(&list), 1);
    (void)pq_errors_add(&list, PQ_EINPUT, NULL, NULL, "d");
    assert_int_equal(pq_errors_status(&list), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_is_one_printable_line),
        cmocka_unit_test(the_status_of_several_is_the_worst),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
