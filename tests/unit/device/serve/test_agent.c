/* The agent as it runs, with a cloud of our own: what the cloud says next stands in a file. */
#include "pq_cmocka.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device/serve/agent.h"
#include "pq_folder.h"

enum { LATER = 3600 };
static const char host[] = "one.example.com", other[] = "two.example.com";

/* --- what its children do ----------------------------------------------------------------------------------------- */

static void read_text(const char *folder, const char *name, char *out, size_t room)
{
    PQ_AUTO_FREE char *path = pq_path_join(folder, name);
    FILE *file = fopen(path, "re");
    size_t got = file ? fread(out, 1, room - 1, file) : 0;
    out[got] = '\0';
    if (file)
        (void)fclose(file);
}

static bool look(void *context, pq_device_view *out)
{
    char text[4000];
    read_text(context, "config", text, sizeof text);
    pq_strings_take(&out->files, pq_path_join(context, "config"));
    pq_strings_take(&out->files, pq_path_join(context, "certificate"));
    char *rest = NULL;
    for (const char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (*line == 'h' || *line == 'c')
            pq_strings_add(&out->hosts, line + 2);
        if (*line == 'c')
            pq_strings_add(&out->copied, line + 2);
        out->google = out->google || *line == 'g';
        out->token = out->token || *line == 't';
        if (*line == 'b')
            out->begins = (time_t)strtoll(line + 2, NULL, 10);
        if (*line == 's')
            (void)pq_sleep(0.6);
    }
    return out->hosts.count > 0;
}

static bool fetch(void *context, const char *asked, bool anew, pq_device_catch *out, pq_error *err)
{
    char text[100], word[20] = "";
    long first = 0, second = 0;
    PQ_AUTO_FREE char *calls = pq_path_join(context, "calls");
    FILE *file = fopen(calls, "ae");
    (void)fprintf(file, "%s%s\n", asked, anew ? " anew" : "");
    (void)fclose(file);
    read_text(context, "cloud", text, sizeof text);
    (void)sscanf(text, "%19s %ld %ld", word, &first, &second);
    out->retry_after = -1;
    if (strcmp(word, "crash") == 0)
        (void)raise(SIGKILL);
    if (strcmp(word, "hang") == 0)
        (void)pq_sleep(60);
    if (strcmp(word, "slow") == 0)
        (void)pq_sleep(0.4);
    if (strcmp(word, "pin") == 0) {
        (void)pq_sleep(0.1);
        out->pin_refused = true;
        return pq_fail(err, PQ_ECONFIG, "device.yml:3", "look at it", "the token refuses the PIN");
    }
    if (strcmp(word, "late") == 0)
        (void)pq_sleep(0.8);
    if (strcmp(word, "fail") == 0 || strcmp(word, "late") == 0) {
        out->retry_after = second ? (double)second : -1;
        return pq_fail(err, (pq_code)first, asked, "a hint", "the cloud says no");
    }
    char secret[64];
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)snprintf(secret, sizeof secret, "token-%lld-%ld", (long long)now.tv_sec, now.tv_nsec);
    out->credential = (pq_credential){.username = pq_strdup("robot"),
                                      .secret = pq_secret_new(secret, strlen(secret)),
                                      .expires = first ? pq_now() + first : 0};
    out->fetched = pq_now() - second;
    return true;
}

/* --- the fixture -------------------------------------------------------------------------------------------------- */

typedef struct fixture {
    const char *folder;
    char *socket;
    pid_t agent;
} fixture;

static void say(const fixture *f, const char *name, const char *text)
{
    pq_folder_put(f->folder, name, text);
}

/* Whose members may ask; NULL: root alone. */
static const char *group;

static void start(fixture *f, double boot_window)
{
    f->agent = fork();
    if (f->agent == 0) {
        PQ_AUTO_ERROR err = {0};
        pq_listener listener = PQ_LISTENER_NONE;
        const pq_notify nobody = {0};
        pq_device_options options = {.listener = &listener,
                                     .notify = &nobody,
                                     .boot_window = boot_window,
                                     .fetch_limit = 1,
                                     .look = look,
                                     .fetch = fetch,
                                     .context = (void *)(uintptr_t)f->folder};
        if (!pq_listener_make(f->socket, group, &listener, &err))
            _exit(50);
        bool good = pq_device_serve(&options, &err);
        pq_listener_clear(&listener);
        _exit(good ? 0 : 40);
    }
    for (int i = 0; i < 500 && !pq_path_exists(f->socket); i++)
        (void)pq_sleep(0.01);
}

