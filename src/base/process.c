#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/signals.h"

static const char standard_path[] = "/usr/local/bin:/usr/bin:/bin";

typedef struct pipes {
    int output[2], standard[2], failure[2];
} pipes;

static void close_pair(int pair[2])
{
    for (int i = 0; i < 2; i++)
        if (pair[i] >= 0)
            (void)close(pair[i]);
    pair[0] = pair[1] = -1;
}

static void close_pipes(pipes *p)
{
    close_pair(p->output);
    close_pair(p->standard);
    close_pair(p->failure);
}

static const char *value_of(const pq_strings *environment, const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < environment->count; i++)
        if (strncmp(environment->at[i], name, length) == 0 && environment->at[i][length] == '=')
            return environment->at[i] + length + 1;
    return NULL;
}

static char *find_in(const char *path, const char *name)
{
    if (strchr(name, '/'))
        return pq_strdup(name);
    PQ_AUTO_FREE char *copy = pq_strdup(path ? path : standard_path);
    char *rest = NULL;
    for (char *folder = strtok_r(copy, ":", &rest); folder; folder = strtok_r(NULL, ":", &rest)) {
        if (*folder != '/')
            continue; /* a relative entry would run what lies in the working directory */
        PQ_AUTO_FREE char *whole = pq_path_join(folder, name);
        if (access(whole, X_OK) == 0 && !pq_is_dir(whole))
            return pq_steal(whole);
    }
    return NULL;
}

char *pq_process_find(const char *name)
{
    return find_in(getenv("PATH"), name);
}

/* In the child, after fork: only what may be called there. */
static _Noreturn void become(const char *program, char **argv, char **environment, const char *folder, int input,
                             pipes *p)
{
    struct sigaction standard = {.sa_handler = SIG_DFL};
    for (int number = 1; number < NSIG; number++)
        (void)sigaction(number, &standard, NULL);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (input < 0)
        input = open("/dev/null", O_RDONLY | O_CLOEXEC);
    bool good = input >= 0 && dup2(input, 0) == 0;
    int out = p->standard[1] >= 0 ? p->standard[1] : p->output[1];
    good = good && dup2(out, 1) == 1 && dup2(p->output[1], 2) == 2;
    pq_close_from(3, true);
    if (good && (!folder || chdir(folder) == 0))
        (void)execve(program, argv, environment);
    int number = errno;
    ssize_t ignored = write(p->failure[1], &number, sizeof number);
    (void)ignored;
    _exit(127);
}

enum { MOST_CHUNKS = 64 }; /* 1 MiB: who never stops talking must not keep us from everything else */

/* Reads what is there, or some of it; false at the end. */
static bool drain(int *fd, pq_buf *into, const pq_process_options *options)
{
    char chunk[16384];
    for (unsigned chunks = 0; chunks < MOST_CHUNKS;) {
        ssize_t got = read(*fd, chunk, sizeof chunk);
        if (got > 0) {
            chunks++;
            if (into)
                pq_buf_add(into, chunk, (size_t)got);
            else if (options->output)
                options->output(options->output_context, chunk, (size_t)got);
            continue;
        }
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return true;
        (void)close(*fd);
        *fd = -1;
        return false;
    }
    return true;
}

static int exit_status(int waited)
{
    return WIFEXITED(waited) ? WEXITSTATUS(waited) : 128 + WTERMSIG(waited);
}

static bool supervise(pid_t child, const pq_process_options *options, pipes *p, int *status, pq_error *err)
{
    PQ_AUTO_CLOSE int pidfd = (int)syscall(SYS_pidfd_open, child, 0u);
    bool told = false, late = false;
    double started = pq_monotonic(), told_at = 0;
    int waited = 0;
    for (bool ended = false; !ended;) {
        struct pollfd polled[4] = {
            {.fd = p->output[0], .events = POLLIN},
            {.fd = p->standard[0], .events = POLLIN},
            {.fd = options->service_fd, .events = POLLIN},
            {.fd = pidfd, .events = POLLIN},
        };
        (void)poll(polled, 4, pidfd >= 0 ? 500 : 50);
        if (options->service_fd >= 0 && polled[2].revents & POLLIN)
            options->service(options->service_context);
        if (p->output[0] >= 0 && polled[0].revents)
            (void)drain(&p->output[0], NULL, options);
        if (p->standard[0] >= 0 && polled[1].revents)
            (void)drain(&p->standard[0], options->standard_output, options);
        late = late || (options->timeout > 0 && pq_monotonic() - started > options->timeout);
        if ((pq_interrupted() || late) && !told) {
            (void)kill(child, SIGTERM);
            told = true;
            told_at = pq_monotonic();
        } else if (told && pq_monotonic() - told_at > (late ? 1 : 5)) {
            (void)kill(child, SIGKILL);
        }
        ended = waitpid(child, &waited, WNOHANG) == child;
    }
    /* What it wrote last. A grandchild may keep the pipe open: that is not waited for. */
    if (p->output[0] >= 0)
        (void)drain(&p->output[0], NULL, options);
    if (p->standard[0] >= 0)
        (void)drain(&p->standard[0], options->standard_output, options);
    *status = exit_status(waited);
    if (pq_interrupted())
        return pq_fail(err, PQ_EINTERRUPTED, NULL, NULL, "interrupted");
    return !late ||
           pq_fail(err, PQ_EFAILED, options->argv->at[0], NULL, "does not end within %g seconds", options->timeout);
}

