#include "base/clock.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

time_t pq_now(void)
{
    return time(NULL);
}

double pq_monotonic(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

double pq_boot_time(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void format_time(time_t when, const char *format, char out[PQ_TIME_TEXT])
{
    struct tm parts;
    const time_t year_9999 = 253402300799;
    if (when < 0)
        when = 0;
    if (when > year_9999)
        when = year_9999;
    (void)gmtime_r(&when, &parts);
    if (strftime(out, PQ_TIME_TEXT, format, &parts) == 0)
        out[0] = '\0';
}

void pq_time_text(time_t when, char out[PQ_TIME_TEXT])
{
    format_time(when, "%Y-%m-%dT%H:%M:%SZ", out);
}

void pq_time_compact(time_t when, char out[PQ_TIME_TEXT])
{
    format_time(when, "%Y%m%dT%H%M%SZ", out);
}

static bool in_range(const struct tm *parts)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year = parts->tm_year + 1900;
    if (parts->tm_mon < 0 || parts->tm_mon > 11 || parts->tm_hour > 23 || parts->tm_min > 59 || parts->tm_sec > 60)
        return false;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    int last = days[parts->tm_mon] + (parts->tm_mon == 1 && leap);
    return parts->tm_mday >= 1 && parts->tm_mday <= last;
}

bool pq_time_parse(const char *text, time_t *out)
{
    struct tm parts = {0};
    int used = 0;
    if (strlen(text) > 64 ||
        sscanf(text, "%4d-%2d-%2d%*1[Tt ]%2d:%2d:%2d%n", &parts.tm_year, &parts.tm_mon, &parts.tm_mday, &parts.tm_hour,
               &parts.tm_min, &parts.tm_sec, &used) != 6 ||
        used < 19)
        return false;
    parts.tm_year -= 1900;
    parts.tm_mon -= 1;
    if (!in_range(&parts))
        return false;
    const char *rest = text + used;
    if (*rest == '.') {
        rest++;
        if (!pq_ascii_digit(*rest))
            return false;
        while (pq_ascii_digit(*rest))
            rest++;
    }
    long offset = 0;
    if (*rest == '+' || *rest == '-') {
        int hours, minutes, width = 0;
        if (sscanf(rest + 1, "%2d:%2d%n", &hours, &minutes, &width) != 2 || width != 5 || rest[6] != '\0' ||
            hours > 23 || minutes > 59)
            return false;
        offset = (hours * 60L + minutes) * 60L * (*rest == '-' ? -1 : 1);
    } else if ((*rest != 'Z' && *rest != 'z') || rest[1] != '\0') {
        return false;
    }
    *out = timegm(&parts) - offset;
    return true;
}

bool pq_time_parse_http(const char *text, time_t *out)
{
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct tm parts = {0};
    char month[4] = "", zone[4] = "";
    if (sscanf(text, "%*3[A-Za-z], %2d %3s %4d %2d:%2d:%2d %3s", &parts.tm_mday, month, &parts.tm_year, &parts.tm_hour,
               &parts.tm_min, &parts.tm_sec, zone) != 7 ||
        strcmp(zone, "GMT") != 0)
        return false;
    parts.tm_mon = -1;
    for (int i = 0; i < 12; i++)
        if (strcmp(months[i], month) == 0)
            parts.tm_mon = i;
    parts.tm_year -= 1900;
    if (!in_range(&parts))
        return false;
    *out = timegm(&parts);
    return true;
}

bool pq_time_add_period(time_t from, const char *period, time_t *out)
{
    struct tm parts;
    (void)gmtime_r(&from, &parts);
    if (!*period)
        return false;
    for (const char *at = period; *at;) {
        int value = 0, digits = 0;
        for (; pq_ascii_digit(*at) && digits < 5; at++, digits++)
            value = value * 10 + (*at - '0');
        if (digits == 0 || digits == 5)
            return false;
        switch (*at++) {
        case 'Y':
            parts.tm_year += value;
            break;
        case 'M':
            parts.tm_mon += value;
            break;
        case 'D':
            parts.tm_mday += value;
            break;
        case 'h':
            parts.tm_hour += value;
            break;
        default:
            return false;
        }
    }
    *out = timegm(&parts);
    return *out > from && parts.tm_year + 1900 <= 9999;
}

bool pq_sleep(double seconds)
{
    time_t whole = (time_t)seconds;
    struct timespec span = {.tv_sec = whole, .tv_nsec = (long)((seconds - (double)whole) * 1e9)};
    return nanosleep(&span, NULL) == 0;
}
