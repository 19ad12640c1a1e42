#include "device/serve/agent.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "auth/schedule.h"
#include "base/docker_protocol.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/token_cache.h"
#include "device/serve/clients.h"
#include "device/serve/work.h"

enum {
    FETCHES_AT_ONCE = 4,
    UNNAMED_MOST = 64,                  /* hosts that credentials are kept for, and that device.yml does not name */
    ENTRIES_MOST = 1000 + UNNAMED_MOST, /* with those that it names (config/entry.c) */
    UNNAMED_OF_ONE = 16,                /* that one user but root and ours has asked for first */
    UNASKED = 24 * 3600,                /* seconds; such a one is then forgotten */
    LEAST_LEFT = 5 * 60,                /* seconds of life that an answer has */
    PATIENCE = 15,                      /* for a fetch that is to be tried again, before the failure is told */
    SOON = 60,                          /* at least so long after a success */
    LOOK_LIMIT = 30,                    /* seconds for reading device.yml */
    CLOCK_LOOKED_AT = 5,                /* every so many seconds, while it is wrong */
    EARLIEST = 1735689600,              /* 2025-01-01: this program is younger */
};

/* What is known of one registry. */
typedef struct entry {
    char *host;
    uid_t user;               /* who asked first; root for those that device.yml names */
    bool named;               /* by device.yml */
    double asked;             /* when somebody did last */
    pq_credential credential; /* without a secret: none */
    time_t fetched;
    double got;  /* when it came here */
    double life; /* seconds that it had then */
    pq_schedule schedule;
    pq_error failure; /* of the last fetch; PQ_OK when it was good */
    pq_work work;
    bool stale;   /* files have changed since it was fetched */
    bool changed; /* the same while a fetch was under way */
    bool anew;    /* what the token cache keeps will not do */
    bool copied;  /* nothing is kept */
    bool told;    /* a first success was logged */
} entry;

typedef struct agent {
    const pq_device_options *options;
    pq_device_view view;
    pq_strings files; /* their status, as pq_token_source() says it */
    pq_work look;
    bool look_again; /* something changed while it was looked at */
    bool anew;       /* the next view is that of a SIGHUP */
    bool clock_wrong, clock_told;
    bool unproved;        /* the token's PIN, since the view was read */
    pq_error pin_refused; /* PQ_OK while it is not */
    entry *entries[ENTRIES_MOST];
    size_t entry_count;
    pq_clients clients;
    int signals, wake, clock;
    bool ends;
    double alive; /* when systemd is to hear next that we are */
} agent;

/* Seconds of a clock that goes on while the machine sleeps. */
static double boot_time(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* At least 0 and less than 1. */
static double chance(void)
{
    uint32_t number = 0;
    if (getrandom(&number, sizeof number, GRND_NONBLOCK) != (ssize_t)sizeof number)
        number = (uint32_t)(fmod(boot_time(), 1) * 4294967295.0);
    return (double)number / 4294967296.0;
}

/* --- entries ------------------------------------------------------------------------------------------------------ */

static void entry_free(entry *e)
{
    free(e->host);
    pq_credential_clear(&e->credential);
    pq_error_clear(&e->failure);
    pq_work_clear(&e->work);
    free(e);
}

static entry *entry_find(const agent *a, const char *host)
{
    for (size_t i = 0; i < a->entry_count; i++)
        if (pq_streq(a->entries[i]->host, host))
            return a->entries[i];
    return NULL;
}

/* A pattern has hosts without end, so that one user could take all places: each has some. */
static bool has_place(const agent *a, bool named, uid_t user)
{
    size_t unnamed = 0, own = 0;
    for (size_t i = 0; i < a->entry_count && !named; i++) {
        unnamed += !a->entries[i]->named;
        own += !a->entries[i]->named && a->entries[i]->user == user;
    }
    bool bounded = user != 0 && user != geteuid();
    return a->entry_count < ENTRIES_MOST && unnamed < UNNAMED_MOST && (!bounded || own < UNNAMED_OF_ONE);
}

/* NULL when there are too many. */
static entry *entry_make(agent *a, const char *host, uid_t user, double now)
{
    entry *e = entry_find(a, host);
    if (e)
        e->asked = now;
    bool named = !e && pq_strings_have(&a->view.hosts, host);
    if (e || !has_place(a, named, user))
        return e;
    e = pq_alloc(1, sizeof *e);
    *e = (entry){.host = pq_strdup(host),
                 .user = user,
                 .named = named,
                 .asked = now,
                 .work = PQ_WORK_NONE,
                 .copied = pq_strings_have(&a->view.copied, host)};
    pq_schedule_begin(&e->schedule, now, a->options->boot_window, chance());
    a->entries[a->entry_count++] = e;
    return e;
}

/* Seconds that the credential is good for; 0 or less when it is not, or there is none. */
static double left_of(const entry *e)
{
    return e->credential.secret
               ? pq_schedule_left(difftime(e->credential.expires, pq_now()), e->life, boot_time() - e->got)
               : 0;
}

static bool is_good(const entry *e)
{
    double life = difftime(e->credential.expires, e->fetched), least = fmin(LEAST_LEFT, life / 4);
    return !e->stale && e->credential.secret && left_of(e) > least;
}

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
    for (size_t i = 0; i < a->entry_count; i++)
        count += a->entries[i]->work.child != 0;
    return count;
}

