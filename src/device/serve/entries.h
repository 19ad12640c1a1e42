/* What the device's agent keeps for each registry, and when it is asked for: a credential, or why there is none. Who
 * asks (agent.c) and who is told (answer.c) stand above it.
 *
 * `now`, and what is a double, are seconds of pq_boot_time(). */
#pragma once

#include "auth/schedule.h"
#include "device/serve/catch.h"
#include "device/serve/view.h"
#include "device/serve/work.h"

enum {
    PQ_DEVICE_UNNAMED_MOST = 64, /* hosts that credentials are kept for, and that device.yml does not name */
    PQ_DEVICE_ENTRIES_MOST = 1000 + PQ_DEVICE_UNNAMED_MOST, /* with those that it names (config/entry.c) */
};

/* What is known of one registry. */
typedef struct pq_device_entry {
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
    pq_work work;     /* the fetch, while one is under way */
    bool stale;       /* files have changed since it was fetched */
    bool changed;     /* the same while a fetch was under way */
    bool anew;        /* what the token cache keeps will not do */
    bool copied;      /* nothing is kept */
    bool told;        /* a first success was logged */
} pq_device_entry;

typedef struct pq_device_entries {
    pq_device_entry *at[PQ_DEVICE_ENTRIES_MOST]; /* owned; in no order */
    size_t count;
    double boot_window; /* seconds within which each is first fetched, if nobody asks */
} pq_device_entries;

void pq_device_entries_clear(pq_device_entries *entries);
/* The entry of a host that the view serves, made when there is none yet; `user` asks for it. It is ours, until the next
 * renewal or sweep. NULL when there are too many. */
pq_device_entry *pq_device_entries_ask(pq_device_entries *entries, const pq_device_view *view, const char *host,
                                       uid_t user, double now);
/* The view was read anew, after a SIGHUP if `anew`. Who is not served any more is forgotten; the others are fetched
 * anew for who asks next, or in some time. */
void pq_device_entries_renew(pq_device_entries *entries, const pq_device_view *view, bool anew, double now);
/* As after a start: the clock was wrong until now. */
void pq_device_entries_begin(pq_device_entries *entries, double now);
/* Somebody set the clock: what failed may have failed for that. */
void pq_device_entries_forgive(pq_device_entries *entries, double now);
/* Lets go what is over, and who was not asked for in a day. */
void pq_device_entries_sweep(pq_device_entries *entries, double now);

/* Seconds that the credential is good for, now; 0 or less when it is not, or there is none. */
double pq_device_entry_left(const pq_device_entry *entry);
/* It may be given out, and nothing need be asked. */
bool pq_device_entry_good(const pq_device_entry *entry);
/* What a fetch brought; the credential is taken. */
void pq_device_entry_keep(pq_device_entry *entry, pq_device_catch *caught, double now);
/* Why it brought nothing; `err` is taken. `retry_after` is negative when nothing was said. */
void pq_device_entry_fail(pq_device_entry *entry, pq_error *err, double retry_after, double now);
