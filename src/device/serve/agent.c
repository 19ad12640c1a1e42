#include "device/serve/agent.h"

#include <math.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/token_cache.h"
#include "device/serve/answer.h"
#include "device/serve/clients.h"
#include "device/serve/day_clock.h"
#include "device/serve/entries.h"
#include "device/serve/work.h"

enum {
    FETCHES_AT_ONCE = 4,
    LOOK_LIMIT = 30,     /* seconds for reading device.yml */
    CLOCK_LOOKED_AT = 5, /* every so many seconds, while it is wrong */
};

typedef struct agent {
    const pq_device_options *options;
    pq_device_view view;
    pq_strings files; /* their status, as pq_token_source() says it */
    pq_work look;
    bool look_again; /* something changed while it was looked at */
    bool anew;       /* the next view is that of a SIGHUP */
    pq_day_clock clock;
    bool unproved;        /* the token's PIN, since the view was read */
    pq_error pin_refused; /* PQ_OK while it is not */
    pq_device_entries entries;
    pq_clients clients;
    int signals, wake;
    bool ends;
    double alive; /* when systemd is to hear next that we are */
} agent;

static bool somebody_waits(const agent *a, const char *host)
{
    for (size_t i = 0; i < a->clients.count; i++)
        if (pq_client_waits(a->clients.at[i]) && pq_streq(a->clients.at[i]->host, host))
            return true;
    return false;
}

static size_t fetches(const agent *a)
{
    size_t count = 0;
    for (size_t i = 0; i < a->entries.count; i++)
        count += a->entries.at[i]->work.child != 0;
    return count;
}

/* --- in the child ------------------------------------------------------------------------------------------------- */

typedef struct errand {
    const pq_device_options *options;
    const char *host;
    bool anew;
} errand;

static int run_fetch(void *context, int out)
{
    const errand *e = context;
    PQ_AUTO_DEVICE_CATCH got = {.retry_after = -1};
    PQ_AUTO_ERROR err = {0}, ignored = {0};
    PQ_AUTO_BUF text = PQ_SENSITIVE_BUF(2 * PQ_MAX_TOKEN_ENTRY);
    bool good = e->options->fetch(e->options->context, e->host, e->anew, &got, &err);
    if (good && !got.credential.secret)
        good = pq_fail(&err, PQ_ENOTFOUND, e->host, NULL, "there is no credential for it");
    pq_device_catch_write(&got, good ? &(const pq_error){0} : &err, &text);
    return !text.overflow && pq_write_fd(out, "the agent", text.data, text.length, &ignored) ? 0 : 1;
}

static int run_look(void *context, int out)
{
    const pq_device_options *options = context;
    PQ_AUTO_DEVICE_VIEW view = {0};
    PQ_AUTO_BUF text = PQ_BUF(PQ_MAX_CONFIG);
    PQ_AUTO_ERROR ignored = {0};
    if (!options->look(options->context, &view))
        return 1;
    pq_device_view_write(&view, &text);
    return !text.overflow && pq_write_fd(out, "the agent", text.data, text.length, &ignored) ? 0 : 1;
}

/* --- the configuration -------------------------------------------------------------------------------------------- */

static void note_files(agent *a)
{
    pq_strings_clear(&a->files);
    for (size_t i = 0; i < a->view.files.count; i++)
        pq_strings_take(&a->files, pq_token_source(a->view.files.at[i]));
}

static bool have_changed(const agent *a)
{
    for (size_t i = 0; i < a->files.count; i++) {
        PQ_AUTO_FREE char *is = pq_token_source(a->view.files.at[i]);
        if (!pq_streq(is, a->files.at[i]))
            return true;
    }
    return false;
}

/* The status is taken before it is read: a change that comes meanwhile is another change. */
static void start_look(agent *a, double now)
{
    PQ_AUTO_ERROR err = {0};
    if (a->look.child) {
        a->look_again = true;
        return;
    }
    note_files(a);
    if (!pq_work_start(&a->look, run_look, (void *)(uintptr_t)a->options, now, LOOK_LIMIT, PQ_MAX_CONFIG, &err))
        pq_log_error(&err);
}

static bool take_view(agent *a, double now)
{
    pq_device_view view = {0};
    if (!pq_device_view_read(&a->look.output, &view)) {
        pq_device_view_clear(&view);
        return false;
    }
    bool same_files = a->view.files.count == view.files.count;
    for (size_t i = 0; i < view.files.count && same_files; i++)
        same_files = pq_streq(view.files.at[i], a->view.files.at[i]);
    pq_device_view_clear(&a->view);
    a->view = view;
    if (!same_files)
        note_files(a);
    a->unproved = a->view.token;
    pq_error_clear(&a->pin_refused);
    pq_device_entries_renew(&a->entries, &a->view, a->anew, now);
    return true;
}