static fixture begin_with(void **state, double boot_window, const char *cloud, const char *config)
{
    fixture f = {.folder = *state};
    f.socket = pq_path_join(*state, "s");
    say(&f, "config", config);
    say(&f, "certificate", "one");
    say(&f, "cloud", cloud);
    start(&f, boot_window);
    return f;
}

static fixture begin(void **state, double boot_window, const char *cloud)
{
    return begin_with(state, boot_window, cloud, "h one.example.com\nc two.example.com\n");
}

static int stop(fixture *f)
{
    int status = -1;
    if (f->agent > 0) {
        (void)kill(f->agent, SIGTERM);
        assert_int_equal(waitpid(f->agent, &status, 0), f->agent);
    }
    f->agent = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static void end(fixture *f)
{
    assert_int_equal(stop(f), 0);
    assert_false(pq_path_exists(f->socket));
    free(f->socket);
}
#define FIXTURE(state, boot_window, cloud) PQ_CLEANUP(end) fixture f = begin(state, boot_window, cloud)

static int ask_only(const fixture *f, const char *line)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, f->socket, strlen(f->socket) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    for (int i = 0; i < 500 && connect(fd, (const struct sockaddr *)&address, sizeof address) != 0; i++)
        (void)pq_sleep(0.01);
    assert_int_equal(send(fd, line, strlen(line), MSG_NOSIGNAL), strlen(line));
    return fd;
}

/* Owned. */
static char *hear(int fd)
{
    PQ_AUTO_BUF text = PQ_BUF(100000);
    PQ_AUTO_ERROR err = {0};
    assert_true(pq_read_fd(fd, "socket", &text, &err));
    (void)close(fd);
    return pq_buf_steal(&text);
}

static char *ask(const fixture *f, const char *who)
{
    PQ_AUTO_FREE char *line = pq_asprintf("get %s\n", who);
    return hear(ask_only(f, line));
}

/* Owned. */
static char *get(const fixture *f, const char *who)
{
    char *text = ask(f, who);
    assert_true(pq_starts_with(text, "0{\"ServerURL\":\""));
    assert_non_null(strstr(text, "\"Username\":\"robot\",\"Secret\":\"token-"));
    return text;
}

static void gets(const fixture *f, const char *who)
{
    PQ_AUTO_FREE char *answer = get(f, who);
    assert_true(pq_ends_with(answer, "}\n"));
}

static size_t calls(const fixture *f)
{
    char text[4000];
    size_t count = 0;
    read_text(f->folder, "calls", text, sizeof text);
    for (const char *at = text; *at; at++)
        count += *at == '\n';
    return count;
}

static bool within(double seconds, const fixture *f, size_t wanted)
{
    for (double end_at = pq_monotonic() + seconds; pq_monotonic() < end_at; (void)pq_sleep(0.02))
        if (calls(f) >= wanted)
            return true;
    return false;
}

/* --- tests -------------------------------------------------------------------------------------------------------- */

static void it_is_fetched_once_for_all_who_ask(void **state)
{
    FIXTURE(state, LATER, "slow 3600");
    enum { MANY = 100 };
    int clients[MANY];
    for (int i = 0; i < MANY; i++)
        clients[i] = ask_only(&f, "get https://one.example.com/v2/\n");
    PQ_AUTO_FREE char *first = hear(clients[0]);
    assert_non_null(strstr(first, "\"ServerURL\":\"https://one.example.com/v2/\""));
    for (int i = 1; i < MANY; i++) {
        PQ_AUTO_FREE char *answer = hear(clients[i]);
        assert_string_equal(answer, first);
    }
    for (int i = 0; i < 1000; i++) {
        PQ_AUTO_FREE char *answer = get(&f, host);
        assert_non_null(strstr(answer, strstr(first, "token-")));
    }
    assert_int_equal(calls(&f), 1);
}