/* --- in the child ------------------------------------------------------------------------------------------------- */

typedef struct errand {
    const pq_device_options *options;
    const char *host;
    bool anew;
} errand;

static pq_span span_of(const char *text)
{
    return text ? (pq_span){text, strlen(text)} : (pq_span){0};
}

static const char pin_word[] = " PIN";

/* The result is an entry of the token cache, with the Retry-After, and whether a PIN was refused, in front. */
static int run_fetch(void *context, int out)
{
    const errand *e = context;
    pq_device_catch got = {.retry_after = -1};
    PQ_AUTO_ERROR err = {0}, ignored = {0};
    PQ_AUTO_BUF text = PQ_SENSITIVE_BUF(2 * PQ_MAX_TOKEN_ENTRY);
    bool good = e->options->fetch(e->options->context, e->host, e->anew, &got, &err);
    const pq_credential *c = &got.credential;
    time_t now = pq_now();
    pq_token_entry written = {.fetched = got.fetched ? got.fetched : now, .refresh = 1, .expires = 1};
    if (good && !c->secret)
        good = pq_fail(&err, PQ_ENOTFOUND, e->host, NULL, "there is no credential for it");
    if (good) {
        written.refresh = got.refresh ? got.refresh : written.fetched;
        /* What does not expire is read again each time. */
        written.expires = c->expires ? c->expires : now + LEAST_LEFT;
        written.user = span_of(c->username);
        written.secret = (pq_span){pq_secret_bytes(c->secret), pq_secret_length(c->secret)};
        written.identity = c->identity_token ? span_of("") : (pq_span){0};
        written.words = span_of(c->source);
    } else {
        written.code = (unsigned)err.code;
        written.where = span_of(err.where);
        written.message = span_of(err.message);
        written.hint = span_of(err.hint);
    }
    pq_buf_addf(&text, "%.0f%s\n", got.retry_after, got.pin_refused ? pin_word : "");
    pq_token_entry_format(&written, &text);
    good = !text.overflow && pq_write_fd(out, "the agent", text.data, text.length, &ignored);
    pq_credential_clear(&got.credential);
    return good ? 0 : 1;
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

/* Who is not served any more is forgotten; the others are fetched anew for who asks next, or in some time. */
static void renew_entries(agent *a, double now)
{
    for (size_t i = a->entry_count; i-- > 0;) {
        entry *e = a->entries[i];
        if (!pq_device_view_serves(&a->view, e->host)) {
            entry_free(e);
            a->entries[i] = a->entries[--a->entry_count];
            continue;
        }
        e->stale = true;
        e->anew = e->anew || a->anew;
        e->changed = e->work.child != 0;
        e->copied = pq_strings_have(&a->view.copied, e->host);
        e->named = pq_strings_have(&a->view.hosts, e->host);
        pq_error_clear(&e->failure);
        pq_schedule_forget(&e->schedule, now);
        e->schedule.due = now + chance() * a->options->boot_window;
    }
    for (size_t i = 0; i < a->view.hosts.count; i++)
        (void)entry_make(a, a->view.hosts.at[i], 0, now);
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
    renew_entries(a, now);
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
    if (!pq_work_start(&a->look, run_look, (void *)(uintptr_t)a->options, boot_time(), LOOK_LIMIT, PQ_MAX_CONFIG,
                       &err)) {
        pq_log_error(&err);
        return false;
    }
    pq_work_state state;
    while ((state = pq_work_look(&a->look, boot_time(), NULL)) == PQ_WORK_RUNS) {
        struct pollfd polled[] = {{.fd = a->look.fd, .events = POLLIN}, {.fd = a->signals, .events = POLLIN}};
        (void)poll(polled, 2, 500);
        take_end(a);
        if (a->ends)
            return false;
    }
    bool good = state == PQ_WORK_DONE && take_view(a, boot_time());
    if (state == PQ_WORK_LATE)
        pq_note("reading device.yml did not end within %d seconds", LOOK_LIMIT);
    pq_work_clear(&a->look);
    return good;
}

/* --- the clock ---------------------------------------------------------------------------------------------------- */

static void watch_clock(const agent *a)
{
    /* Fires at the end of time, or as soon as somebody sets the clock (timerfd_create(2), TFD_TIMER_CANCEL_ON_SET). An
     * end that can come, as 2038 does, would fire for ever. A kernel before 5.1 takes no later one from programs of 32
     * bits. */
    struct itimerspec never = {.it_value = {.tv_sec = INT64_MAX}};
    if (timerfd_settime(a->clock, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL) == 0)
        return;
    never.it_value.tv_sec = INT32_MAX;
    (void)timerfd_settime(a->clock, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL);
}

static void why_clock_is_wrong(const agent *a, pq_error *err)
{
    char now[PQ_TIME_TEXT], begins[PQ_TIME_TEXT];
    pq_time_text(pq_now(), now);
    pq_time_text(a->view.begins, begins);
    if (a->view.begins > pq_now())
        (void)pq_fail(err, PQ_ESYSTEM, NULL, "set it, or wait until it is set over the network",
                      "this device's clock says %s, which is before its certificate began (%s)", now, begins);
    else
        (void)pq_fail(err, PQ_ESYSTEM, NULL, "set it, or wait until it is set over the network",
                      "this device's clock says %s, which cannot be", now);
}

static void judge_clock(agent *a, double now)
{
    time_t clock = pq_now();
    bool was = a->clock_wrong;
    a->clock_wrong = clock < EARLIEST || clock < a->view.begins;
    if (a->clock_wrong && !a->clock_told) {
        PQ_AUTO_ERROR err = {0};
        why_clock_is_wrong(a, &err);
        pq_note("%s: waiting", err.message);
        a->clock_told = true;
    }
    if (was && !a->clock_wrong) {
        pq_note("the clock is set: going on");
        a->clock_told = false;
        for (size_t i = 0; i < a->entry_count; i++)
            pq_schedule_begin(&a->entries[i]->schedule, now, a->options->boot_window, chance());
    }
}

/* What failed may have failed for the clock. */
static void clock_was_set(agent *a, double now)
{
    uint64_t ignored;
    (void)!read(a->clock, &ignored, sizeof ignored);
    watch_clock(a);
    for (size_t i = 0; i < a->entry_count; i++) {
        entry *e = a->entries[i];
        if (e->failure.code != PQ_OK) {
            double due = e->schedule.due;
            pq_error_clear(&e->failure);
            pq_schedule_forget(&e->schedule, now);
            e->schedule.due = due;
        }
    }
}

/* --- fetching ----------------------------------------------------------------------------------------------------- */

/* A service that refuses means it: whoever was revoked gets no more, though what was handed out before may still be
 * good (the token cache does the same, and its error says so). */
static bool is_refused(const pq_error *err)
{
    return err->code == PQ_EDENIED || err->code == PQ_ENOTFOUND;
}

static void keep_failure(entry *e, pq_error *err, double retry_after, double now)
{
    static const char issued[] = "what was issued before may be good until";
    bool same = e->failure.code == err->code && pq_streq(e->failure.message, err->message);
    if (is_refused(err) && left_of(e) > 0) {
        char expires[PQ_TIME_TEXT];
        pq_time_text(e->credential.expires, expires);
        if (!strstr(err->message, issued)) {
            PQ_AUTO_FREE char *message = pq_steal(err->message);
            err->message = pq_asprintf("%s; %s %s", message, issued, expires);
        }
    }
    if (is_refused(err))
        pq_credential_clear(&e->credential);
    pq_schedule_failed(&e->schedule, now, left_of(e), pq_failure_kind_of(err->code), retry_after, chance());
    /* What made it fail may have been mended meanwhile. */
    if (e->changed)
        pq_schedule_forget(&e->schedule, now);
    if (!same) {
        PQ_AUTO_BUF text = PQ_BUF(PQ_MAX_MESSAGE);
        pq_error_format(err, &text);
        const char *words = pq_buf_text(&text);
        words += pq_starts_with(words, "pratique: ") ? strlen("pratique: ") : 0;
        char until[PQ_TIME_TEXT];
        pq_time_text(e->credential.expires, until);
        if (left_of(e) > 0)
            pq_note("%s; the credential that there is lasts until %s", words, until);
        else
            pq_note("%s", words);
    }
    pq_error_move(&e->failure, err);
}

static char *text_of(pq_span span)
{
    return span.at ? pq_strndup(span.at, span.length) : NULL;
}

static void keep_credential(entry *e, const pq_token_entry *got, double now)
{
    time_t clock = pq_now();
    pq_credential_clear(&e->credential);
    e->credential = (pq_credential){.username = text_of(got->user),
                                    .secret = pq_secret_new(got->secret.at, got->secret.length),
                                    .identity_token = got->identity.at != NULL,
                                    .expires = got->expires};
    e->fetched = got->fetched;
    e->got = now;
    e->life = difftime(got->expires, clock);
    pq_schedule_got(&e->schedule, now - difftime(clock, got->fetched), difftime(got->expires, got->fetched), chance());
    /* Sooner than the token cache thinks it would only get the same again. */
    e->schedule.due = fmax(fmax(e->schedule.due, now + difftime(got->refresh, clock)), now + SOON);
    if (!e->copied && (e->failure.code != PQ_OK || !e->told)) {
        char expires[PQ_TIME_TEXT];
        pq_time_text(got->expires, expires);
        pq_note("%s: a credential is there, until %s", e->host, expires);
    }
    e->told = true;
    e->stale = e->changed;
    e->anew = e->anew && e->changed;
    pq_error_clear(&e->failure);
}

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
static bool take_result(agent *a, entry *e, const pq_buf *output, double now)
{
    const char *text = pq_buf_text(output), *end = memchr(text, '\n', output->length);
    pq_token_entry got;
    char *stop = NULL;
    double retry_after = end ? strtod(text, &stop) : 0;
    bool pin_refused = end && pq_starts_with(stop, pin_word);
    if (!end || stop + (pin_refused ? strlen(pin_word) : 0) != end ||
        !pq_token_entry_parse(end + 1, output->length - (size_t)(end + 1 - text), &got))
        return false;
    /* These are said before, or without, the key. */
    if (got.code != PQ_ECONFIG && got.code != PQ_ESYSTEM && !e->copied)
        a->unproved = false;
    if (!got.code) {
        keep_credential(e, &got, now);
        return true;
    }
    PQ_AUTO_ERROR err = {.code = (pq_code)got.code,
                         .where = text_of(got.where),
                         .message = text_of(got.message),
                         .hint = text_of(got.hint)};
    if (!err.where)
        err.where = pq_strdup(e->host);
    if (pin_refused && !e->changed)
        keep_refusal(a, &err);
    keep_failure(e, &err, retry_after, now);
    return true;
}

static void end_fetch(agent *a, entry *e, double now)
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
        keep_failure(e, &err, -1, now);
    pq_work_clear(&e->work);
}

