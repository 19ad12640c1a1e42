#include "base/error.h"

#include <errno.h>
#include <string.h>

#include "base/limits.h"

static const struct {
    const char *name;
    int status;
} codes[] = {
    [PQ_OK] = {"ok", 0},
    [PQ_EUSAGE] = {"usage", 2},
    [PQ_ECONFIG] = {"config", 2},
    [PQ_EINPUT] = {"input", 2},
    [PQ_EDENIED] = {"denied", 1},
    [PQ_ENOTFOUND] = {"not-found", 1},
    [PQ_EFAILED] = {"failed", 1},
    [PQ_EBUILD] = {"build", 1},
    [PQ_EUNTRUSTED] = {"untrusted", 1},
    [PQ_ETRANSPORT] = {"unreachable", 3},
    [PQ_EBUSY] = {"busy", 3},
    [PQ_ESYSTEM] = {"system", 1},
    [PQ_EINTERRUPTED] = {"interrupted", 130},
};

const char *pq_code_name(pq_code code)
{
    return codes[code].name;
}

int pq_code_status(pq_code code)
{
    return codes[code].status;
}

void pq_error_clear(pq_error *err)
{
    free(err->where);
    free(err->message);
    free(err->hint);
    *err = (pq_error){0};
}

void pq_error_move(pq_error *to, pq_error *from)
{
    if (to == from)
        return;
    pq_error_clear(to);
    *to = *from;
    *from = (pq_error){0};
}

static void fill(pq_error *err, pq_code code, const char *where, const char *hint, char *message)
{
    /* Copied before the old contents go: a caller may build the new error from the old one. */
    pq_error filled = {.code = code, .where = pq_strdup(where), .message = message, .hint = pq_strdup(hint)};
    pq_error_clear(err);
    *err = filled;
}

bool pq_fail(pq_error *err, pq_code code, const char *where, const char *hint, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *message = pq_vasprintf(format, arguments);
    va_end(arguments);
    fill(err, code, where, hint, message);
    return false;
}

bool pq_fail_errno(pq_error *err, const char *where, const char *format, ...)
{
    int number = errno;
    va_list arguments;
    va_start(arguments, format);
    PQ_AUTO_FREE char *doing = pq_vasprintf(format, arguments);
    va_end(arguments);
    const char *hint = number == ENOSPC || number == EDQUOT ? "the disk is full: make room and run it again" : NULL;
    fill(err, PQ_ESYSTEM, where, hint, pq_asprintf("%s: %s", doing, strerror(number)));
    return false;
}

bool pq_error_wrap(pq_error *err, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    PQ_AUTO_FREE char *words = pq_vasprintf(format, arguments);
    va_end(arguments);
    char *message = pq_asprintf("%s: %s", words, err->message ? err->message : "");
    free(err->message);
    err->message = message;
    return false;
}

bool pq_error_at(pq_error *err, const char *where)
{
    if (!err->where)
        err->where = pq_strdup(where);
    return false;
}

void pq_error_format(const pq_error *err, pq_buf *out)
{
    pq_buf_adds(out, "pratique: ");
    if (err->where) {
        pq_buf_add_printable(out, err->where, strlen(err->where));
        pq_buf_adds(out, ": ");
    }
    if (err->message)
        pq_buf_add_printable(out, err->message, strlen(err->message));
    if (err->hint) {
        pq_buf_adds(out, " (");
        pq_buf_add_printable(out, err->hint, strlen(err->hint));
        pq_buf_adds(out, ")");
    }
}

void pq_errors_take(pq_errors *list, pq_error *err)
{
    list->at = pq_grow(list->at, &list->capacity, list->count + 1, sizeof *list->at);
    list->at[list->count++] = *err;
    *err = (pq_error){0};
}

bool pq_errors_add(pq_errors *list, pq_code code, const char *where, const char *hint, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    pq_error err = {0};
    fill(&err, code, where, hint, pq_vasprintf(format, arguments));
    va_end(arguments);
    pq_errors_take(list, &err);
    return false;
}

void pq_errors_append(pq_errors *to, pq_errors *from)
{
    for (size_t i = 0; i < from->count; i++)
        pq_errors_take(to, &from->at[i]);
    from->count = 0;
}

void pq_errors_clear(pq_errors *list)
{
    for (size_t i = 0; i < list->count; i++)
        pq_error_clear(&list->at[i]);
    free(list->at);
    *list = (pq_errors){0};
}

int pq_errors_status(const pq_errors *list)
{
    /* Worst first: an interrupted run says nothing else, wrong input makes a retry pointless. */
    static const int order[] = {130, 2, 1, 3};
    for (size_t rank = 0; rank < sizeof order / sizeof *order; rank++)
        for (size_t i = 0; i < list->count; i++)
            if (pq_code_status(list->at[i].code) == order[rank])
                return order[rank];
    return 0;
}
