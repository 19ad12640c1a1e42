#include "device/serve/entries.h"

#include <math.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"

enum {
    UNNAMED_OF_ONE = 16, /* that one user but root and ours has asked for first */
    UNASKED = 24 * 3600, /* seconds; such a one is then forgotten */
    SOON = 60,           /* at least so long after a success */
};

/* At least 0 and less than 1. */
static double chance(void)
{
    uint32_t number = 0;
    if (getrandom(&number, sizeof number, GRND_NONBLOCK) != (ssize_t)sizeof number)
        number = (uint32_t)(fmod(pq_boot_time(), 1) * 4294967295.0);
    return (double)number / 4294967296.0;
}

static void entry_free(pq_device_entry *e)
{
    free(e->host);
    pq_credential_clear(&e->credential);
    pq_error_clear(&e->failure);
    pq_work_clear(&e->work);
    free(e);
}

static pq_device_entry *entry_find(const pq_device_entries *all, const char *host)
{
    for (size_t i = 0; i < all->count; i++)
        if (pq_streq(all->at[i]->host, host))
            return all->at[i];
    return NULL;
}

/* A pattern has hosts without end, so that one user could take all places: each has some. */
static bool has_place(const pq_device_entries *all, bool named, uid_t user)
{
    size_t unnamed = 0, own = 0;
    for (size_t i = 0; i < all->count && !named; i++) {
        unnamed += !all->at[i]->named;
        own += !all->at[i]->named && all->at[i]->user == user;
    }
    bool bounded = user != 0 && user != geteuid();
    return all->count < PQ_DEVICE_ENTRIES_MOST && unnamed < PQ_DEVICE_UNNAMED_MOST &&
           (!bounded || own < UNNAMED_OF_ONE);
}

pq_device_entry *pq_device_entries_ask(pq_device_entries *all, const pq_device_view *view, const char *host, uid_t user,
                                       double now)
{
    pq_device_entry *e = entry_find(all, host);
    if (e)
        e->asked = now;
    bool named = !e && pq_strings_have(&view->hosts, host);
    if (e || !has_place(all, named, user))
        return e;
    e = pq_alloc(1, sizeof *e);
    *e = (pq_device_entry){.host = pq_strdup(host),
                           .user = user,
                           .named = named,
                           .asked = now,
                           .work = PQ_WORK_NONE,
                           .copied = pq_strings_have(&view->copied, host)};
    pq_schedule_begin(&e->schedule, now, all->boot_window, chance());
    all->at[all->count++] = e;
    return e;
}

double pq_device_entry_left(const pq_device_entry *e)
{
    return e->credential.secret
               ? pq_schedule_left(difftime(e->credential.expires, pq_now()), e->life, pq_boot_time() - e->got)
               : 0;
}

bool pq_device_entry_good(const pq_device_entry *e)
{
    double life = difftime(e->credential.expires, e->fetched), least = fmin(PQ_DEVICE_LEAST_LEFT, life / 4);
    return !e->stale && e->credential.secret && pq_device_entry_left(e) > least;
}

void pq_device_entries_renew(pq_device_entries *all, const pq_device_view *view, bool anew, double now)
{
    for (size_t i = all->count; i-- > 0;) {
        pq_device_entry *e = all->at[i];
        if (!pq_device_view_serves(view, e->host)) {
            entry_free(e);
            all->at[i] = all->at[--all->count];
            continue;
        }
        e->stale = true;
        e->anew = e->anew || anew;
        e->changed = e->work.child != 0;
        e->copied = pq_strings_have(&view->copied, e->host);
        e->named = pq_strings_have(&view->hosts, e->host);
        pq_error_clear(&e->failure);
        pq_schedule_forget(&e->schedule, now);
        e->schedule.due = now + chance() * all->boot_window;
    }
    for (size_t i = 0; i < view->hosts.count; i++)
        (void)pq_device_entries_ask(all, view, view->hosts.at[i], 0, now);
}

void pq_device_entries_begin(pq_device_entries *all, double now)
{
    for (size_t i = 0; i < all->count; i++)
        pq_schedule_begin(&all->at[i]->schedule, now, all->boot_window, chance());
}

void pq_device_entries_forgive(pq_device_entries *all, double now)
{
    for (size_t i = 0; i < all->count; i++) {
        pq_device_entry *e = all->at[i];
        if (e->failure.code != PQ_OK) {
            double due = e->schedule.due;
            pq_error_clear(&e->failure);
            pq_schedule_forget(&e->schedule, now);
            e->schedule.due = due;
        }
    }
}

void pq_device_entries_sweep(pq_device_entries *all, double now)
{
    for (size_t i = all->count; i-- > 0;) {
        pq_device_entry *e = all->at[i];
        /* What is over by the clock of the day alone may be good yet, when somebody sets that right. */
        if (e->credential.secret && (e->copied || pq_boot_time() - e->got >= e->life))
            pq_credential_clear(&e->credential);
        if (!e->work.child && now - e->asked > UNASKED && !e->named) {
            entry_free(e);
            all->at[i] = all->at[--all->count];
        }
    }
}

void pq_device_entries_clear(pq_device_entries *all)
{
    while (all->count)
        entry_free(all->at[--all->count]);
}

/* A service that refuses means it: whoever was revoked gets no more, though what was handed out before may still be
 * good (the token cache does the same, and its error says so). */
static bool is_refused(const pq_error *err)
{
    return err->code == PQ_EDENIED || err->code == PQ_ENOTFOUND;
}

void pq_device_entry_fail(pq_device_entry *e, pq_error *err, double retry_after, double now)
{
    static const char issued[] = "what was issued before may be good until";
    bool same = e->failure.code == err->code && pq_streq(e->failure.message, err->message);
    if (is_refused(err) && pq_device_entry_left(e) > 0) {
        char expires[PQ_TIME_TEXT];
        pq_time_text(e->credential.expires, expires);
        if (!strstr(err->message, issued)) {
            PQ_AUTO_FREE char *message = pq_steal(err->message);
            err->message = pq_asprintf("%s; %s %s", message, issued, expires);
        }
    }
    if (is_refused(err))
        pq_credential_clear(&e->credential);
    pq_schedule_failed(&e->schedule, now, pq_device_entry_left(e), pq_failure_kind_of(err->code), retry_after,
                       chance());
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
        if (pq_device_entry_left(e) > 0)
            pq_note("%s; the credential that there is lasts until %s", words, until);
        else
            pq_note("%s", words);
    }
    pq_error_move(&e->failure, err);
}

void pq_device_entry_keep(pq_device_entry *e, pq_device_catch *got, double now)
{
    time_t clock = pq_now();
    pq_credential_clear(&e->credential);
    e->credential = got->credential;
    got->credential = (pq_credential){0};
    e->fetched = got->fetched;
    e->got = now;
    e->life = difftime(e->credential.expires, clock);
    pq_schedule_got(&e->schedule, now - difftime(clock, got->fetched), difftime(e->credential.expires, got->fetched),
                    chance());
    /* Sooner than the token cache thinks it would only get the same again. */
    e->schedule.due = fmax(fmax(e->schedule.due, now + difftime(got->refresh, clock)), now + SOON);
    if (!e->copied && (e->failure.code != PQ_OK || !e->told)) {
        char expires[PQ_TIME_TEXT];
        pq_time_text(e->credential.expires, expires);
        pq_note("%s: a credential is there, until %s", e->host, expires);
    }
    e->told = true;
    e->stale = e->changed;
    e->anew = e->anew && e->changed;
    pq_error_clear(&e->failure);
}