static void what_nobody_asks_for_is_fetched_within_the_boot_window(void **state)
{
    FIXTURE(state, 0.5, "good 3600");
    assert_true(within(5, &f, 1));
    gets(&f, host);
    assert_int_equal(calls(&f), 1);
}

static void other_hosts_and_other_words_get_nothing(void **state)
{
    FIXTURE(state, LATER, "good 3600");
    static const char *const lines[] = {"get quay.io\n",           "get one.example.com.evil.example\n",
                                        "store one.example.com\n", "\n",
                                        "GET / HTTP/1.1\n",        "get https://a@one.example.com\n"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        PQ_AUTO_FREE char *answer = hear(ask_only(&f, lines[i]));
        assert_string_equal(answer, "1credentials not found in native keychain\n");
    }
    char flood[5000];
    memset(flood, 'x', sizeof flood - 1);
    flood[sizeof flood - 1] = '\0';
    int fd = ask_only(&f, flood);
    char byte;
    assert_true(recv(fd, &byte, 1, 0) <= 0);
    (void)close(fd);
    assert_int_equal(calls(&f), 0);
}

static void the_silent_hold_up_nobody(void **state)
{
    FIXTURE(state, LATER, "good 3600");
    enum { SILENT = 300 };
    int silent[SILENT];
    for (int i = 0; i < SILENT; i++)
        silent[i] = ask_only(&f, i % 2 ? "ge" : "");
    double before = pq_monotonic();
    gets(&f, host);
    assert_true(pq_monotonic() - before < 2);
    char byte;
    assert_int_equal(recv(silent[0], &byte, 1, 0), 0);
    /* The last are let go after their time. */
    assert_int_equal(recv(silent[SILENT - 1], &byte, 1, 0), 0);
    assert_true(pq_monotonic() - before < 8);
    for (int i = 0; i < SILENT; i++)
        (void)close(silent[i]);
}

static void failures_are_remembered(void **state)
{
    FIXTURE(state, LATER, "fail 4"); /* PQ_EDENIED */
    for (int i = 0; i < 5; i++) {
        PQ_AUTO_FREE char *answer = ask(&f, host);
        assert_true(pq_starts_with(answer,
                                   "1pratique: one.example.com: the cloud says no (a hint); remembered, the next try "
                                   "is in "));
    }
    assert_int_equal(calls(&f), 1);
    /* Until something has changed. */
    say(&f, "cloud", "good 3600");
    say(&f, "certificate", "another");
    gets(&f, host);
    assert_int_equal(calls(&f), 2);
}

static void a_service_that_asks_for_time_gets_it(void **state)
{
    FIXTURE(state, LATER, "fail 10 500"); /* PQ_EBUSY */
    PQ_AUTO_FREE char *answer = ask(&f, host);
    long seconds = strtol(strstr(answer, "try is in ") + strlen("try is in "), NULL, 10);
    assert_in_range(seconds, 495, 570);
    assert_int_equal(calls(&f), 1);
}

static void sighup_forgets_failures(void **state)
{
    FIXTURE(state, LATER, "fail 4");
    PQ_AUTO_FREE char *refused = ask(&f, host);
    assert_true(pq_starts_with(refused, "1"));
    say(&f, "cloud", "good 3600");
    assert_int_equal(kill(f.agent, SIGHUP), 0);
    (void)pq_sleep(0.2);
    gets(&f, host);
    char text[200];
    read_text(f.folder, "calls", text, sizeof text);
    assert_string_equal(text, "one.example.com\none.example.com anew\n");
}

/* The next try after a connection that failed comes before anybody's patience ends. */
static void who_waits_hears_of_the_next_try(void **state)
{
    FIXTURE(state, LATER, "fail 9"); /* PQ_ETRANSPORT */
    int waiting = ask_only(&f, "get one.example.com\n");
    assert_true(within(5, &f, 1));
    say(&f, "cloud", "good 3600");
    PQ_AUTO_FREE char *answer = hear(waiting);
    assert_true(pq_starts_with(answer, "0{"));
    assert_int_equal(calls(&f), 2);
}

