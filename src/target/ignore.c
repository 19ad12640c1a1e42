#include "target/ignore.h"

#include <string.h>

enum { MAX_PATTERNS = 1000, MAX_PATTERN = 1024 };

void pq_ignore_clear(pq_ignore *ignore)
{
    pq_strings_clear(&ignore->patterns);
}

/* What Go's filepath.Clean makes of a path, without a leading slash: no empty, `.` or inner `..` parts. */
static char *clean(const char *path)
{
    PQ_AUTO_STRINGS parts = {0};
    while (*path) {
        size_t length = strcspn(path, "/");
        PQ_AUTO_FREE char *part = pq_strndup(path, length);
        path += length + (path[length] == '/');
        if (!*part || pq_streq(part, "."))
            continue;
        if (pq_streq(part, "..") && parts.count && !pq_streq(parts.at[parts.count - 1], "..")) {
            free(parts.at[--parts.count]);
            continue;
        }
        pq_strings_take(&parts, pq_steal(part));
    }
    PQ_AUTO_BUF joined = PQ_BUF(MAX_PATTERN);
    for (size_t i = 0; i < parts.count; i++)
        pq_buf_addf(&joined, "%s%s", i ? "/" : "", parts.at[i]);
    return parts.count ? pq_buf_steal(&joined) : pq_strdup(".");
}

/* One class `[…]` that starts at `pattern`: its length, or 0 when it does not end. */
static size_t class_length(const char *pattern)
{
    size_t at = 1;
    if (pattern[at] == '^')
        at++;
    for (bool first = true; pattern[at] && (pattern[at] != ']' || first); first = false) {
        if (pattern[at] == '\\' && pattern[at + 1])
            at++;
        at++;
    }
    return pattern[at] == ']' ? at + 1 : 0;
}

static bool pattern_valid(const char *pattern)
{
    for (const char *at = pattern; *at;) {
        if (*at == '\\' && !at[1])
            return false;
        size_t step = *at == '\\' ? 2 : *at == '[' ? class_length(at) : 1;
        if (step == 0)
            return false;
        at += step;
    }
    return true;
}

bool pq_ignore_parse(const char *name, const char *bytes, size_t length, pq_ignore *out, pq_error *err)
{
    PQ_AUTO_IGNORE read = {0};
    unsigned line = 0;
    if (length >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) {
        bytes += 3;
        length -= 3;
    }
    for (size_t at = 0; at < length;) {
        const char *end = memchr(bytes + at, '\n', length - at);
        size_t stop = end ? (size_t)(end - bytes) : length;
        size_t start = at;
        at = stop + 1;
        line++;
        if (start < stop && bytes[start] == '#')
            continue;
        while (start < stop && pq_ascii_space(bytes[start]))
            start++;
        while (stop > start && pq_ascii_space(bytes[stop - 1]))
            stop--;
        if (start == stop)
            continue;
        bool back = bytes[start] == '!';
        for (start += back; start < stop && pq_ascii_space(bytes[start]);)
            start++;
        PQ_AUTO_FREE char *where = pq_asprintf("%s:%u", name, line);
        if (start == stop || stop - start > MAX_PATTERN - 2 || read.patterns.count == MAX_PATTERNS ||
            memchr(bytes + start, '\0', stop - start))
            return pq_fail(err, PQ_EINPUT, where, NULL,
                           start == stop                         ? "`!` alone is no pattern"
                           : read.patterns.count == MAX_PATTERNS ? "too many patterns"
                                                                 : "this pattern is too long or holds a NUL");
        PQ_AUTO_FREE char *text = pq_strndup(bytes + start, stop - start);
        PQ_AUTO_FREE char *cleaned = clean(text);
        if (!pattern_valid(cleaned))
            return pq_fail(err, PQ_EINPUT, where, NULL, "this pattern ends inside a [class] or after a backslash");
        pq_strings_take(&read.patterns, pq_asprintf("%s%s", back ? "!" : "", cleaned));
    }
    *out = read;
    read = (pq_ignore){0};
    return true;
}

/* Whether a byte is in the class that starts at `pattern`. Ranges compare bytes: beyond ASCII only whole equal
 * characters can be meant, which plain characters express. */
