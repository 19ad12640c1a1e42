#include "pq_cmocka.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "device/serve/notify.h"

static void say_to(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, name, strlen(name) + 1);
    bool abstract = *name == '@';
    if (abstract)
        address.sun_path[0] = '\0';
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name) + !abstract);
    PQ_AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    (void)unlink(name);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, size), 0);
    assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
    pq_notify notify;
    pq_notify_take(&notify);
    assert_null(getenv("NOTIFY_SOCKET"));
    pq_notify_say(&notify, "READY=1\nSTATUS=x");
    char got[100] = "";
    assert_int_equal(recv(fd, got, sizeof got, MSG_DONTWAIT), 16);
    assert_string_equal(got, "READY=1\nSTATUS=x");
    pq_notify_clear(&notify);
    (void)unlink(name);
}

static void systemd_hears_it(void **state)
{
    (void)state;
    char name[64];
    (void)snprintf(name, sizeof name, "/tmp/pratique-notify.%ld", (long)getpid());
    say_to(name);
    (void)snprintf(name, sizeof name, "@pratique-notify.%ld", (long)getpid());
    say_to(name);
}

static void without_systemd_nothing_is_said(void **state)
{
    (void)state;
    pq_notify notify;
    pq_notify_take(&notify);
    assert_null(notify.path);
    pq_notify_say(&notify, "READY=1");
    pq_notify_clear(&notify);
    assert_int_equal(setenv("NOTIFY_SOCKET", "relative", 1), 0);
    pq_notify_take(&notify);
    assert_null(notify.path);
    pq_notify_clear(&notify);
}

static void the_watchdog_is_for_one_process(void **state)
{
    (void)state;
    char pid[32];
    pq_notify notify;
    (void)snprintf(pid, sizeof pid, "%ld", (long)getpid());
    assert_int_equal(setenv("WATCHDOG_USEC", "30000000", 1) | setenv("WATCHDOG_PID", pid, 1), 0);
    pq_notify_take(&notify);
    assert_true(notify.watchdog > 29.9 && notify.watchdog < 30.1);
    pq_notify_clear(&notify);
    assert_int_equal(setenv("WATCHDOG_USEC", "30000000", 1) | setenv("WATCHDOG_PID", "1", 1), 0);
    pq_notify_take(&notify);
    assert_true(notify.watchdog < 0.1);
    pq_notify_clear(&notify);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(systemd_hears_it),
        cmocka_unit_test(without_systemd_nothing_is_said),
        cmocka_unit_test(the_watchdog_is_for_one_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
