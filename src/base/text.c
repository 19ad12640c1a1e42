#include "base/text.h"

#include <string.h>

bool pq_streq(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

bool pq_starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool pq_ends_with(const char *text, const char *suffix)
{
    size_t length = strlen(text), tail = strlen(suffix);
    return length >= tail && memcmp(text + length - tail, suffix, tail) == 0;
}

void pq_ascii_lower_in_place(char *text)
{
    for (; *text; text++)
        *text = pq_ascii_lower(*text);
}

bool pq_ascii_equal_nocase(const char *a, const char *b)
{
    while (*a && pq_ascii_lower(*a) == pq_ascii_lower(*b)) {
        a++;
        b++;
    }
    return *a == *b;
}

size_t pq_ascii_run(const char *text, size_t length)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    size_t at = 0;
    for (uint64_t eight; length - at >= sizeof eight; at += sizeof eight) {
        memcpy(&eight, text + at, sizeof eight);
        /* The highest bit of a byte tells: it was set, or adding 1 sets it (0x7f), or taking 0x20 away does. */
        if ((eight | (eight + ones) | (eight - 0x20 * ones)) & (0x80 * ones))
            break;
    }
    while (at < length && text[at] >= 0x20 && text[at] < 0x7f)
        at++;
    return at;
}

static const char *const wide_spaces[] = {
    "\xc2\x85",     "\xc2\xa0",     "\xe1\x9a\x80", "\xe2\x80\x80", "\xe2\x80\x81", "\xe2\x80\x82", "\xe2\x80\x83",
    "\xe2\x80\x84", "\xe2\x80\x85", "\xe2\x80\x86", "\xe2\x80\x87", "\xe2\x80\x88", "\xe2\x80\x89", "\xe2\x80\x8a",
    "\xe2\x80\xa8", "\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80",
};

/* Bytes of the white space at the start or the end; 0 when there is none. */
static size_t space_at(const char *text, size_t length, bool end)
{
    if (length && pq_ascii_space(text[end ? length - 1 : 0]))
        return 1;
    if (!length || !(text[end ? length - 1 : 0] & 0x80))
        return 0;
    for (size_t i = 0; i < sizeof wide_spaces / sizeof *wide_spaces; i++) {
        size_t width = strlen(wide_spaces[i]);
        if (width <= length && memcmp(end ? text + length - width : text, wide_spaces[i], width) == 0)
            return width;
    }
    return 0;
}

void pq_trim_left(const char **text, size_t *length)
{
    for (size_t width; (width = space_at(*text, *length, false)); *length -= width)
        *text += width;
}

void pq_trim(const char **text, size_t *length)
{
    pq_trim_left(text, length);
    for (size_t width; (width = space_at(*text, *length, true));)
        *length -= width;
}

size_t pq_utf8_width(const char *text, size_t length)
{
    if (length == 0)
        return 0;
    const unsigned char *s = (const unsigned char *)text;
    if (s[0] < 0x80)
        return 1;
    size_t width = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4 || length < width)
        return 0;
    for (size_t i = 1; i < width; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    /* Overlong forms, surrogates and values beyond U+10FFFF (RFC 3629, section 4). */
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
        (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return width;
}

bool pq_utf8_valid(const char *text, size_t length)
{
    for (size_t i = pq_ascii_run(text, length); i < length; i += pq_ascii_run(text + i, length - i)) {
        size_t width = pq_utf8_width(text + i, length - i);
        if (width == 0)
            return false;
        i += width;
    }
    return true;
}

size_t pq_edit_distance(const char *a, const char *b, size_t limit)
{
    size_t width = strlen(b), height = strlen(a);
    if (width > 256 || height > 256)
        return limit + 1;
    size_t row[257];
    for (size_t j = 0; j <= width; j++)
        row[j] = j;
    for (size_t i = 1; i <= height; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= width; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            size_t best = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            row[j] = change < best ? change : best;
        }
    }
    return row[width] > limit ? limit + 1 : row[width];
}

const char *pq_nearest(const char *word, const char *const *candidates, size_t count)
{
    const char *best = NULL;
    size_t best_distance = 3, length = strlen(word);
    if (length / 2 + 1 < best_distance)
        best_distance = length / 2 + 1;
    for (size_t i = 0; i < count; i++) {
        size_t distance = pq_edit_distance(word, candidates[i], 3);
        if (distance < best_distance) {
            best_distance = distance;
            best = candidates[i];
        }
    }
    return best;
}

bool pq_parse_number(const char *text, uint64_t maximum, uint64_t *out)
{
    if (!*text)
        return false;
    uint64_t value = 0;
    for (; *text; text++) {
        if (!pq_ascii_digit(*text))
            return false;
        uint64_t digit = (uint64_t)(*text - '0');
        if (value > (maximum - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

const char *pq_getenv(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

void pq_strings_clear(pq_strings *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->at[i]);
    free(list->at);
    *list = (pq_strings){0};
}

void pq_strings_wipe(pq_strings *list)
{
    for (size_t i = 0; i < list->count; i++)
        explicit_bzero(list->at[i], strlen(list->at[i]));
    pq_strings_clear(list);
}

void pq_strings_take(pq_strings *list, char *text)
{
    list->at = pq_grow(list->at, &list->capacity, list->count + 1, sizeof *list->at);
    list->at[list->count++] = text;
}

void pq_strings_add(pq_strings *list, const char *text)
{
    pq_strings_take(list, pq_strdup(text));
}

bool pq_strings_have(const pq_strings *list, const char *text)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->at[i], text) == 0)
            return true;
    return false;
}

bool pq_strings_add_once(pq_strings *list, const char *text)
{
    if (pq_strings_have(list, text))
        return false;
    pq_strings_add(list, text);
    return true;
}

static int compare_strings(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void pq_strings_sort(pq_strings *list)
{
    if (list->count)
        qsort(list->at, list->count, sizeof *list->at, compare_strings);
}

char **pq_strings_argv(const pq_strings *list)
{
    char **argv = pq_alloc(list->count + 1, sizeof *argv);
    for (size_t i = 0; i < list->count; i++)
        argv[i] = list->at[i];
    return argv;
}
