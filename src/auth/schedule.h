/* When a credential is asked for: pure functions of time and chance, so that the token cache, the device's agent
 * (device/serve/agent.h) and the simulator of a fleet (bench/fleet.c) keep to the same rule. docs/fleet.md has the
 * figures.
 *
 * THE RULE
 *
 * Ahead. A credential is asked for anew after 2/5 to 1/2 of its life, by chance. (Half is what
 * amazon-ecr-credential-helper and the kubelet's ECR provider do. Greengrass asks 300 seconds before the end: whoever
 * got theirs in the same minute come back in the same minute, for ever, and have 300 seconds for all tries together. A
 * tenth of 12 hours spreads 100,000 devices over 72 minutes, and half of the life is left for trying again.) One that
 * was had only after the service had been busy is asked for anew after 7/10 to 9/10: where there is hardly room for
 * everybody, asking early takes it from those who have none.
 *
 * After a start. Nobody waits yet, so the first is fetched at a moment that is chance within the boot window, one hour:
 * 100,000 devices after a power cut then ask 28 times a second. (AWS IoT's AssumeRoleWithCertificate has a quota that
 * an account can have raised, as have the 10 a second of Roles Anywhere's CreateSession and the 500 a second of ECR's
 * GetAuthorizationToken.)
 *
 * When somebody waits it is fetched at once, unless a failure is remembered.
 *
 * A failure is remembered by its kind, and longer each time until one succeeds: for `base`, and by chance up to
 * spread·growth^(failures before) more, that part being capped: by `asked` while somebody waits, by `idle` when nobody
 * does.
 *
 *     kind       what it is                        base   spread   growth   asked     idle
 *     refused    4xx, a broken configuration       60 s     60 s        2   600 s   3600 s
 *     busy       429, 5xx                          10 s     60 s        3   900 s   3600 s
 *     unreached  no answer at all                   5 s      5 s        2    30 s    600 s
 *
 * (Chance over the whole of the growing part is the "full jitter" of AWS's Architecture Blog, "Exponential Backoff And
 * Jitter"; the base below it is there so that a failure is always remembered. Greengrass remembers 120 seconds for 4xx,
 * 60 for 5xx, 300 for the rest, without chance and without growing: 100,000 refused devices ask 833 times a second for
 * as long as the policy is wrong, here 278 if somebody waits at each, else 54. What does not reach a service does not
 * load it, so that who waits while the network comes back waits for 35 seconds at most.)
 *
 * While the old credential is good, a busy service is left alone for 1/4 to 1/2 of what is left of that, by chance:
 * some eight tries until the end, at moments that differ.
 *
 * Retry-After is the base where it is longer, up to an hour. */
#pragma once

#include "base/error.h"

enum { PQ_SCHEDULE_BOOT_WINDOW = 3600 }; /* seconds */

typedef enum pq_failure_kind {
    PQ_FAILURE_REFUSED,
    PQ_FAILURE_BUSY,
    PQ_FAILURE_UNREACHED,
} pq_failure_kind;

/* What an error is remembered as. */
pq_failure_kind pq_failure_kind_of(pq_code code);

/* `chance` is at least 0 and less than 1, here and below. Seconds after a credential with `life` seconds was got;
 * `crowded`: only after the service had been busy. */
double pq_schedule_refresh(double life, bool crowded, double chance);
/* Seconds for which the failure number `failures` (from 1) in a row is remembered; `retry_after` is negative when the
 * service did not say. */
double pq_schedule_wait(pq_failure_kind kind, unsigned failures, double retry_after, bool asked, double chance);

/* One credential's times, seconds of a clock that never jumps. */
typedef struct pq_schedule {
    double due;        /* fetched then although nobody waits */
    double barred;     /* until then not even for somebody who waits */
    unsigned failures; /* since the last success */
    bool crowded;      /* the service was busy since the last success */
} pq_schedule;

/* After a start. */
void pq_schedule_begin(pq_schedule *schedule, double now, double boot_window, double chance);
/* It was got, and lasts for `life` seconds more. */
void pq_schedule_got(pq_schedule *schedule, double now, double life, double chance);
/* The one that there is, if any, lasts for `left` seconds more. */
void pq_schedule_failed(pq_schedule *schedule, double now, double left, pq_failure_kind kind, double retry_after,
                        double chance);
/* What made it fail may be gone: all is forgotten, and it is due. */
void pq_schedule_forget(pq_schedule *schedule, double now);
/* When it is fetched next. */
double pq_schedule_next(const pq_schedule *schedule, bool somebody_waits);
/* Seconds for which a credential is good yet: `by_clock` by the clock of the day; `when_got` is how many it had when it
 * came, `passed` seconds ago by a clock that never jumps. The lesser: a clock that is set back makes nothing last
 * longer.
 */
double pq_schedule_left(double by_clock, double when_got, double passed);