/* A file in memory: unlike a pipe it takes all of the text at once. -1 when it cannot be made. */
static int input_of(const char *text, pq_error *err)
{
    PQ_AUTO_CLOSE int fd = memfd_create("input", MFD_CLOEXEC);
    if (fd < 0) {
        (void)pq_fail_errno(err, NULL, "cannot make a file in memory");
        return -1;
    }
    if (!pq_write_fd(fd, "input", text, strlen(text), err) || lseek(fd, 0, SEEK_SET) != 0)
        return -1;
    return pq_steal_fd(&fd);
}

bool pq_process_run(const pq_process_options *options, int *status, pq_error *err)
{
    const char *name = options->argv->at[0];
    PQ_AUTO_FREE char *program = find_in(value_of(options->environment, "PATH"), name);
    if (!program)
        return pq_fail(err, PQ_ENOTFOUND, NULL, NULL, "the program %s is not installed", name);
    PQ_AUTO_FREE char **argv = pq_strings_argv(options->argv);
    PQ_AUTO_FREE char **environment = pq_strings_argv(options->environment);
    PQ_AUTO_CLOSE int input = -1;
    if (options->standard_input && (input = input_of(options->standard_input, err)) < 0)
        return false;
    pipes p = {{-1, -1}, {-1, -1}, {-1, -1}};
    if (pipe2(p.output, O_CLOEXEC) != 0 || pipe2(p.failure, O_CLOEXEC) != 0 ||
        (options->standard_output && pipe2(p.standard, O_CLOEXEC) != 0)) {
        bool failed = pq_fail_errno(err, name, "cannot make a pipe");
        close_pipes(&p);
        return failed;
    }
    pid_t child = fork();
    if (child == 0)
        become(program, argv, environment, options->folder, input, &p);
    if (child < 0) {
        bool failed = pq_fail_errno(err, name, "cannot start a process");
        close_pipes(&p);
        return failed;
    }
    (void)close(pq_steal_fd(&p.output[1]));
    (void)close(pq_steal_fd(&p.failure[1]));
    if (p.standard[1] >= 0)
        (void)close(pq_steal_fd(&p.standard[1]));
    int number = 0;
    ssize_t got;
    do
        got = read(p.failure[0], &number, sizeof number);
    while (got < 0 && errno == EINTR);
    if (got == (ssize_t)sizeof number) {
        int ignored;
        (void)waitpid(child, &ignored, 0);
        close_pipes(&p);
        errno = number;
        return pq_fail_errno(err, program, "cannot be run");
    }
    (void)fcntl(p.output[0], F_SETFL, O_NONBLOCK);
    if (p.standard[0] >= 0)
        (void)fcntl(p.standard[0], F_SETFL, O_NONBLOCK);
    bool good = supervise(child, options, &p, status, err);
    close_pipes(&p);
    return good;
}

void pq_process_environment_add(pq_strings *out, const char *name)
{
    const char *value = getenv(name);
    if (value)
        pq_strings_take(out, pq_asprintf("%s=%s", name, value));
}

void pq_process_environment_path(pq_strings *out, const char *first)
{
    const char *given = getenv("PATH");
    PQ_AUTO_FREE char *copy = pq_strdup(given ? given : standard_path);
    PQ_AUTO_BUF path = PQ_BUF(PQ_MAX_TEXT);
    pq_buf_adds(&path, first ? first : "");
    char *rest = NULL;
    for (char *folder = strtok_r(copy, ":", &rest); folder; folder = strtok_r(NULL, ":", &rest))
        if (*folder == '/')
            pq_buf_addf(&path, "%s%s", path.length ? ":" : "", folder);
    pq_strings_take(out, pq_asprintf("PATH=%s", path.length ? pq_buf_text(&path) : standard_path));
}

void pq_process_environment(pq_strings *out)
{
    static const char *const allowed[] = {
        "HOME",
        "USER",
        "LOGNAME",
        "LANG",
        "LC_ALL",
        "LC_CTYPE",
        "TZ",
        "TERM",
        "TMPDIR",
        "XDG_DATA_HOME",
        "XDG_CONFIG_HOME",
        "XDG_CACHE_HOME",
        "XDG_RUNTIME_DIR",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "https_proxy",
        "no_proxy",
        "all_proxy",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
    };
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
        pq_process_environment_add(out, allowed[i]);
}
