#include "pq_cmocka.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/process.h"

static bool run(const char *const *words, const pq_strings *environment, pq_buf *out, int *status, pq_error *err)
{
    PQ_AUTO_STRINGS argv = {0};
    for (; *words; words++)
        pq_strings_add(&argv, *words);
    pq_process_options options = {.argv = &argv, .environment = environment, .standard_output = out, .service_fd = -1};
    return pq_process_run(&options, status, err);
}

static void a_child_gets_what_it_is_given_and_no_more(void **state)
{
    (void)state;
    assert_int_equal(setenv("PRATIQUE_TEST_HIDDEN", "x", 1), 0);
    PQ_AUTO_STRINGS environment = {0};
    pq_strings_add(&environment, "PATH=/usr/bin:/bin");
    pq_strings_add(&environment, "GIVEN=a b");
    PQ_AUTO_BUF out = PQ_BUF(4096);
    PQ_AUTO_ERROR err = {0};
    int status = -1;
    assert_true(run((const char *const[]){"env", NULL}, &environment, &out, &status, &err));
    assert_int_equal(status, 0);
    assert_string_equal(pq_buf_text(&out), "PATH=/usr/bin:/bin\nGIVEN=a b\n");
}

static void how_a_child_ended_is_told(void **state)
{
    (void)state;
    PQ_AUTO_STRINGS environment = {0};
    PQ_AUTO_BUF out = PQ_BUF(4096);
    PQ_AUTO_ERROR err = {0};
    int status = -1;
    assert_true(run((const char *const[]){"/bin/sh", "-c", "echo a; exit 7", NULL}, &environment, &out, &status, &err));
    assert_int_equal(status, 7);
    assert_string_equal(pq_buf_text(&out), "a\n");
    assert_true(run((const char *const[]){"/bin/sh", "-c", "kill -9 $$", NULL}, &environment, &out, &status, &err));
    assert_int_equal(status, 137);
}

static void a_child_reads_what_it_is_told(void **state)
{
    (void)state;
    PQ_AUTO_STRINGS argv = {0}, environment = {0};
    pq_strings_add(&argv, "/bin/cat");
    PQ_AUTO_BUF out = PQ_BUF(4096);
    PQ_AUTO_ERROR err = {0};
    int status = -1;
    const pq_process_options options = {.argv = &argv,
                                        .environment = &environment,
                                        .standard_output = &out,
                                        .standard_input = "ghcr.io\n",
                                        .service_fd = -1};
    assert_true(pq_process_run(&options, &status, &err));
    assert_int_equal(status, 0);
    assert_string_equal(pq_buf_text(&out), "ghcr.io\n");
    assert_true(run((const char *const[]){"/bin/cat", NULL}, &environment, &out, &status, &err));
    assert_string_equal(pq_buf_text(&out), "ghcr.io\n");
}

static void a_child_has_its_time(void **state)
{
    (void)state;
    PQ_AUTO_STRINGS argv = {0}, environment = {0};
    pq_strings_add(&argv, "/bin/sleep");
    pq_strings_add(&argv, "30");
    PQ_AUTO_ERROR err = {0};
    int status = -1;
    const pq_process_options options = {.argv = &argv, .environment = &environment, .timeout = 0.2, .service_fd = -1};
    double begun = pq_monotonic();
    assert_false(pq_process_run(&options, &status, &err));
    assert_int_equal(err.code, PQ_EFAILED);
    assert_string_equal(err.where, "/bin/sleep");
    assert_string_equal(err.message, "does not end within 0.2 seconds");
    assert_true(pq_monotonic() - begun < 5);
}

static void what_cannot_be_run_is_an_error(void **state)
{
    (void)state;
    PQ_AUTO_STRINGS environment = {0};
    pq_strings_add(&environment, "PATH=.:/nowhere");
    PQ_AUTO_BUF out = PQ_BUF(4096);
    PQ_AUTO_ERROR err = {0};
    int status = -1;
    assert_false(run((const char *const[]){"sh", NULL}, &environment, &out, &status, &err));
    assert_int_equal(err.code, PQ_ENOTFOUND);
    assert_false(run((const char *const[]){"/etc/hostname", NULL}, &environment, &out, &status, &err));
    assert_int_equal(err.code, PQ_ESYSTEM);
}

/* A grandchild that keeps the pipe open must not keep us waiting. */
static void grandchildren_are_not_waited_for(void **state)
{
    (void)state;
    PQ_AUTO_STRINGS environment = {0};
    PQ_AUTO_BUF out = PQ_BUF(4096);
    PQ_AUTO_ERROR err = {0};
    int status = -1;
    time_t before = time(NULL);
    assert_true(
        run((const char *const[]){"/bin/sh", "-c", "sleep 4 & echo done", NULL}, &environment, &out, &status, &err));
    assert_string_equal(pq_buf_text(&out), "done\n");
    assert_true(time(NULL) - before < 3);
}

static double served_at;

static void note_time(void *context)
{
    char byte;
    if (read(*(int *)context, &byte, 1) == 1)
        served_at = pq_monotonic();
}

static void take_slowly(void *context, const char *bytes, size_t length)
{
    (void)context, (void)bytes, (void)length;
    (void)usleep(2000);
}

/* What the child says endlessly must not keep us from the rest: here from a question after half a second. */
static void endless_output_leaves_time_for_the_rest(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(pipe(pair), 0);
    if (fork() == 0) {
        (void)usleep(500000);
        _exit(write(pair[1], "x", 1) == 1 ? 0 : 1);
    }
    PQ_AUTO_STRINGS environment = {0}, argv = {0};
    pq_strings_add(&environment, "PATH=/usr/bin:/bin");
    pq_strings_add(&argv, "timeout");
    pq_strings_add(&argv, "2");
    pq_strings_add(&argv, "yes");
    PQ_AUTO_ERROR err = {0};
    int status = -1;
    double began = pq_monotonic();
    pq_process_options options = {.argv = &argv,
                                  .environment = &environment,
                                  .output = take_slowly,
                                  .service_fd = pair[0],
                                  .service = note_time,
                                  .service_context = &pair[0]};
    assert_true(pq_process_run(&options, &status, &err));
    assert_true(served_at > began && served_at < began + 1.5);
    (void)close(pair[0]);
    (void)close(pair[1]);
}

/* A relative entry would run what lies in the child's folder. */
static void only_absolute_folders_of_the_path_are_handed_on(void **state)
{
    (void)state;
    PQ_AUTO_STRINGS out = {0};
    assert_int_equal(setenv("PATH", ".:/a::b:/c:", 1), 0);
    pq_process_environment_path(&out, "/first");
    pq_process_environment_path(&out, NULL);
    assert_int_equal(setenv("PATH", ".", 1), 0);
    pq_process_environment_path(&out, NULL);
    assert_string_equal(out.at[0], "PATH=/first:/a:/c");
    assert_string_equal(out.at[1], "PATH=/a:/c");
    assert_string_equal(out.at[2], "PATH=/usr/local/bin:/usr/bin:/bin");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(endless_output_leaves_time_for_the_rest),
        cmocka_unit_test(only_absolute_folders_of_the_path_are_handed_on),
        cmocka_unit_test(a_child_gets_what_it_is_given_and_no_more),
        cmocka_unit_test(how_a_child_ended_is_told),
        cmocka_unit_test(a_child_reads_what_it_is_told),
        cmocka_unit_test(a_child_has_its_time),
        cmocka_unit_test(what_cannot_be_run_is_an_error),
        cmocka_unit_test(grandchildren_are_not_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