static bool in_class(const char *pattern, size_t length, unsigned char byte)
{
    size_t at = 1, end = length - 1;
    bool negated = pattern[at] == '^', found = false;
    for (at += negated; at < end; at++) {
        if (pattern[at] == '\\' && at + 1 < end)
            at++;
        unsigned char low = (unsigned char)pattern[at], high = low;
        if (at + 2 < end && pattern[at + 1] == '-') {
            at += 2;
            if (pattern[at] == '\\' && at + 1 < end)
                at++;
            high = (unsigned char)pattern[at];
        }
        found = found || (byte >= low && byte <= high);
    }
    return found != negated;
}

/* All places in the path that can be reached after a part of the pattern: time is pattern times path, whatever the
 * pattern. `now` and `next` have a flag for each offset of the path, its end included. */
static bool glob(const char *pattern, const char *path, size_t length)
{
    /* moby takes `**` before a text without wildcards as "ends in it", across and within parts. */
    if (pq_starts_with(pattern, "**") && pattern[2] && pattern[2] != '/' &&
        !pattern[2 + strcspn(pattern + 2, "*?[\\")]) {
        size_t suffix = strlen(pattern + 2);
        return suffix <= length && memcmp(path + length - suffix, pattern + 2, suffix) == 0;
    }
    PQ_AUTO_FREE bool *now = pq_alloc(length + 1, sizeof *now), *next = pq_alloc(length + 1, sizeof *next);
    now[0] = true;
    while (*pattern) {
        memset(next, 0, (length + 1) * sizeof *next);
        size_t step = 1;
        if (pattern[0] == '*' && pattern[1] == '*') {
            /* `**` at the end: anything. Else, with the slash that follows it: nothing, or any number of parts. */
            step = pattern[2] == '/' ? 3 : 2;
            bool last = pattern[step] == '\0';
            bool reached = false;
            for (size_t i = 0; i <= length; i++) {
                reached = reached || now[i];
                next[i] = now[i] || (reached && (last || (i > 0 && path[i - 1] == '/')));
            }
        } else if (*pattern == '*') {
            bool reached = false;
            for (size_t i = 0; i <= length; i++) {
                reached = now[i] || (reached && i > 0 && path[i - 1] != '/');
                next[i] = reached;
            }
        } else {
            size_t class = *pattern == '[' ? class_length(pattern) : 0;
            bool any = *pattern == '?';
            if (*pattern == '\\')
                pattern++;
            for (size_t i = 0; i < length; i++) {
                size_t width = any ? pq_utf8_width(path + i, length - i) : 1;
                bool fits = class ? in_class(pattern, class, (unsigned char)path[i])
                            : any ? path[i] != '/'
                                  : path[i] == *pattern;
                if (now[i] && fits)
                    next[i + (width ? width : 1)] = true;
            }
            step = class ? class : 1;
        }
        pattern += step;
        bool *swap = now;
        now = next;
        next = swap;
    }
    return now[length];
}

/* The pattern against the path and each folder above it. */
static bool matches_here_or_above(const char *pattern, const char *path)
{
    size_t length = strlen(path);
    for (size_t i = 1; i <= length; i++)
        if ((path[i] == '/' || path[i] == '\0') && glob(pattern, path, i))
            return true;
    return false;
}

bool pq_ignore_matches(const pq_ignore *ignore, const char *path)
{
    bool matched = false;
    for (size_t i = 0; i < ignore->patterns.count; i++) {
        const char *pattern = ignore->patterns.at[i];
        bool back = *pattern == '!';
        if (back == matched && matches_here_or_above(pattern + back, path))
            matched = !back;
    }
    return matched;
}

bool pq_ignore_prunes(const pq_ignore *ignore, const char *folder)
{
    if (!pq_ignore_matches(ignore, folder))
        return false;
    size_t length = strlen(folder);
    for (size_t i = 0; i < ignore->patterns.count; i++) {
        const char *pattern = ignore->patterns.at[i];
        if (*pattern == '!' && strncmp(pattern + 1, folder, length) == 0 &&
            (pattern[1 + length] == '/' || pattern[1 + length] == '\0'))
            return false;
    }
    return true;
}
