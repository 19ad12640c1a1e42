#include "base/log.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/secret.h"
#include "base/text.h"

static struct {
    pq_level level;
    bool progress;
    bool progress_shown;
    pq_errors warnings;
} state = {.level = PQ_NORMAL};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void pq_log_setup(pq_level level, bool progress)
{
    state.level = level;
    state.progress = progress && level >= PQ_NORMAL && isatty(STDERR_FILENO);
}

pq_level pq_log_level(void)
{
    return state.level;
}

static void write_line(pq_buf *line)
{
    pq_secret_redact(line);
    pq_buf_addc(line, '\n');
    if (state.progress_shown)
        (void)fputs("\r\033[K", stderr);
    state.progress_shown = false;
    (void)fwrite(line->data, 1, line->length, stderr);
    (void)fflush(stderr);
}

void pq_log_error(const pq_error *err)
{
    PQ_AUTO_BUF line = PQ_BUF(PQ_MAX_TEXT);
    pq_error_format(err, &line);
    (void)pthread_mutex_lock(&lock);
    write_line(&line);
    (void)pthread_mutex_unlock(&lock);
}

static void format_warning(const pq_error *warning, pq_buf *line)
{
    pq_buf_adds(line, "pratique: ");
    if (warning->where) {
        pq_buf_add_printable(line, warning->where, strlen(warning->where));
        pq_buf_adds(line, ": ");
    }
    pq_buf_adds(line, "warning: ");
    pq_buf_add_printable(line, warning->message, strlen(warning->message));
    if (warning->hint) {
        pq_buf_adds(line, " (");
        pq_buf_add_printable(line, warning->hint, strlen(warning->hint));
        pq_buf_addc(line, ')');
    }
}

void pq_warn(const char *where, const char *hint, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    PQ_AUTO_ERROR warning = {
        .where = pq_strdup(where), .message = pq_vasprintf(format, arguments), .hint = pq_strdup(hint)};
    va_end(arguments);
    (void)pthread_mutex_lock(&lock);
    bool known = false;
    for (size_t i = 0; i < state.warnings.count && !known; i++)
        known = pq_streq(state.warnings.at[i].where, warning.where) &&
                pq_streq(state.warnings.at[i].message, warning.message);
    if (!known) {
        if (state.level >= PQ_NORMAL) {
            PQ_AUTO_BUF line = PQ_BUF(PQ_MAX_TEXT);
            format_warning(&warning, &line);
            write_line(&line);
        }
        pq_errors_take(&state.warnings, &warning);
    }
    (void)pthread_mutex_unlock(&lock);
}

static void say(const char *format, va_list arguments)
{
    PQ_AUTO_FREE char *text = pq_vasprintf(format, arguments);
    PQ_AUTO_BUF line = PQ_BUF(PQ_MAX_TEXT);
    pq_buf_adds(&line, "pratique: ");
    pq_buf_add_printable(&line, text, strlen(text));
    (void)pthread_mutex_lock(&lock);
    write_line(&line);
    (void)pthread_mutex_unlock(&lock);
}

void pq_note(const char *format, ...)
{
    if (state.level < PQ_NORMAL)
        return;
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
}

void pq_detail(const char *format, ...)
{
    if (state.level < PQ_VERBOSE)
        return;
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
}

void pq_progress(const char *format, ...)
{
    if (!state.progress)
        return;
    va_list arguments;
    va_start(arguments, format);
    PQ_AUTO_FREE char *text = pq_vasprintf(format, arguments);
    va_end(arguments);
    PQ_AUTO_BUF line = PQ_BUF(PQ_MAX_TEXT);
    pq_buf_add_printable(&line, text, strlen(text));
    pq_secret_redact(&line);
    (void)pthread_mutex_lock(&lock);
    (void)fprintf(stderr, "\r\033[K%s", pq_buf_text(&line));
    (void)fflush(stderr);
    state.progress_shown = true;
    (void)pthread_mutex_unlock(&lock);
}

void pq_progress_done(void)
{
    (void)pthread_mutex_lock(&lock);
    if (state.progress_shown)
        (void)fputs("\r\033[K", stderr);
    state.progress_shown = false;
    (void)pthread_mutex_unlock(&lock);
}

const pq_errors *pq_warnings(void)
{
    return &state.warnings;
}
