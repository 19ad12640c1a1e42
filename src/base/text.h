/* Small text helpers that libc lacks. */
#pragma once

#include "base/mem.h"

#include <stdint.h>

bool pq_streq(const char *a, const char *b); /* NULL equals only NULL */
bool pq_starts_with(const char *text, const char *prefix);
bool pq_ends_with(const char *text, const char *suffix);

/* Characters by ASCII only, whatever the locale: here, for they are asked for each byte of an input. */
static inline char pq_ascii_lower(char byte)
{
    return byte >= 'A' && byte <= 'Z' ? (char)(byte - 'A' + 'a') : byte;
}

static inline bool pq_ascii_alpha(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

static inline bool pq_ascii_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static inline bool pq_ascii_alnum(char byte)
{
    return pq_ascii_alpha(byte) || pq_ascii_digit(byte);
}

/* Space, tab, CR, LF, VT, FF. */
static inline bool pq_ascii_space(char byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

void pq_ascii_lower_in_place(char *text);
bool pq_ascii_equal_nocase(const char *a, const char *b);
/* Takes white space away from the start, and from the end, as Unicode knows it: no-break spaces and their like too. */
void pq_trim_left(const char **text, size_t *length);
void pq_trim(const char **text, size_t *length);
/* How many bytes from `text` on are ASCII that can be seen, or spaces. */
size_t pq_ascii_run(const char *text, size_t length);
/* Length in bytes of the valid UTF-8 sequence that starts at `text`, 0 when there is none within `length`. */
size_t pq_utf8_width(const char *text, size_t length);
bool pq_utf8_valid(const char *text, size_t length);
/* Number of single-byte edits between two words, at most `limit + 1`; for "did you mean". */
size_t pq_edit_distance(const char *a, const char *b, size_t limit);
/* The candidate nearest to `word` (at most two edits and half its length away), or NULL. Borrowed. */
const char *pq_nearest(const char *word, const char *const *candidates, size_t count);
/* A decimal number without sign or leading blanks, all of `text`; false when it is not one or exceeds `maximum`. */
bool pq_parse_number(const char *text, uint64_t maximum, uint64_t *out) PQ_MUST_USE;
/* The value of an environment variable; NULL also when it is empty. Borrowed until the environment changes. */
const char *pq_getenv(const char *name);

/* A list of owned strings. */
typedef struct pq_strings {
    char **at;
    size_t count, capacity;
} pq_strings;

#define PQ_AUTO_STRINGS PQ_CLEANUP(pq_strings_clear) pq_strings
#define PQ_AUTO_SENSITIVE_STRINGS PQ_CLEANUP(pq_strings_wipe) pq_strings

void pq_strings_clear(pq_strings *list);
void pq_strings_wipe(pq_strings *list);                  /* the same, but wipes: for lines that hold a credential */
void pq_strings_add(pq_strings *list, const char *text); /* copies */
void pq_strings_take(pq_strings *list, char *text);      /* takes */
bool pq_strings_have(const pq_strings *list, const char *text);
bool pq_strings_add_once(pq_strings *list, const char *text); /* copies; false when it was there */
void pq_strings_sort(pq_strings *list);                       /* byte order */
/* A NULL-terminated array of borrowed pointers for exec; free() the array only. */
char **pq_strings_argv(const pq_strings *list) PQ_MUST_USE;
