#include "base/token_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/signals.h"
#include "base/text.h"

static const char first_line[] = "pratique token 1\n";

/* Clocks of one machine do not differ; a step back after a start without a clock is more than this. */
enum { AHEAD_ALLOWED = 60 };

/* --- the form ----------------------------------------------------------------------------------------------------- */

/* Takes `NAME LENGTH\n BYTES \n` from the front of `rest`. */
static bool take_field(pq_span *rest, pq_span *name, pq_span *value)
{
    const char *space = rest->at ? memchr(rest->at, ' ', rest->length < 16 ? rest->length : 16) : NULL;
    if (!space)
        return false;
    *name = (pq_span){rest->at, (size_t)(space - rest->at)};
    const char *at = space + 1, *end = rest->at + rest->length;
    size_t length = 0;
    const char *digits = at;
    for (; at < end && *at >= '0' && *at <= '9'; at++) {
        length = length * 10 + (size_t)(*at - '0');
        if (length > PQ_MAX_TOKEN_ENTRY)
            return false;
    }
    if (at == digits || at == end || *at++ != '\n' || (size_t)(end - at) <= length || at[length] != '\n')
        return false;
    *value = (pq_span){at, length};
    at += length + 1;
    *rest = (pq_span){at, (size_t)(end - at)};
    return true;
}

static bool is_named(pq_span name, const char *text)
{
    return name.length == strlen(text) && memcmp(name.at, text, name.length) == 0;
}

static bool read_number(pq_span value, uint64_t most, uint64_t *out)
{
    char text[24];
    if (value.length == 0 || value.length >= sizeof text)
        return false;
    memcpy(text, value.at, value.length);
    text[value.length] = '\0';
    return pq_parse_number(text, most, out);
}

static bool read_time(pq_span value, time_t *out)
{
    static const uint64_t latest = 253402300799; /* the year 9999 */
    uint64_t number = 0;
    if (*out != 0 || !read_number(value, latest, &number))
        return false;
    *out = (time_t)number;
    return true;
}

/* A field that may be there once. */
static bool keep(pq_span *field, pq_span value)
{
    if (field->at)
        return false;
    *field = value;
    return true;
}

static bool read_field(pq_token_entry *entry, pq_span name, pq_span value)
{
    uint64_t code = 0;
    if (is_named(name, "fetched"))
        return read_time(value, &entry->fetched);
    if (is_named(name, "refresh"))
        return read_time(value, &entry->refresh);
    if (is_named(name, "expires"))
        return read_time(value, &entry->expires);
    if (is_named(name, "user"))
        return keep(&entry->user, value);
    if (is_named(name, "secret"))
        return keep(&entry->secret, value);
    if (is_named(name, "words"))
        return keep(&entry->words, value);
    if (is_named(name, "identity"))
        return value.length == 0 && keep(&entry->identity, value);
    if (is_named(name, "where"))
        return keep(&entry->where, value);
    if (is_named(name, "message"))
        return keep(&entry->message, value);
    if (is_named(name, "hint"))
        return keep(&entry->hint, value);
    if (is_named(name, "shared"))
        return keep(&entry->shared, value);
    if (is_named(name, "code")) {
        if (entry->code != 0 || !read_number(value, 64, &code) || code == 0)
            return false;
        entry->code = (unsigned)code;
        return true;
    }
    if (!is_named(name, "source") || entry->source_count == PQ_MAX_TOKEN_SOURCES ||
        memchr(value.at, '\0', value.length))
        return false;
    entry->sources[entry->source_count++] = value;
    return true;
}

bool pq_token_entry_parse(const char *bytes, size_t length, pq_token_entry *out)
{
    *out = (pq_token_entry){0};
    size_t first = sizeof first_line - 1;
    if (length < first || memcmp(bytes, first_line, first) != 0)
        return false;
    pq_span rest = {bytes + first, length - first}, name, value;
    pq_token_entry entry = {0};
    for (;;) {
        if (!take_field(&rest, &name, &value))
            return false;
        if (is_named(name, "end"))
            break;
        if (!read_field(&entry, name, value))
            return false;
    }
    bool times = entry.fetched && entry.refresh && entry.expires;
    bool credential = entry.user.at && entry.secret.at && entry.code == 0 && !entry.message.at;
    bool failure = entry.code != 0 && entry.message.at && !entry.user.at && !entry.secret.at;
    if (value.length != 0 || rest.length != 0 || !times || !(credential || failure) ||
        (entry.user.at && memchr(entry.user.at, '\0', entry.user.length)))
        return false;
    *out = entry;
    return true;
}