static void a_fetch_that_breaks_off_or_hangs_is_a_failure(void **state)
{
    FIXTURE(state, LATER, "crash");
    PQ_AUTO_FREE char *broken = ask(&f, host);
    assert_non_null(strstr(broken, "the process that asks for its credential broke off (status 137)"));
    say(&f, "cloud", "hang");
    say(&f, "certificate", "another");
    double before = pq_monotonic();
    int waiting = ask_only(&f, "get one.example.com\n");
    assert_true(within(5, &f, 2));
    /* It is killed, and tried once more while somebody waits. */
    say(&f, "cloud", "good 3600");
    PQ_AUTO_FREE char *answer = hear(waiting);
    assert_true(pq_starts_with(answer, "0{"));
    assert_true(pq_monotonic() - before < 15);
}

static void what_is_there_is_served_until_it_expires_and_no_longer(void **state)
{
    FIXTURE(state, LATER, "good 4");
    PQ_AUTO_FREE char *first = get(&f, host);
    say(&f, "cloud", "fail 9");
    double end_at = pq_monotonic() + 3.0;
    size_t answers = 0;
    for (; pq_monotonic() < end_at - 0.5; (void)pq_sleep(0.1), answers++) {
        PQ_AUTO_FREE char *again = get(&f, host);
        assert_string_equal(again, first);
    }
    assert_true(answers > 10);
    (void)pq_sleep(2);
    PQ_AUTO_FREE char *late = ask(&f, host);
    assert_true(pq_starts_with(late, "1pratique: "));
}

static void it_is_renewed_ahead(void **state)
{
    FIXTURE(state, LATER, "good 3600");
    gets(&f, host);
    /* One that has less than it should is renewed before it is given out. */
    (void)stop(&f);
    say(&f, "cloud", "good 100 3500");
    start(&f, LATER);
    PQ_AUTO_FREE char *second = get(&f, host);
    size_t before = calls(&f);
    say(&f, "cloud", "good 3600");
    PQ_AUTO_FREE char *third = get(&f, host);
    assert_string_not_equal(second, third);
    assert_int_equal(calls(&f), before + 1);
}

static void a_rotated_certificate_is_picked_up(void **state)
{
    FIXTURE(state, LATER, "good 3600");
    PQ_AUTO_FREE char *first = get(&f, host);
    say(&f, "certificate", "another one");
    PQ_AUTO_FREE char *second = get(&f, host);
    assert_string_not_equal(first, second);
    /* What there was is served while the new one cannot be had: in the middle of a change the two do not match. */
    say(&f, "cloud", "fail 2"); /* PQ_ECONFIG */
    say(&f, "certificate", "a third one");
    PQ_AUTO_FREE char *third = get(&f, host);
    assert_string_equal(second, third);
    assert_int_equal(calls(&f), 3);
    PQ_AUTO_FREE char *fourth = get(&f, host);
    assert_string_equal(second, fourth);
    assert_int_equal(calls(&f), 3);
}

static void who_is_refused_gets_no_more(void **state)
{
    FIXTURE(state, LATER, "good 3600");
    gets(&f, host);
    say(&f, "cloud", "fail 4"); /* PQ_EDENIED */
    say(&f, "certificate", "another one");
    PQ_AUTO_FREE char *refused = ask(&f, host);
    assert_true(pq_starts_with(
        refused, "1pratique: one.example.com: the cloud says no; what was issued before may be good until 20"));
}

static void a_changed_configuration_is_followed(void **state)
{
    FIXTURE(state, LATER, "good 3600");
    gets(&f, host);
    say(&f, "config", "h three.example.com\n");
    PQ_AUTO_FREE char *gone = ask(&f, host);
    assert_string_equal(gone, "1credentials not found in native keychain\n");
    PQ_AUTO_FREE char *third = get(&f, "three.example.com");
    /* One that is broken changes nothing. */
    say(&f, "config", "bad\n");
    PQ_AUTO_FREE char *again = get(&f, "three.example.com");
    assert_string_equal(third, again);
}

static void a_copied_credential_is_not_kept(void **state)
{
    FIXTURE(state, 0, "good 0");
    (void)pq_sleep(0.3);
    size_t before = calls(&f);
    for (size_t i = 1; i <= 3; i++) {
        gets(&f, other);
        assert_int_equal(calls(&f), before + i);
    }
}

