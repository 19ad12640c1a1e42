#include "device/serve/work.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

enum { OUT = 3 };

/* --- those that do not end ---------------------------------------------------------------------------------------- */

/* A process that the kernel waits for itself (a chip or a network file system that does not answer) ends only when that
 * is over, SIGKILL or not. It is waited for here, and by nobody. */
enum { DYING_MOST = 8, AT_ONCE = 16, LOOKS = 1000 };
static pid_t dying[AT_ONCE];
static size_t dying_count;

static void bury(void)
{
    for (size_t i = dying_count; i-- > 0;)
        if (waitpid(dying[i], NULL, WNOHANG) != 0)
            dying[i] = dying[--dying_count];
}

/* False when it has not ended by then. */
static bool wait_a_little(pid_t child, int *status)
{
    for (int i = 0; i < LOOKS; i++) {
        pid_t ended = waitpid(child, status, WNOHANG);
        if (ended != 0)
            return ended == child || errno != EINTR;
        (void)pq_sleep(0.0002);
    }
    return false;
}

/* --- work --------------------------------------------------------------------------------------------------------- */

static _Noreturn void be_the_child(pq_work_function *function, void *context, int out, pid_t parent)
{
    struct sigaction standard = {.sa_handler = SIG_DFL}, ignore = {.sa_handler = SIG_IGN};
    sigset_t none;
    (void)sigaction(SIGINT, &standard, NULL);
    (void)sigaction(SIGTERM, &standard, NULL);
    (void)sigaction(SIGHUP, &ignore, NULL); /* a reload is the parent's */
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    if (out != OUT && dup2(out, OUT) != OUT)
        _exit(1);
    (void)fcntl(OUT, F_SETFD, FD_CLOEXEC);
    pq_close_from((unsigned)OUT + 1, false);
    _exit(function(context, OUT));
}

bool pq_work_start(pq_work *work, pq_work_function *function, void *context, double now, double seconds, size_t cap,
                   pq_error *err)
{
    int ends[2];
    bury();
    if (dying_count >= DYING_MOST)
        return pq_fail(err, PQ_ESYSTEM, NULL, "does the token, or the file system of the key, answer?",
                       "%zu processes that were killed have not ended yet", dying_count);
    if (pipe2(ends, O_CLOEXEC) != 0)
        return pq_fail_errno(err, NULL, "cannot make a pipe");
    pid_t parent = getpid(), child = fork();
    if (child == 0)
        be_the_child(function, context, ends[1], parent);
    (void)close(ends[1]);
    if (child < 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) {
        (void)pq_fail_errno(err, NULL, "cannot start a process");
        (void)close(ends[0]);
        return false;
    }
    *work = (pq_work){.child = child, .fd = ends[0], .deadline = now + seconds, .output = PQ_SENSITIVE_BUF(cap)};
    return true;
}

/* A child that has ended, or is about to by itself, keeps the status of that. One that only closed its pipe (a module
 * of PKCS#11 that makes itself a daemon, say) could run for ever, and we would wait for it. */
static int reap(pq_work *work)
{
    int waited = 0;
    (void)kill(work->child, SIGKILL);
    if (!wait_a_little(work->child, &waited)) {
        if (dying_count < AT_ONCE)
            dying[dying_count++] = work->child;
        waited = SIGKILL;
    }
    work->child = 0;
    if (work->fd >= 0)
        (void)close(pq_steal_fd(&work->fd));
    return WIFEXITED(waited) ? WEXITSTATUS(waited) : 128 + WTERMSIG(waited);
}

pq_work_state pq_work_look(pq_work *work, double now, int *status)
{
    char chunk[4096];
    ssize_t got;
    /* Who says more than is taken may say it for ever. */
    while ((got = read(work->fd, chunk, sizeof chunk)) > 0 && !work->output.overflow)
        pq_buf_add(&work->output, chunk, (size_t)got);
    int error = errno;
    explicit_bzero(chunk, sizeof chunk);
    bool runs = got < 0 && (error == EAGAIN || error == EINTR), late = runs && now >= work->deadline;
    if (runs && !late)
        return PQ_WORK_RUNS;
    int ended = reap(work);
    if (status)
        *status = ended;
    return late ? PQ_WORK_LATE : ended == 0 && !work->output.overflow ? PQ_WORK_DONE : PQ_WORK_FAILED;
}

void pq_work_clear(pq_work *work)
{
    if (work->child)
        (void)reap(work);
    pq_buf_clear(&work->output);
    *work = PQ_WORK_NONE;
}