/* When an entry is fetched next: infinity for never. */
static double next_of(const agent *a, const entry *e)
{
    bool waited = somebody_waits(a, e->host);
    if (e->work.child)
        return e->work.deadline;
    if (a->clock_wrong || a->look.child || (e->copied && !waited) || (!e->copied && a->pin_refused.code != PQ_OK))
        return INFINITY;
    return pq_schedule_next(&e->schedule, waited && !is_good(e));
}

static bool may_start_more(const agent *a)
{
    return fetches(a) < (a->unproved ? 1 : FETCHES_AT_ONCE);
}

static void start_fetches(agent *a, double now)
{
    for (size_t i = 0; i < a->entry_count && may_start_more(a); i++) {
        entry *e = a->entries[i];
        if (e->work.child || next_of(a, e) > now)
            continue;
        PQ_AUTO_ERROR err = {0};
        errand what = {.options = a->options, .host = e->host, .anew = e->anew};
        e->changed = false;
        if (!pq_work_start(&e->work, run_fetch, &what, now, a->options->fetch_limit, 2 * PQ_MAX_TOKEN_ENTRY, &err))
            keep_failure(e, &err, -1, now);
    }
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

static void give(pq_client *client, const entry *e, double now)
{
    const pq_credential *c = &e->credential;
    PQ_AUTO_BUF words = PQ_SENSITIVE_BUF(8 * PQ_MAX_SECRET);
    pq_docker_answer(&words, client->url, c->username, strlen(c->username), pq_secret_bytes(c->secret),
                     pq_secret_length(c->secret));
    client->over = client->over || words.overflow;
    pq_client_answer(client, true, &words, now);
}

static void give_reason(pq_client *client, const pq_error *err, double next_try, double now)
{
    PQ_AUTO_BUF words = PQ_BUF(2 * PQ_MAX_MESSAGE);
    pq_error_format(err, &words);
    if (next_try > now)
        pq_buf_addf(&words, "; remembered, the next try is in %.0f s", ceil(next_try - now));
    pq_buf_addc(&words, '\n');
    pq_client_answer(client, false, &words, now);
}

static void give_nothing(pq_client *client, double now)
{
    PQ_AUTO_BUF words = PQ_BUF(PQ_MAX_MESSAGE);
    pq_buf_adds(&words, PQ_DOCKER_NOT_FOUND "\n");
    pq_client_answer(client, false, &words, now);
}

static char still[] = "the credential is still being asked for", ask_again[] = "ask again";
static const pq_error still_asking = {.code = PQ_EBUSY, .message = still, .hint = ask_again};

/* Answers who can be answered now. */
static void settle(agent *a, pq_client *client, double now)
{
    PQ_AUTO_ERROR err = {0};
    if (a->look.child)
        return;
    if (!pq_device_view_serves(&a->view, client->host)) {
        give_nothing(client, now);
        return;
    }
    entry *e = entry_make(a, client->host, client->user, now);
    if (!e) {
        (void)pq_fail(&err, PQ_EFAILED, client->host, NULL, "too many registries are asked for");
        give_reason(client, &err, 0, now);
    } else if (a->clock_wrong) {
        why_clock_is_wrong(a, &err);
        (void)pq_error_at(&err, client->host);
        give_reason(client, &err, 0, now);
    } else if (is_good(e) || (left_of(e) > 0 && e->got >= client->since)) {
        /* What came since it was asked for is the best that can be had. */
        give(client, e, now);
    } else if (a->pin_refused.code != PQ_OK && !e->copied) {
        if (left_of(e) > 0)
            give(client, e, now);
        else
            give_reason(client, &a->pin_refused, 0, now);
    } else {
        bool failed = e->failure.code != PQ_OK, in_time = now < client->deadline - 1;
        double next = pq_schedule_next(&e->schedule, true);
        bool remembered = failed && next > now && !e->work.child;
        if (remembered && left_of(e) > 0)
            give(client, e, now);
        else if (in_time && (!remembered || next <= client->since + PATIENCE))
            return;
        else if (left_of(e) > 0)
            give(client, e, now);
        else if (failed)
            give_reason(client, &e->failure, next, now);
        else
            give_reason(client, &still_asking, 0, now);
    }
}

static void settle_all(agent *a, double now)
{
    for (size_t i = 0; i < a->clients.count; i++)
        if (pq_client_waits(a->clients.at[i]))
            settle(a, a->clients.at[i], now);
    for (size_t i = a->entry_count; i-- > 0;) {
        entry *e = a->entries[i];
        /* What is over by the clock of the day alone may be good yet, when somebody sets that right. */
        if (e->credential.secret && (e->copied || boot_time() - e->got >= e->life))
            pq_credential_clear(&e->credential);
        if (!e->work.child && now - e->asked > UNASKED && !e->named) {
            entry_free(e);
            a->entries[i] = a->entries[--a->entry_count];
        }
    }
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
    a->clock = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (a->signals < 0 || a->wake < 0 || a->clock < 0)
        return pq_fail_errno(err, NULL, "cannot open a timer");
    watch_clock(a);
    return true;
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
    for (size_t i = 0; i < a->entry_count; i++)
        if (room || a->entries[i]->work.child)
            next = fmin(next, next_of(a, a->entries[i]));
    if (a->look.child)
        next = fmin(next, a->look.deadline);
    if (a->clock_wrong)
        next = fmin(next, boot_time() + CLOCK_LOOKED_AT);
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
    struct pollfd polled[FIXED + PQ_CLIENTS_MOST + ENTRIES_MOST];
    size_t clients = a->clients.count, entries = a->entry_count;
    polled[SIGNALS] = (struct pollfd){.fd = a->signals, .events = POLLIN};
    polled[WAKE] = (struct pollfd){.fd = a->wake, .events = POLLIN};
    polled[CLOCK] = (struct pollfd){.fd = a->clock, .events = POLLIN};
    polled[LOOK] = (struct pollfd){.fd = a->look.child ? a->look.fd : -1, .events = POLLIN};
    polled[LISTEN] =
        (struct pollfd){.fd = pq_clients_have_room(&a->clients) ? a->options->listener->fd : -1, .events = POLLIN};
    for (size_t i = 0; i < clients; i++)
        polled[FIXED + i] = (struct pollfd){.fd = a->clients.at[i]->fd, .events = pq_client_events(a->clients.at[i])};
    for (size_t i = 0; i < entries; i++)
        polled[FIXED + clients + i] =
            (struct pollfd){.fd = a->entries[i]->work.child ? a->entries[i]->work.fd : -1, .events = POLLIN};
    set_wake(a, next_event(a));
    if (poll(polled, (nfds_t)(FIXED + clients + entries), -1) < 0)
        return;
    double now = boot_time();
    uint64_t ignored;
    if (polled[WAKE].revents)
        (void)!read(a->wake, &ignored, sizeof ignored);
    if (polled[CLOCK].revents)
        clock_was_set(a, now);
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
        if (a->entries[i]->work.child && (polled[FIXED + clients + i].revents || now >= a->entries[i]->work.deadline))
            end_fetch(a, a->entries[i], now);
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
    const int descriptors[] = {a->signals, a->wake, a->clock};
    for (size_t i = 0; i < sizeof descriptors / sizeof *descriptors; i++)
        if (descriptors[i] >= 0)
            (void)close(descriptors[i]);
    while (a->entry_count)
        entry_free(a->entries[--a->entry_count]);
    pq_clients_clear(&a->clients);
    pq_work_clear(&a->look);
    pq_device_view_clear(&a->view);
    pq_strings_clear(&a->files);
    pq_error_clear(&a->pin_refused);
}

bool pq_device_serve(const pq_device_options *options, pq_error *err)
{
    agent a = {.options = options, .look = PQ_WORK_NONE, .signals = -1, .wake = -1, .clock = -1};
    sigset_t before;
    (void)sigemptyset(&before);
    bool good = open_descriptors(&a, &before, err) && look_first(&a);
    if (good) {
        const char *at = options->listener->path;
        pq_note("serving %zu %s at %s", a.view.hosts.count, a.view.hosts.count == 1 ? "registry" : "registries",
                at ? at : "the socket that was handed over");
        judge_clock(&a, boot_time());
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