static void end_look(agent *a, double now)
{
    pq_work_state state = pq_work_look(&a->look, now, NULL);
    if (state == PQ_WORK_RUNS)
        return;
    if (state != PQ_WORK_DONE || !take_view(a, now))
        pq_note("device.yml is not taken over: what was read before holds");
    pq_work_clear(&a->look);
    a->anew = a->anew && a->look_again;
    if (a->look_again) {
        a->look_again = false;
        start_look(a, now);
    }
}

/* Before there is anything that SIGHUP could renew. */
static void take_end(agent *a)
{
    struct signalfd_siginfo info;
    while (read(a->signals, &info, sizeof info) == (ssize_t)sizeof info)
        a->ends = a->ends || info.ssi_signo != SIGHUP;
}

/* The first time it is waited for. False when device.yml cannot be read, or we are to end. */
static bool look_first(agent *a)
{
    PQ_AUTO_ERROR err = {0};
    if (!pq_work_start(&a->look, run_look, (void *)(uintptr_t)a->options, pq_boot_time(), LOOK_LIMIT, PQ_MAX_CONFIG,
                       &err)) {
        pq_log_error(&err);
        return false;
    }
    pq_work_state state;
    while ((state = pq_work_look(&a->look, pq_boot_time(), NULL)) == PQ_WORK_RUNS) {
        struct pollfd polled[] = {{.fd = a->look.fd, .events = POLLIN}, {.fd = a->signals, .events = POLLIN}};
        (void)poll(polled, 2, 500);
        take_end(a);
        if (a->ends)
            return false;
    }
    bool good = state == PQ_WORK_DONE && take_view(a, pq_boot_time());
    if (state == PQ_WORK_LATE)
        pq_note("reading device.yml did not end within %d seconds", LOOK_LIMIT);
    pq_work_clear(&a->look);
    return good;
}

/* --- fetching ----------------------------------------------------------------------------------------------------- */

/* To try it again would lock the token, and is in vain. */
static void keep_refusal(agent *a, pq_error *err)
{
    PQ_AUTO_FREE char *hint = pq_steal(err->hint);
    err->hint = pq_asprintf("%s%sit is not tried again until that file or device.yml changes, or `systemctl reload "
                            "pratique-device.service`",
                            hint ? hint : "", hint ? "; " : "");
    (void)pq_fail(&a->pin_refused, err->code, err->where, err->hint, "%s", err->message);
}

/* False when it is not what run_fetch() writes. */
static bool take_result(agent *a, pq_device_entry *e, const pq_buf *output, double now)
{
    PQ_AUTO_DEVICE_CATCH got = {0};
    PQ_AUTO_ERROR err = {0};
    if (!pq_device_catch_read(output, &got, &err))
        return false;
    /* These are said before, or without, the key. */
    if (err.code != PQ_ECONFIG && err.code != PQ_ESYSTEM && !e->copied)
        a->unproved = false;
    if (err.code == PQ_OK) {
        pq_device_entry_keep(e, &got, now);
        return true;
    }
    (void)pq_error_at(&err, e->host);
    if (got.pin_refused && !e->changed)
        keep_refusal(a, &err);
    pq_device_entry_fail(e, &err, got.retry_after, now);
    return true;
}

static void end_fetch(agent *a, pq_device_entry *e, double now)
{
    PQ_AUTO_ERROR err = {0};
    int status = 0;
    pq_work_state state = pq_work_look(&e->work, now, &status);
    if (state == PQ_WORK_RUNS)
        return;
    if (state == PQ_WORK_LATE)
        (void)pq_fail(&err, PQ_ETRANSPORT, e->host, NULL, "asking for a credential did not end within %.0f seconds",
                      a->options->fetch_limit);
    else if (state == PQ_WORK_FAILED || !take_result(a, e, &e->work.output, now))
        (void)pq_fail(&err, PQ_ESYSTEM, e->host, NULL, "the process that asks for its credential broke off (status %d)",
                      status);
    if (err.code != PQ_OK)
        pq_device_entry_fail(e, &err, -1, now);
    pq_work_clear(&e->work);
}

/* When an entry is fetched next: infinity for never. */
static double next_of(const agent *a, const pq_device_entry *e)
{
    bool waited = somebody_waits(a, e->host);
    if (e->work.child)
        return e->work.deadline;
    if (a->clock.wrong || a->look.child || (e->copied && !waited) || (!e->copied && a->pin_refused.code != PQ_OK))
        return INFINITY;
    return pq_schedule_next(&e->schedule, waited && !pq_device_entry_good(e));
}

