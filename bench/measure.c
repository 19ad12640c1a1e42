/* measure REPORT PROGRAM [ARGUMENT...]: runs a program and writes "NANOSECONDS CPU KIB STATUS" to REPORT: wall time
 * from fork to its end, processor time of all its processes in nanoseconds, the peak resident size of its largest
 * process, the exit status (128 + N for signal N).
 *
 * Its own small program, because a child's peak begins with that of whoever forked it, and Python's is 10 MiB. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static long long of(const struct timeval *t)
{
    return t->tv_sec * 1000000000LL + t->tv_usec * 1000LL;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    long long start = now();
    pid_t child = fork();
    if (child == 0) {
        (void)execvp(argv[2], argv + 2);
        _exit(127);
    }
    struct rusage usage;
    int status = 0;
    if (child < 0 || wait4(child, &status, 0, &usage) != child)
        return 2;
    long long took = now() - start;
    FILE *report = fopen(argv[1], "w");
    if (!report)
        return 2;
    (void)fprintf(report, "%lld %lld %ld %d\n", took, of(&usage.ru_utime) + of(&usage.ru_stime), usage.ru_maxrss,
                  WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    return fclose(report) == 0 ? 0 : 2;
}
