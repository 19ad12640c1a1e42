#include "pq_cmocka.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "device/serve/work.h"

typedef struct task {
    const char *says;
    size_t times;
    int status;
    double sleeps;
    bool crashes;
} task;

static int run(void *context, int out)
{
    const task *t = context;
    PQ_AUTO_ERROR ignored = {0};
    for (size_t i = 0; i < t->times; i++)
        if (!pq_write_fd(out, "pipe", t->says, strlen(t->says), &ignored))
            return 9;
    if (t->sleeps > 0)
        (void)pq_sleep(t->sleeps);
    if (t->crashes)
        (void)raise(SIGKILL);
    return t->status;
}

static pq_work_state finish(task t, double seconds, pq_work *work, int *status)
{
    PQ_AUTO_ERROR err = {0};
    assert_true(pq_work_start(work, run, &t, pq_monotonic(), seconds, 100000, &err));
    pq_work_state state;
    while ((state = pq_work_look(work, pq_monotonic(), status)) == PQ_WORK_RUNS) {
        struct pollfd polled = {.fd = work->fd, .events = POLLIN};
        (void)poll(&polled, 1, 20);
    }
    assert_int_equal(work->child, 0);
    assert_int_equal(work->fd, -1);
    return state;
}

static void its_result_comes_through_the_pipe(void **state)
{
    (void)state;
    pq_work work = PQ_WORK_NONE;
    int status = -1;
    assert_int_equal(finish((task){.says = "0123456789", .times = 9000}, 10, &work, &status), PQ_WORK_DONE);
    assert_int_equal(status, 0);
    assert_int_equal(work.output.length, 90000);
    pq_work_clear(&work);
    assert_int_equal(work.output.length, 0);
}

static void whatever_it_does_we_go_on(void **state)
{
    (void)state;
    pq_work work = PQ_WORK_NONE;
    int status = -1;
    assert_int_equal(finish((task){.says = "x", .times = 1, .status = 7}, 10, &work, &status), PQ_WORK_FAILED);
    assert_int_equal(status, 7);
    pq_work_clear(&work);
    assert_int_equal(finish((task){.says = "x", .times = 1, .crashes = true}, 10, &work, &status), PQ_WORK_FAILED);
    assert_int_equal(status, 128 + SIGKILL);
    pq_work_clear(&work);
    assert_int_equal(finish((task){.says = "too much", .times = 20000}, 10, &work, &status), PQ_WORK_FAILED);
    pq_work_clear(&work);
    double start = pq_monotonic();
    assert_int_equal(finish((task){.says = "x", .times = 1, .sleeps = 60}, 0.2, &work, &status), PQ_WORK_LATE);
    assert_true(pq_monotonic() - start < 10);
    pq_work_clear(&work);
}

static int close_and_stay(void *context, int out)
{
    const char *says = context;
    PQ_AUTO_ERROR ignored = {0};
    while (pq_write_fd(out, "pipe", says, strlen(says), &ignored) && strlen(says) > 1)
        continue;
    (void)close(out);
    (void)pq_sleep(30);
    return 0;
}

/* As a module would that leaves a daemon behind; and one that says too much for ever. */
static void one_that_does_not_end_holds_up_nobody(void **state)
{
    (void)state;
    const char *const all[] = {"x", "more than is taken"};
    for (size_t i = 0; i < 2; i++) {
        PQ_AUTO_ERROR err = {0};
        pq_work work = PQ_WORK_NONE;
        int status = 0;
        double start = pq_monotonic();
        assert_true(pq_work_start(&work, close_and_stay, (void *)(uintptr_t)all[i], start, 60, 1000, &err));
        while (pq_work_look(&work, pq_monotonic(), &status) == PQ_WORK_RUNS)
            (void)pq_sleep(0.01);
        assert_true(pq_monotonic() - start < 10);
        assert_int_equal(status, 128 + SIGKILL);
        pq_work_clear(&work);
    }
}

static void what_runs_is_killed_when_it_is_let_go(void **state)
{
    (void)state;
    PQ_AUTO_ERROR err = {0};
    pq_work work = PQ_WORK_NONE;
    task t = {.sleeps = 60};
    assert_true(pq_work_start(&work, run, &t, pq_monotonic(), 60, 100, &err));
    pid_t child = work.child;
    pq_work_clear(&work);
    assert_int_equal(kill(child, 0), -1);
}

