#include "pq_cmocka.h"

#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device/serve/listener.h"
#include "pq_folder.h"

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void a_socket_of_our_own(void **state)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *path = pq_path_join(*state, "run/socket");
    pq_listener listener, other;
    struct stat status;
    uid_t user = (uid_t)-1;
    assert_true(pq_listener_make(path, NULL, &listener, &err));
    assert_int_equal(lstat(path, &status), 0);
    assert_true(S_ISSOCK(status.st_mode));
    assert_int_equal(status.st_mode & 0777, 0700);
    /* Another cannot take it away, */
    assert_false(pq_listener_make(path, NULL, &other, &err));
    assert_int_equal(err.code, PQ_EFAILED);
    int ours = connect_to(path), theirs = accept(listener.fd, NULL, NULL);
    assert_true(theirs >= 0 && pq_listener_admits(&listener, theirs, &user));
    (void)close(ours);
    (void)close(theirs);
    /* but what a dead one left is no hindrance. */
    (void)close(listener.fd);
    listener.fd = -1;
    listener.ours = false;
    pq_listener_clear(&listener);
    assert_true(pq_listener_make(path, NULL, &listener, &err));
    pq_listener_clear(&listener);
    assert_int_equal(lstat(path, &status), -1);
    pq_folder_put(*state, "file", "x");
    PQ_AUTO_FREE char *file = pq_path_join(*state, "file");
    assert_false(pq_listener_make(file, NULL, &listener, &err));
    assert_false(pq_listener_make("relative", NULL, &listener, &err));
    assert_false(pq_listener_make(path, "no-such-group-here", &listener, &err));
    assert_int_equal(err.code, PQ_EUSAGE);
}

/* Descriptor 3 of a child, as systemd would hand it over. */
static int take(int fd, const char *pid, const char *count)
{
    pid_t child = fork();
    if (child == 0) {
        PQ_AUTO_ERROR err = {0};
        pq_listener listener;
        char own[32];
        (void)snprintf(own, sizeof own, "%ld", (long)getpid());
        if (dup2(fd, 3) != 3 || setenv("LISTEN_PID", pid ? pid : own, 1) != 0 || setenv("LISTEN_FDS", count, 1) != 0)
            _exit(99);
        bool good = pq_listener_take(&listener, &err);
        if (getenv("LISTEN_PID") || getenv("LISTEN_FDS"))
            _exit(98);
        _exit(good ? (fcntl(3, F_GETFD) == FD_CLOEXEC && fcntl(3, F_GETFL) & O_NONBLOCK ? 0 : 97) : (int)err.code);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WEXITSTATUS(status);
}

static void a_socket_from_systemd(void **state)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *path = pq_path_join(*state, "socket");
    pq_listener listener;
    int pair[2];
    assert_true(pq_listener_make(path, NULL, &listener, &err));
    assert_int_equal(take(listener.fd, NULL, "1"), 0);
    assert_int_equal(take(listener.fd, "1", "1"), PQ_ENOTFOUND);
    assert_int_equal(take(listener.fd, NULL, "2"), PQ_EUSAGE);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(take(pair[0], NULL, "1"), PQ_EUSAGE);
    assert_int_equal(take(STDIN_FILENO, NULL, "1"), PQ_EUSAGE);
    (void)close(pair[0]);
    (void)close(pair[1]);
    pq_listener_clear(&listener);
}

/* Others connect; only their rights are changed, so that they are still this program. */
static bool is_admitted(pq_listener *listener, const char *path, uid_t user, gid_t group, gid_t also)
{
    pid_t child = fork();
    if (child == 0) {
        if (setgroups(also != (gid_t)-1, &also) != 0 || setgid(group) != 0 || setuid(user) != 0)
            _exit(1);
        int fd = connect_to(path);
        char byte;
        _exit(read(fd, &byte, 1) == 0 ? 0 : 1);
    }
    int fd = accept(listener->fd, NULL, NULL);
    while (fd < 0)
        fd = accept(listener->fd, NULL, NULL);
    uid_t who = (uid_t)-1;
    bool admitted = pq_listener_admits(listener, fd, &who);
    assert_int_equal(who, user);
    (void)close(fd);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    return admitted;
}

static void root_and_the_group_may_ask(void **state)
{
    if (geteuid() != 0)
        skip();
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *path = pq_path_join(*state, "socket");
    pq_listener listener;
    enum { USER = 23456, GROUP = 34567 };
    assert_int_equal(chmod(*state, 0755), 0);
    assert_true(pq_listener_make(path, "root", &listener, &err));
    /* So that it is this check that refuses, and not the kernel. */
    assert_int_equal(chmod(path, 0666), 0);
    listener.group = GROUP;
    assert_true(is_admitted(&listener, path, 0, 0, (gid_t)-1));
    assert_true(is_admitted(&listener, path, USER, GROUP, (gid_t)-1));
    assert_true(is_admitted(&listener, path, USER, USER, GROUP));
    assert_false(is_admitted(&listener, path, USER, USER, USER));
    assert_false(is_admitted(&listener, path, USER, USER, (gid_t)-1));
    listener.for_group = false;
    assert_false(is_admitted(&listener, path, USER, GROUP, GROUP));
    assert_int_equal(listener.refused_count, 1);
    pq_listener_clear(&listener);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, pq_folder_make, pq_folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_socket_of_our_own),
        TEST(a_socket_from_systemd),
        TEST(root_and_the_group_may_ask),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