static bool may_start_more(const agent *a)
{
    return fetches(a) < (a->unproved ? 1 : FETCHES_AT_ONCE);
}

static void start_fetches(agent *a, double now)
{
    for (size_t i = 0; i < a->entries.count && may_start_more(a); i++) {
        pq_device_entry *e = a->entries.at[i];
        if (e->work.child || next_of(a, e) > now)
            continue;
        PQ_AUTO_ERROR err = {0};
        errand what = {.options = a->options, .host = e->host, .anew = e->anew};
        e->changed = false;
        if (!pq_work_start(&e->work, run_fetch, &what, now, a->options->fetch_limit, 2 * PQ_MAX_TOKEN_ENTRY, &err))
            pq_device_entry_fail(e, &err, -1, now);
    }
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

/* Answers who can be answered now. */
static void settle(agent *a, pq_client *client, double now)
{
    PQ_AUTO_ERROR err = {0};
    if (a->look.child)
        return;
    if (!pq_device_view_serves(&a->view, client->host)) {
        pq_device_answer_nothing(client, now);
        return;
    }
    pq_device_entry *e = pq_device_entries_ask(&a->entries, &a->view, client->host, client->user, now);
    if (!e) {
        (void)pq_fail(&err, PQ_EFAILED, client->host, NULL, "too many registries are asked for");
        pq_device_answer_reason(client, &err, 0, now);
    } else if (a->clock.wrong) {
        pq_day_clock_why(pq_now(), a->view.begins, &err);
        (void)pq_error_at(&err, client->host);
        pq_device_answer_reason(client, &err, 0, now);
    } else {
        pq_device_answer(client, e, &a->pin_refused, now);
    }
}

static void settle_all(agent *a, double now)
{
    for (size_t i = 0; i < a->clients.count; i++)
        if (pq_client_waits(a->clients.at[i]))
            settle(a, a->clients.at[i], now);
    pq_device_entries_sweep(&a->entries, now);
}

/* --- the loop ----------------------------------------------------------------------------------------------------- */

static bool open_descriptors(agent *a, sigset_t *before, pq_error *err)
{
    sigset_t ours;
    (void)sigemptyset(&ours);
    (void)sigaddset(&ours, SIGTERM);
    (void)sigaddset(&ours, SIGINT);
    (void)sigaddset(&ours, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &ours, before) != 0)
        return pq_fail_errno(err, NULL, "cannot block signals");
    a->signals = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
    a->wake = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (a->signals < 0 || a->wake < 0 || !pq_day_clock_watch(&a->clock))
        return pq_fail_errno(err, NULL, "cannot open a timer");
    return true;
}

static void judge_clock(agent *a, double now)
{
    if (pq_day_clock_judge(&a->clock, pq_now(), a->view.begins))
        pq_device_entries_begin(&a->entries, now);
}

static void take_signals(agent *a, double now)
{
    struct signalfd_siginfo info;
    while (read(a->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo != SIGHUP) {
            a->ends = true;
        } else {
            pq_note("reading device.yml anew");
            a->anew = true;
            start_look(a, now);
        }
    }
}

static double next_event(const agent *a)
{
    double next = pq_clients_deadline(&a->clients, INFINITY);
    bool room = may_start_more(a);
    for (size_t i = 0; i < a->clients.count; i++)
        if (pq_client_waits(a->clients.at[i]))
            next = fmin(next, a->clients.at[i]->deadline - 1);
    for (size_t i = 0; i < a->entries.count; i++)
        if (room || a->entries.at[i]->work.child)
            next = fmin(next, next_of(a, a->entries.at[i]));
    if (a->look.child)
        next = fmin(next, a->look.deadline);
    if (a->clock.wrong)
        next = fmin(next, pq_boot_time() + CLOCK_LOOKED_AT);
    if (a->options->notify->watchdog > 0)
        next = fmin(next, a->alive);
    return next;
}

static void set_wake(const agent *a, double when)
{
    struct itimerspec at = {0};
    if (isfinite(when)) {
        when = fmax(when, 0.001);
        at.it_value = (struct timespec){.tv_sec = (time_t)when, .tv_nsec = (long)(fmod(when, 1) * 1e9)};
    }
    (void)timerfd_settime(a->wake, TFD_TIMER_ABSTIME, &at, NULL);
}

enum { SIGNALS, WAKE, CLOCK, LOOK, LISTEN, FIXED };