static void a_clock_before_the_certificate_is_waited_for(void **state)
{
    FIXTURE(state, 0, "good 3600");
    (void)pq_sleep(0.3);
    PQ_AUTO_FREE char *config = pq_asprintf("h one.example.com\nb %lld\n", (long long)pq_now() + 3);
    size_t before = calls(&f);
    say(&f, "config", config);
    PQ_AUTO_FREE char *told = ask(&f, host);
    assert_non_null(strstr(told, "this device's clock says 2"));
    assert_non_null(strstr(told, "which is before its certificate began"));
    assert_int_equal(calls(&f), before);
    (void)pq_sleep(3.2);
    gets(&f, host);
}

static void it_does_not_start_with_a_broken_configuration(void **state)
{
    fixture f = {.folder = *state};
    f.socket = pq_path_join(*state, "s");
    say(&f, "config", "bad\n");
    start(&f, LATER);
    int status = 0;
    assert_int_equal(waitpid(f.agent, &status, 0), f.agent);
    assert_int_equal(WEXITSTATUS(status), 40);
    free(f.socket);
}

/* A few wrong ones lock the token, whichever registry they were tried for. */
static void a_wrong_pin_is_tried_once(void **state)
{
    fixture f = {.folder = *state};
    f.socket = pq_path_join(*state, "s");
    say(&f, "config", "t\nh one.example.com\nh two.example.com\nh three.example.com\n");
    say(&f, "cloud", "pin");
    start(&f, 0);
    (void)pq_sleep(0.6);
    for (int i = 0; i < 4; i++) {
        PQ_AUTO_FREE char *answer = ask(&f, i % 2 ? host : other);
        assert_string_equal(answer,
                            "1pratique: device.yml:3: the token refuses the PIN (look at it; it is not tried again "
                            "until that file or device.yml changes, or `systemctl reload "
                            "pratique-device.service`)\n");
    }
    assert_int_equal(calls(&f), 1);
    say(&f, "cloud", "good 3600");
    say(&f, "certificate", "another");
    gets(&f, host);
    gets(&f, other);
    end(&f);
}

static void what_is_mended_while_it_fails_is_tried_at_once(void **state)
{
    FIXTURE(state, LATER, "late 4");
    int first = ask_only(&f, "get one.example.com\n");
    assert_true(within(5, &f, 1));
    (void)pq_sleep(0.05); /* it has read what the cloud says */
    say(&f, "cloud", "good 3600");
    say(&f, "certificate", "another");
    gets(&f, host);
    PQ_AUTO_FREE char *answer = hear(first);
    assert_true(pq_starts_with(answer, "0"));
    assert_int_equal(calls(&f), 2);
}

/* All that a device.yml can name (config/entry.c), and others' hosts take no place of theirs. */
static void each_registry_of_a_long_list_is_served(void **state)
{
    fixture f = {.folder = *state};
    f.socket = pq_path_join(*state, "s");
    PQ_AUTO_BUF config = PQ_BUF(100000);
    for (int i = 0; i < 30; i++)
        pq_buf_addf(&config, "c r%d.example.com\n", i);
    say(&f, "config", pq_buf_text(&config));
    say(&f, "cloud", "good 3600");
    start(&f, LATER);
    gets(&f, "r0.example.com");
    for (int i = 30; i < 90; i++)
        pq_buf_addf(&config, "c r%d.example.com\n", i);
    say(&f, "config", pq_buf_text(&config));
    gets(&f, "r64.example.com");
    gets(&f, "r89.example.com");
    end(&f);
}

static size_t cpu_of(pid_t process)
{
    char text[1000] = "";
    unsigned long user = 0, system = 0;
    PQ_AUTO_FREE char *folder = pq_asprintf("/proc/%d", process);
    read_text(folder, "stat", text, sizeof text);
    const char *rest = strrchr(text, ')');
    assert_int_equal(sscanf(rest ? rest : "", ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system),
                     2);
    return user + system;
}

