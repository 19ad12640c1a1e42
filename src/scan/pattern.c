#include "scan/pattern.h"

#include <string.h>

#include "base/text.h"

typedef enum token_kind { TOKEN_BYTE, TOKEN_ONE, TOKEN_RUN } token_kind;

typedef struct tokens {
    size_t count;
    token_kind kind[PQ_PATTERN_MAX];
    char byte[PQ_PATTERN_MAX];
} tokens;

static bool compile(const char *pattern, tokens *out, pq_error *err)
{
    out->count = 0;
    if (strlen(pattern) > PQ_PATTERN_MAX)
        return pq_fail(err, PQ_EINPUT, NULL, NULL, "a pattern in ${…} is longer than %u bytes", PQ_PATTERN_MAX);
    for (; *pattern; pattern++) {
        token_kind kind = *pattern == '*' ? TOKEN_RUN : *pattern == '?' ? TOKEN_ONE : TOKEN_BYTE;
        if (*pattern == '\\') {
            pattern++;
            if (!*pattern || !strchr("*?\\}/", *pattern))
                return pq_fail(err, PQ_EINPUT, NULL, NULL, "invalid escape in a pattern of ${…}");
        }
        out->kind[out->count] = kind;
        out->byte[out->count++] = *pattern;
    }
    return true;
}

/* Length of the shortest or longest match at the start of `text`, -1 when there is none. A set of live positions in
 * the pattern moves over the text, so that no pattern takes more than its length times the text's. */
static long match(const tokens *pattern, const char *text, bool longest)
{
    bool live[PQ_PATTERN_MAX + 1] = {true};
    long found = -1;
    for (size_t at = 0;;) {
        bool any = false;
        for (size_t i = 0; i < pattern->count; i++) {
            if (live[i] && pattern->kind[i] == TOKEN_RUN)
                live[i + 1] = true;
            any = any || live[i];
        }
        if (live[pattern->count]) {
            found = (long)at;
            if (!longest)
                return found;
        }
        if (!text[at] || !any)
            return found;
        size_t width = pq_utf8_width(text + at, strlen(text + at));
        bool next[PQ_PATTERN_MAX + 1] = {false};
        for (size_t i = 0; i < pattern->count; i++) {
            if (!live[i])
                continue;
            if (pattern->kind[i] == TOKEN_RUN)
                next[i] = true;
            else if (pattern->kind[i] == TOKEN_ONE || pattern->byte[i] == text[at])
                next[i + 1] = true;
        }
        /* `?` takes a whole character: its other bytes pass with it. Bytes of literals come one by one. */
        bool whole = width > 1;
        for (size_t i = 0; whole && i < pattern->count; i++)
            whole = !(live[i] && pattern->kind[i] == TOKEN_BYTE);
        memcpy(live, next, sizeof live);
        at += whole ? width : 1;
    }
}

static bool check_value(const char *value, pq_error *err)
{
    if (strlen(value) > PQ_PATTERN_VALUE_MAX)
        return pq_fail(err, PQ_EINPUT, NULL, NULL, "a pattern of ${…} is applied to more than %u bytes",
                       PQ_PATTERN_VALUE_MAX);
    return true;
}

bool pq_pattern_trim(const char *value, const char *pattern, bool at_end, bool longest, pq_buf *out, pq_error *err)
{
    tokens compiled;
    if (!check_value(value, err) || !compile(pattern, &compiled, err))
        return false;
    if (!at_end) {
        long length = match(&compiled, value, longest);
        pq_buf_adds(out, value + (length > 0 ? length : 0));
        return true;
    }
    size_t length = strlen(value), keep = length;
    for (size_t i = 0; i <= length; i++) { /* from the longest end to the shortest */
        size_t start = longest ? i : length - i;
        long matched = match(&compiled, value + start, true);
        if (matched >= 0 && (size_t)matched == length - start) {
            keep = start;
            break;
        }
    }
    pq_buf_add(out, value, keep);
    return true;
}

bool pq_pattern_replace(const char *value, const char *pattern, const char *replacement, bool all, pq_buf *out,
                        pq_error *err)
{
    tokens compiled;
    if (!check_value(value, err) || !compile(pattern, &compiled, err))
        return false;
    bool done = false, after_match = false;
    for (;;) {
        long length = done ? -1 : match(&compiled, value, true);
        if (length > 0 || (length == 0 && !after_match)) {
            pq_buf_adds(out, replacement);
            value += length;
            done = !all;
            after_match = length > 0;
            if (length > 0)
                continue;
        }
        after_match = false;
        if (!*value)
            return true;
        pq_buf_addc(out, *value++);
    }
}
