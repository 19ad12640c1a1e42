#include "device/check/steps.h"

#include <stdarg.h>
#include <string.h>

void pq_check_steps_clear(pq_check_steps *steps)
{
    for (size_t i = 0; i < steps->count; i++) {
        free(steps->at[i].endpoint);
        free(steps->at[i].detail);
        free(steps->at[i].hint);
    }
    free(steps->at);
    pq_error_clear(&steps->error);
    pq_errors_clear(&steps->others);
    *steps = (pq_check_steps){0};
}

const char *pq_check_status_name(pq_check_status status)
{
    static const char *const names[] = {"ok", "failed", "skipped"};
    return names[status];
}

static void add(pq_check_steps *steps, pq_check_step *step)
{
    steps->at = pq_grow(steps->at, &steps->capacity, steps->count + 1, sizeof *steps->at);
    steps->at[steps->count++] = *step;
    if (steps->said)
        steps->said(steps->said_context, &steps->at[steps->count - 1]);
}

void pq_check_ok(pq_check_steps *steps, const char *name, const char *endpoint, const char *hint, const char *format,
                 ...)
{
    va_list arguments;
    va_start(arguments, format);
    pq_check_step step = {.name = name,
                          .status = PQ_CHECK_OK,
                          .endpoint = pq_strdup(endpoint),
                          .detail = pq_vasprintf(format, arguments),
                          .hint = pq_strdup(hint)};
    va_end(arguments);
    add(steps, &step);
}

void pq_check_skip(pq_check_steps *steps, const char *name, const char *endpoint, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    pq_check_step step = {.name = name,
                          .status = PQ_CHECK_SKIPPED,
                          .endpoint = pq_strdup(endpoint),
                          .detail = pq_vasprintf(format, arguments)};
    va_end(arguments);
    add(steps, &step);
}

bool pq_check_fail(pq_check_steps *steps, const char *name, const char *endpoint, pq_error *err)
{
    pq_check_step step = {.name = name,
                          .status = PQ_CHECK_FAILED,
                          .endpoint = pq_strdup(endpoint),
                          .detail =
                              err->where ? pq_asprintf("%s: %s", err->where, err->message) : pq_strdup(err->message),
                          .hint = pq_strdup(err->hint)};
    pq_error_move(&steps->error, err);
    add(steps, &step);
    return false;
}

bool pq_check_have(const pq_check_steps *steps, const char *name)
{
    for (size_t i = 0; i < steps->count; i++)
        if (pq_streq(steps->at[i].name, name))
            return true;
    return false;
}

/* Up to the next "; " outside of a command in backquotes. */
static size_t part_length(const char *text)
{
    bool quoted = false;
    size_t length = 0;
    for (; text[length]; length++) {
        quoted = quoted != (text[length] == '`');
        if (!quoted && pq_starts_with(text + length, "; "))
            break;
    }
    return length;
}

void pq_check_hint_parts(const char *hint, pq_strings *out)
{
    static const char start[] = "it can be that ";
    bool list = pq_starts_with(hint, start) && hint[sizeof start - 1 + part_length(hint + sizeof start - 1)];
    if (!list) {
        pq_strings_add(out, hint);
        return;
    }
    for (const char *at = hint + sizeof start - 1; *at;) {
        size_t length = part_length(at);
        pq_strings_take(out, pq_strndup(at, length));
        at += length;
        at += *at ? 2 : 0;
        if (pq_starts_with(at, "or "))
            at += 3;
        if (pq_starts_with(at, "that "))
            at += 5;
    }
}