static void without_files_to_open_it_rests(void **state)
{
    FIXTURE(state, LATER, "good 3600");
    const struct rlimit few = {.rlim_cur = 16, .rlim_max = 16};
    int askers[40];
    gets(&f, host);
    assert_int_equal(prlimit(f.agent, RLIMIT_NOFILE, &few, NULL), 0);
    /* Half of them wait for what takes time, and are not let go. */
    say(&f, "cloud", "hang");
    for (size_t i = 0; i < 40; i++)
        askers[i] = ask_only(&f, i < 20 ? "get two.example.com\n" : "get");
    size_t before = cpu_of(f.agent);
    (void)pq_sleep(0.8);
    assert_in_range(cpu_of(f.agent) - before, 0, (size_t)sysconf(_SC_CLK_TCK) / 5);
    for (size_t i = 0; i < 40; i++)
        (void)close(askers[i]);
    gets(&f, host);
}

static int begin_slowly(fixture *f, int signal_number)
{
    int status = 0;
    f->socket = pq_path_join(f->folder, "s");
    say(f, "config", "s\nh one.example.com\n");
    start(f, LATER);
    (void)pq_sleep(0.2);
    assert_int_equal(kill(f->agent, signal_number), 0);
    if (signal_number != SIGHUP)
        assert_int_equal(waitpid(f->agent, &status, 0), f->agent);
    return status;
}

static void it_can_be_ended_before_it_serves(void **state)
{
    fixture f = {.folder = *state};
    assert_int_equal(begin_slowly(&f, SIGTERM), 0);
    free(f.socket);
}

static void sighup_before_it_serves_does_not_end_it(void **state)
{
    PQ_CLEANUP(end) fixture f = {.folder = *state};
    say(&f, "cloud", "good 3600");
    (void)begin_slowly(&f, SIGHUP);
    gets(&f, host);
}

/* As the kernel does by a clock of the year 2100: what is to fire before that fires at once. */
static bool in_2100;

int timerfd_settime(int fd, int flags, const struct itimerspec *at, struct itimerspec *old)
{
    const time_t year_2100 = 4102444800;
    struct itimerspec wanted = *at;
    if (in_2100 && flags & TFD_TIMER_CANCEL_ON_SET && wanted.it_value.tv_sec < year_2100)
        wanted.it_value.tv_sec = 1;
#ifdef SYS_timerfd_settime64
    return (int)syscall(SYS_timerfd_settime64, fd, flags, &wanted, old);
#else
    return (int)syscall(SYS_timerfd_settime, fd, flags, &wanted, old);
#endif
}

/* What fails is forgotten when the clock is set, and asked for anew. */
static void a_clock_beyond_2038_is_no_clock_that_is_set(void **state)
{
    in_2100 = true;
    FIXTURE(state, LATER, "fail 4");
    in_2100 = false;
    for (int i = 0; i < 3; i++) {
        PQ_AUTO_FREE char *answer = ask(&f, host);
        assert_true(pq_starts_with(answer, "1"));
    }
    assert_int_equal(calls(&f), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, pq_folder_make, pq_folder_remove)

/* --- other users ----------------------------------------------------------------------------------------------------
 */

/* Connects as another user, who is of the group, and says the line; it may be refused before. */
static int ask_as(const fixture *f, uid_t user, const char *line)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, f->socket, strlen(f->socket) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool became = seteuid(user) == 0, good = false;
    /* Until the agent has opened its socket to the group. */
    for (int tries = 0; tries < 100 && !good; tries++) {
        good = connect(fd, (const struct sockaddr *)&address, sizeof address) == 0;
        if (!good)
            (void)pq_sleep(0.05);
    }
    bool back = seteuid(0) == 0;
    assert_true(became && good && back);
    (void)!send(fd, line, strlen(line), MSG_NOSIGNAL);
    return fd;
}

static fixture begin_for_group(void **state, const char *config)
{
    if (geteuid() != 0 || getegid() != 0)
        skip();
    assert_int_equal(chmod(*state, 0755), 0);
    group = "root"; /* with the group of root, and as another user: a member */
    fixture f = begin_with(state, LATER, "hang", config);
    group = NULL;
    return f;
}

enum { SOMEBODY = 4242, MANY_MORE = 200 };