static void add_field(pq_buf *out, const char *name, pq_span value)
{
    if (!value.at)
        return;
    pq_buf_addf(out, "%s %zu\n", name, value.length);
    pq_buf_add(out, value.at, value.length);
    pq_buf_addc(out, '\n');
}

static void add_number(pq_buf *out, const char *name, long long number)
{
    char text[24];
    int length = snprintf(text, sizeof text, "%lld", number);
    add_field(out, name, (pq_span){text, (size_t)length});
}

void pq_token_entry_format(const pq_token_entry *entry, pq_buf *out)
{
    pq_buf_adds(out, first_line);
    add_number(out, "fetched", (long long)entry->fetched);
    add_number(out, "refresh", (long long)entry->refresh);
    add_number(out, "expires", (long long)entry->expires);
    for (size_t i = 0; i < entry->source_count; i++)
        add_field(out, "source", entry->sources[i]);
    add_field(out, "shared", entry->shared);
    add_field(out, "user", entry->user);
    add_field(out, "secret", entry->secret);
    add_field(out, "words", entry->words);
    add_field(out, "identity", entry->identity);
    if (entry->code)
        add_number(out, "code", entry->code);
    add_field(out, "where", entry->where);
    add_field(out, "message", entry->message);
    add_field(out, "hint", entry->hint);
    add_field(out, "end", (pq_span){"", 0});
}

pq_token_state pq_token_entry_state(const pq_token_entry *entry, time_t now)
{
    if (now >= entry->expires || entry->fetched > now + AHEAD_ALLOWED)
        return PQ_TOKEN_GONE;
    return now < entry->refresh ? PQ_TOKEN_FRESH : PQ_TOKEN_AGED;
}

/* --- what it was made from ---------------------------------------------------------------------------------------- */

char *pq_token_source(const char *path)
{
    struct stat s;
    if (stat(path, &s) != 0)
        return pq_asprintf("none %s", path);
    return pq_asprintf("%llx:%llx:%lld:%lld.%09ld:%lld.%09ld %s", (unsigned long long)s.st_dev,
                       (unsigned long long)s.st_ino, (long long)s.st_size, (long long)s.st_mtim.tv_sec,
                       s.st_mtim.tv_nsec, (long long)s.st_ctim.tv_sec, s.st_ctim.tv_nsec, path);
}

bool pq_token_sources_same(const pq_token_entry *entry)
{
    for (size_t i = 0; i < entry->source_count; i++) {
        PQ_AUTO_FREE char *was = pq_strndup(entry->sources[i].at, entry->sources[i].length);
        const char *space = strchr(was, ' ');
        PQ_AUTO_FREE char *is = space ? pq_token_source(space + 1) : NULL;
        if (!is || strcmp(is, was) != 0)
            return false;
    }
    return true;
}

/* --- files -------------------------------------------------------------------------------------------------------- */

bool pq_token_file_read(int folder, const char *name, pq_buf *out)
{
    PQ_AUTO_CLOSE int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_uid != geteuid() ||
        status.st_mode & (S_IRWXG | S_IRWXO) || status.st_size <= 0 || status.st_size > (off_t)PQ_MAX_TOKEN_ENTRY)
        return false;
    char *place = pq_buf_reserve(out, (size_t)status.st_size);
    /* Entries appear by rename: what is there is there whole. */
    ssize_t got = place ? read(fd, place, (size_t)status.st_size) : -1;
    if (got != (ssize_t)status.st_size)
        return false;
    pq_buf_commit(out, (size_t)got);
    return true;
}

int pq_token_try_lock(int folder, const char *name, bool *out_taken)
{
    PQ_AUTO_CLOSE int fd = openat(folder, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    struct stat status;
    *out_taken = false;
    if (fd < 0 || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_uid != geteuid())
        return -1;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return pq_steal_fd(&fd);
    *out_taken = errno == EWOULDBLOCK;
    return -1;
}

pq_token_wait pq_token_wait_begin(double patience)
{
    return (pq_token_wait){.end = pq_monotonic() + patience, .pause = 0.002};
}

bool pq_token_wait_more(pq_token_wait *wait)
{
    if (pq_interrupted() || pq_monotonic() >= wait->end)
        return false;
    (void)pq_sleep(wait->pause);
    if (wait->pause < 0.02)
        wait->pause *= 1.3;
    return true;
}