static void poll_once(agent *a)
{
    struct pollfd polled[FIXED + PQ_CLIENTS_MOST + PQ_DEVICE_ENTRIES_MOST];
    size_t clients = a->clients.count, entries = a->entries.count;
    polled[SIGNALS] = (struct pollfd){.fd = a->signals, .events = POLLIN};
    polled[WAKE] = (struct pollfd){.fd = a->wake, .events = POLLIN};
    polled[CLOCK] = (struct pollfd){.fd = a->clock.fd, .events = POLLIN};
    polled[LOOK] = (struct pollfd){.fd = a->look.child ? a->look.fd : -1, .events = POLLIN};
    polled[LISTEN] =
        (struct pollfd){.fd = pq_clients_have_room(&a->clients) ? a->options->listener->fd : -1, .events = POLLIN};
    for (size_t i = 0; i < clients; i++)
        polled[FIXED + i] = (struct pollfd){.fd = a->clients.at[i]->fd, .events = pq_client_events(a->clients.at[i])};
    for (size_t i = 0; i < entries; i++)
        polled[FIXED + clients + i] =
            (struct pollfd){.fd = a->entries.at[i]->work.child ? a->entries.at[i]->work.fd : -1, .events = POLLIN};
    set_wake(a, next_event(a));
    if (poll(polled, (nfds_t)(FIXED + clients + entries), -1) < 0)
        return;
    double now = pq_boot_time();
    uint64_t ignored;
    if (polled[WAKE].revents)
        (void)!read(a->wake, &ignored, sizeof ignored);
    if (polled[CLOCK].revents) {
        pq_day_clock_was_set(&a->clock);
        pq_device_entries_forgive(&a->entries, now);
    }
    if (polled[SIGNALS].revents)
        take_signals(a, now);
    bool asked = false;
    for (size_t i = 0; i < clients; i++)
        if (polled[FIXED + i].revents) {
            bool waited = pq_client_waits(a->clients.at[i]);
            pq_client_serve(a->clients.at[i], polled[FIXED + i].revents, now);
            asked = asked || (!waited && pq_client_waits(a->clients.at[i]));
        }
    for (size_t i = 0; i < entries; i++)
        if (a->entries.at[i]->work.child &&
            (polled[FIXED + clients + i].revents || now >= a->entries.at[i]->work.deadline))
            end_fetch(a, a->entries.at[i], now);
    if (a->look.child && (polled[LOOK].revents || now >= a->look.deadline))
        end_look(a, now);
    if (polled[LISTEN].revents)
        asked = pq_clients_accept(&a->clients, a->options->listener, now) || asked;
    if (asked && !a->look.child && have_changed(a))
        start_look(a, now);
    judge_clock(a, now);
    settle_all(a, now);
    pq_clients_sweep(&a->clients, now);
    start_fetches(a, now);
    if (a->options->notify->watchdog > 0 && now >= a->alive) {
        pq_notify_say(a->options->notify, "WATCHDOG=1");
        a->alive = now + a->options->notify->watchdog / 2;
    }
}

static void agent_clear(agent *a)
{
    const int descriptors[] = {a->signals, a->wake};
    for (size_t i = 0; i < sizeof descriptors / sizeof *descriptors; i++)
        if (descriptors[i] >= 0)
            (void)close(descriptors[i]);
    pq_day_clock_clear(&a->clock);
    pq_device_entries_clear(&a->entries);
    pq_clients_clear(&a->clients);
    pq_work_clear(&a->look);
    pq_device_view_clear(&a->view);
    pq_strings_clear(&a->files);
    pq_error_clear(&a->pin_refused);
}

bool pq_device_serve(const pq_device_options *options, pq_error *err)
{
    agent a = {.options = options,
               .look = PQ_WORK_NONE,
               .clock = PQ_DAY_CLOCK_NONE,
               .entries = {.boot_window = options->boot_window},
               .signals = -1,
               .wake = -1};
    sigset_t before;
    (void)sigemptyset(&before);
    bool good = open_descriptors(&a, &before, err) && look_first(&a);
    if (good) {
        const char *at = options->listener->path;
        pq_note("serving %zu %s at %s", a.view.hosts.count, a.view.hosts.count == 1 ? "registry" : "registries",
                at ? at : "the socket that was handed over");
        judge_clock(&a, pq_boot_time());
        pq_notify_say(options->notify, "READY=1");
        while (!a.ends)
            poll_once(&a);
        pq_notify_say(options->notify, "STOPPING=1");
    }
    good = good || a.ends;
    agent_clear(&a);
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    return good;
}
