#include "pq_cmocka.h"

#include <math.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/library.h"

static pq_library maths = {.files = {"libno-such-thing.so.1", "libm.so.6"}, .hint = "install it"};
static pq_library missing = {.files = {"libno-such-thing.so.1"}, .hint = "install it"};

/* One that nothing else here needs. */
PQ_STAND_IN(maths, double, j0, (double x), (x))
PQ_STAND_IN(maths, double, j1, (double x), (x))

void no_such_function(void); /* nowhere */

static void a_stand_in_calls_the_real_one(void **state)
{
    (void)state;
    /* Abramowitz and Stegun, table 9.1. */
    volatile double one = 1;
    assert_true(fabs(j0(one) - 0.7651976866) < 1e-10);
    assert_true(fabs(j1(one) - 0.4400505857) < 1e-10);
    assert_true(fabs(j0(one) - 0.7651976866) < 1e-10);
}

static void a_missing_library_is_an_error(void **state)
{
    (void)state;
    PQ_AUTO_ERROR err = {0};
    assert_false(pq_library_open(&missing, &err));
    assert_int_equal(err.code, PQ_ESYSTEM);
    assert_string_equal(err.message, "cannot load the library libno-such-thing.so.1");
    assert_string_equal(err.hint, "install it");
    pq_error_clear(&err);
    assert_true(pq_library_open(&maths, &err) && pq_library_open(&maths, &err));
}

static void use_what_is_missing(pq_library *library)
{
    pq_function_slot slot = NULL;
    PQ_REAL(*library, no_such_function, slot)();
}

static void what_is_missing_ends_the_program(void **state)
{
    (void)state;
    pq_library *libraries[] = {&maths, &missing};
    for (size_t i = 0; i < 2; i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            use_what_is_missing(libraries[i]);
            _exit(0);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stand_in_calls_the_real_one),
        cmocka_unit_test(a_missing_library_is_an_error),
        cmocka_unit_test(what_is_missing_ends_the_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