static int look_at_descriptors(void *context, int out)
{
    const int *other = context;
    /* Neither who asks nor the socket may be held open by a child. */
    char byte = (char)('0' + (write(*other, "", 0) == 0));
    PQ_AUTO_ERROR ignored = {0};
    return pq_write_fd(out, "pipe", &byte, 1, &ignored) ? 0 : 1;
}

static void it_has_no_descriptor_of_ours(void **state)
{
    (void)state;
    PQ_AUTO_ERROR err = {0};
    pq_work work = PQ_WORK_NONE;
    int ends[2], far = -1;
    assert_int_equal(pipe(ends), 0);
    far = dup2(ends[1], 90);
    assert_int_equal(far, 90);
    assert_true(pq_work_start(&work, look_at_descriptors, &far, pq_monotonic(), 10, 100, &err));
    while (pq_work_look(&work, pq_monotonic(), NULL) == PQ_WORK_RUNS)
        (void)pq_sleep(0.01);
    assert_string_equal(pq_buf_text(&work.output), "0");
    pq_work_clear(&work);
    (void)close(ends[0]);
    (void)close(ends[1]);
    (void)close(far);
}

/* As a kernel before 5.9 (ENOSYS), or a filter of systemd that does not know it (EPERM): seccomp(2). */
static void without_close_range(unsigned number)
{
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_close_range, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | number),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof rules / sizeof *rules, .filter = rules};
    bool good =
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
    if (!good)
        _exit(77);
}

static void nor_on_a_kernel_without_close_range(void **state)
{
    static const unsigned numbers[] = {ENOSYS, EPERM};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        int status = 0;
        pid_t child = fork();
        if (child == 0) {
            without_close_range(numbers[i]);
            it_has_no_descriptor_of_ours(state);
            _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        /* 77: there is no seccomp, as under qemu-user. */
        assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77);
    }
}

/* Who is traced is not gone for its parent before the tracer has seen it: as one that the kernel waits for itself. */
static void one_that_cannot_be_killed_holds_up_nobody(void **state)
{
    (void)state;
    PQ_AUTO_ERROR err = {0};
    pq_work work = PQ_WORK_NONE;
    task t = {.sleeps = 60};
    int ready[2], status = 0;
    char byte = 'n';
    assert_int_equal(pipe(ready), 0);
    assert_true(pq_work_start(&work, run, &t, pq_monotonic(), 0.2, 100, &err));
    pid_t tracer = fork();
    if (tracer == 0) {
        byte = ptrace(PTRACE_SEIZE, work.child, NULL, NULL) == 0 ? 'y' : 'n';
        (void)!write(ready[1], &byte, 1);
        (void)pq_sleep(20);
        _exit(0);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    double start = pq_monotonic();
    pq_work_state ended;
    while ((ended = pq_work_look(&work, pq_monotonic(), &status)) == PQ_WORK_RUNS)
        (void)pq_sleep(0.01);
    assert_int_equal(ended, PQ_WORK_LATE);
    assert_int_equal(status, 128 + SIGKILL);
    assert_true(pq_monotonic() - start < 5);
    assert_int_equal(kill(tracer, SIGKILL), 0);
    assert_int_equal(waitpid(tracer, NULL, 0), tracer);
    pq_work_clear(&work);
    /* It is buried when the next is started. */
    (void)pq_sleep(0.1);
    assert_int_equal(finish((task){.says = "x", .times = 1}, 10, &work, &status), PQ_WORK_DONE);
    pq_work_clear(&work);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    (void)close(ready[0]);
    (void)close(ready[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_result_comes_through_the_pipe),
        cmocka_unit_test(whatever_it_does_we_go_on),
        cmocka_unit_test(one_that_does_not_end_holds_up_nobody),
        cmocka_unit_test(what_runs_is_killed_when_it_is_let_go),
        cmocka_unit_test(one_that_cannot_be_killed_holds_up_nobody),
        cmocka_unit_test(it_has_no_descriptor_of_ours),
        cmocka_unit_test(nor_on_a_kernel_without_close_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
