#include "scan/health.h"

#include <limits.h>
#include <string.h>

#include "base/text.h"

/* Nanoseconds of the unit that stands at `*at`, which moves past it; 0 when there is none. */
static double read_unit(const char **at)
{
    static const struct {
        const char *name;
        double nanoseconds;
    } units[] = {
        {"ns", 1},   {"us", 1e3}, {"\xc2\xb5s", 1e3}, {"\xce\xbcs", 1e3},
        {"ms", 1e6}, {"s", 1e9},  {"m", 60e9},        {"h", 3600 * 1e9},
    };
    size_t length = strcspn(*at, ".0123456789");
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strlen(units[i].name) == length && strncmp(*at, units[i].name, length) == 0) {
            *at += length;
            return units[i].nanoseconds;
        }
    return 0;
}

/* Digits with at most one point among them; false when there is no digit. */
static bool read_decimal(const char **at, double *out)
{
    bool any = false;
    double scale = 0; /* of the next digit after the point; 0 before it */
    for (*out = 0;; (*at)++) {
        if (**at == '.' && scale <= 0) {
            scale = 0.1;
        } else if (pq_ascii_digit(**at)) {
            int digit = **at - '0';
            *out = scale > 0 ? *out + digit * scale : *out * 10 + digit;
            scale /= 10;
            any = true;
        } else {
            return any;
        }
    }
}

bool pq_health_duration_valid(const char *text)
{
    if (!*text)
        return true;
    bool negative = *text == '-';
    const char *at = text + (*text == '-' || *text == '+');
    if (strcmp(at, "0") == 0)
        return true;
    double total = 0;
    do {
        double value, unit;
        if (!read_decimal(&at, &value) || (unit = read_unit(&at)) <= 0)
            return false;
        total += value * unit;
    } while (*at);
    /* What is less than a nanosecond is nothing; more than 292 years does not fit. */
    return total < 1 || (!negative && total >= 1e6 && total < 9223372036854775807.0);
}

bool pq_health_retries_valid(const char *text)
{
    uint64_t number;
    if (!*text)
        return true;
    bool zero_below = *text == '-';
    return pq_parse_number(text + (*text == '+' || zero_below), INT_MAX, &number) && !(zero_below && number > 0);
}
