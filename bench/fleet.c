/* A fleet after a power cut, against a service that answers so many requests a second: when it asks is decided by the
 * product's own src/auth/schedule.c, with which this is linked. 24 hours pass in seconds; the same seed gives the same
 * figures.
 *
 *     fleet AGENT DEVICES QUOTA LIFE SHARE SEED
 *
 * AGENT      ours; naive (asks at once, again every 5 s after a failure, and 300 s before the end); or
 *            greengrass (the same, but every 120 s after a refusal, which 429 is to it)
 * QUOTA      requests a second; a bucket that holds those of one second. What is beyond gets 429
 * LIFE       of a credential, in seconds
 * SHARE      of the devices that somebody waits at from their start on (0 to 1), until they have a credential
 *
 * Devices start by chance within a minute. Prints NAME VALUE lines. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/schedule.h"

enum { DAY = 24 * 3600, START = 60, STEADY = DAY / 2, RETRY = 5, GREENGRASS_RETRY = 120, BEFORE_END = 300 };

typedef enum agent { OURS, NAIVE, GREENGRASS } agent;

typedef struct device {
    pq_schedule schedule;
    double next, expires, started;
    bool wanted;   /* somebody has waited since `started` */
    bool served;   /* has had one at all */
    int32_t after; /* the next device of the same second, -1 at the end */
} device;

typedef struct fleet {
    agent agent;
    device *devices;
    int32_t count, *seconds; /* the first device of each second, -1 for none */
    double quota, life;
    uint64_t chance;
    /* What came of it. */
    uint64_t requests, throttled, steady;
    uint32_t peak, steady_peak;
    double without, waited, lost; /* device-seconds: with no credential; while somebody waits; with none any more */
    double *first;                /* when each had its first */
    int32_t served;
} fleet;

/* splitmix64 (Steele, Lea, Flood 2014). */
static double chance(fleet *f)
{
    uint64_t z = f->chance += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)((z ^ (z >> 31)) >> 11) / 9007199254740992.0;
}

/* Puts a device into the second at which it asks next. */
static void plan(fleet *f, int32_t number, double now)
{
    device *d = &f->devices[number];
    d->next = d->next < now ? now : d->next;
    if (d->next >= DAY)
        return;
    int32_t *second = &f->seconds[(size_t)d->next];
    d->after = *second;
    *second = number;
}

static void answer(fleet *f, device *d, bool good)
{
    double now = d->next;
    if (good) {
        if (now > d->expires) {
            f->without += now - d->expires;
            f->lost += d->served ? now - d->expires : 0;
        }
        if (d->wanted)
            f->waited += now - d->started;
        if (!d->served)
            f->first[f->served++] = now;
        d->wanted = false;
        d->served = true;
        d->expires = now + f->life;
    }
    if (f->agent == OURS) {
        if (good)
            pq_schedule_got(&d->schedule, now, f->life, chance(f));
        else
            pq_schedule_failed(&d->schedule, now, d->served ? d->expires - now : 0, PQ_FAILURE_BUSY, -1, chance(f));
        d->next = pq_schedule_next(&d->schedule, d->wanted);
    } else {
        d->next = now + (good ? f->life - BEFORE_END : f->agent == NAIVE ? RETRY : GREENGRASS_RETRY);
    }
}

static void begin(fleet *f, double share)
{
    for (int32_t i = 0; i < f->count; i++) {
        device *d = &f->devices[i];
        d->started = d->expires = chance(f) * START;
        d->wanted = chance(f) < share;
        pq_schedule_begin(&d->schedule, d->started, PQ_SCHEDULE_BOOT_WINDOW, chance(f));
        d->next = f->agent == OURS ? pq_schedule_next(&d->schedule, d->wanted) : d->started;
        plan(f, i, 0);
    }
}

static void run(fleet *f)
{
    double bucket = f->quota;
    for (int second = 0; second < DAY; second++) {
        uint32_t requests = 0;
        bucket = bucket + f->quota < f->quota ? bucket + f->quota : f->quota;
        for (int32_t number; (number = f->seconds[second]) >= 0; requests++) {
            f->seconds[second] = f->devices[number].after;
            bool good = bucket >= 1;
            bucket -= good ? 1 : 0;
            f->throttled += !good;
            answer(f, &f->devices[number], good);
            plan(f, number, second + 1);
        }
        f->requests += requests;
        f->peak = requests > f->peak ? requests : f->peak;
        if (second >= STEADY) {
            f->steady += requests;
            f->steady_peak = requests > f->steady_peak ? requests : f->steady_peak;
        }
    }
    for (int32_t i = 0; i < f->count; i++) {
        const device *d = &f->devices[i];
        double none = d->expires < DAY ? DAY - d->expires : 0;
        f->without += none;
        f->lost += d->served ? none : 0;
        f->waited += d->wanted ? DAY - d->started : 0;
    }
}

/* When that part of the fleet had its first, or -1. They are in the order of time, second by second. */
static double time_of(const fleet *f, double part)
{
    int32_t number = (int32_t)((double)f->count * part + 0.999999) - 1;
    return number < f->served ? f->first[number] : -1;
}

static void print(const fleet *f)
{
    double mean = (double)f->steady / (DAY - STEADY);
    (void)printf("requests %llu\npeak_per_second %u\nthrottled_share %.4f\n", (unsigned long long)f->requests, f->peak,
                 f->requests ? (double)f->throttled / (double)f->requests : 0);
    (void)printf("served_50 %.0f\nserved_99 %.0f\nserved_100 %.0f\n", time_of(f, 0.5), time_of(f, 0.99), time_of(f, 1));
    (void)printf("without_device_hours %.0f\nwaited_device_hours %.0f\nlost_device_hours %.0f\n", f->without / 3600,
                 f->waited / 3600, f->lost / 3600);
    (void)printf("steady_mean %.2f\nsteady_peak %u\n", mean, f->steady_peak);
}

int main(int argc, char **argv)
{
    static const char *const agents[] = {"ours", "naive", "greengrass"};
    if (argc != 7)
        return fprintf(stderr, "usage: fleet ours|naive|greengrass DEVICES QUOTA LIFE SHARE SEED\n"), 2;
    fleet f = {
        .count = (int32_t)strtol(argv[2], NULL, 10), .quota = strtod(argv[3], NULL), .life = strtod(argv[4], NULL)};
    double share = strtod(argv[5], NULL);
    f.chance = strtoull(argv[6], NULL, 10);
    size_t which = 0;
    while (which < sizeof agents / sizeof *agents && strcmp(argv[1], agents[which]) != 0)
        which++;
    if (which == sizeof agents / sizeof *agents || f.count < 1 || f.quota <= 0 || f.life <= BEFORE_END)
        return fprintf(stderr, "fleet: what is asked for makes no sense\n"), 2;
    f.agent = (agent)which;
    f.devices = pq_alloc((size_t)f.count, sizeof *f.devices);
    f.first = pq_alloc((size_t)f.count, sizeof *f.first);
    f.seconds = pq_alloc(DAY, sizeof *f.seconds);
    memset(f.seconds, 0xff, DAY * sizeof *f.seconds);
    begin(&f, share);
    run(&f);
    print(&f);
    free(f.devices);
    free(f.first);
    free(f.seconds);
    return 0;
}