static void let_go(int *clients)
{
    for (int i = 0; i < MANY_MORE; i++)
        (void)close(clients[i]);
}

static void one_user_who_waits_in_all_places_leaves_some(void **state)
{
    PQ_CLEANUP(end) fixture f = begin_for_group(state, "h one.example.com\n");
    int clients[MANY_MORE];
    for (int i = 0; i < MANY_MORE; i++)
        clients[i] = ask_as(&f, SOMEBODY, "get one.example.com\n");
    double before = pq_monotonic();
    PQ_AUTO_FREE char *answer = ask(&f, "quay.io");
    assert_true(pq_monotonic() - before < 2);
    assert_string_equal(answer, "1credentials not found in native keychain\n");
    char told[100] = "";
    assert_true(recv(clients[MANY_MORE - 1], told, sizeof told - 1, 0) > 0);
    assert_string_equal(told, "1pratique: this user asks too much at once (ask again)\n");
    let_go(clients);
}

static void one_user_does_not_push_out_another(void **state)
{
    PQ_CLEANUP(end) fixture f = begin_for_group(state, "h one.example.com\n");
    int clients[MANY_MORE], ours = ask_only(&f, "get qu");
    for (int i = 0; i < MANY_MORE; i++)
        clients[i] = ask_as(&f, SOMEBODY, "");
    assert_int_equal(send(ours, "ay.io\n", 6, MSG_NOSIGNAL), 6);
    PQ_AUTO_FREE char *answer = hear(ours);
    assert_string_equal(answer, "1credentials not found in native keychain\n");
    let_go(clients);
}

static void one_user_does_not_take_all_hosts_of_a_pattern(void **state)
{
    PQ_CLEANUP(end) fixture f = begin_for_group(state, "h one.example.com\ng\n");
    say(&f, "cloud", "good 3600");
    for (int i = 0; i < 70; i++) {
        PQ_AUTO_FREE char *line = pq_asprintf("get junk%d-docker.pkg.dev\n", i);
        PQ_AUTO_FREE char *answer = hear(ask_as(&f, SOMEBODY, line));
        assert_int_equal(*answer, i < 16 ? '0' : '1');
    }
    PQ_AUTO_FREE char *theirs = hear(ask_as(&f, SOMEBODY + 1, "get europe-docker.pkg.dev\n"));
    assert_int_equal(*theirs, '0');
    PQ_AUTO_FREE char *answer = get(&f, "us-docker.pkg.dev");
    assert_int_equal(*answer, '0');
    assert_int_equal(calls(&f), 18);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_is_fetched_once_for_all_who_ask),
        TEST(what_nobody_asks_for_is_fetched_within_the_boot_window),
        TEST(other_hosts_and_other_words_get_nothing),
        TEST(the_silent_hold_up_nobody),
        TEST(failures_are_remembered),
        TEST(a_service_that_asks_for_time_gets_it),
        TEST(sighup_forgets_failures),
        TEST(who_waits_hears_of_the_next_try),
        TEST(a_fetch_that_breaks_off_or_hangs_is_a_failure),
        TEST(what_is_there_is_served_until_it_expires_and_no_longer),
        TEST(it_is_renewed_ahead),
        TEST(a_rotated_certificate_is_picked_up),
        TEST(who_is_refused_gets_no_more),
        TEST(a_changed_configuration_is_followed),
        TEST(a_copied_credential_is_not_kept),
        TEST(a_clock_before_the_certificate_is_waited_for),
        TEST(it_does_not_start_with_a_broken_configuration),
        TEST(a_wrong_pin_is_tried_once),
        TEST(what_is_mended_while_it_fails_is_tried_at_once),
        TEST(each_registry_of_a_long_list_is_served),
        TEST(without_files_to_open_it_rests),
        TEST(it_can_be_ended_before_it_serves),
        TEST(sighup_before_it_serves_does_not_end_it),
        TEST(a_clock_beyond_2038_is_no_clock_that_is_set),
        TEST(one_user_who_waits_in_all_places_leaves_some),
        TEST(one_user_does_not_push_out_another),
        TEST(one_user_does_not_take_all_hosts_of_a_pattern),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
