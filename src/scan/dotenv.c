#include "scan/dotenv.h"

#include <string.h>

#include "base/limits.h"
#include "scan/expand.h"

typedef struct reader {
    const char *name;
    const char *at, *end;
    unsigned line;
    const pq_vars *environment;
    pq_vars seen; /* what values may use: the file's own, with the environment's over them */
    pq_vars *out;
    pq_errors *errs;
} reader;

static bool complain(reader *in, unsigned line, const char *hint, const char *what)
{
    PQ_AUTO_FREE char *where = pq_asprintf("%s:%u", in->name, line);
    return pq_errors_add(in->errs, PQ_EINPUT, where, hint, "%s", what);
}

static bool blank(char byte)
{
    return pq_ascii_space(byte) && byte != '\n';
}

static void skip_line(reader *in)
{
    while (in->at < in->end && *in->at++ != '\n')
        ;
    in->line++;
}

/* Moves to the next name; false at the end of the file. */
static bool find_statement(reader *in)
{
    while (in->at < in->end) {
        if (*in->at == '#')
            skip_line(in);
        else if (!pq_ascii_space(*in->at))
            return true;
        else if (*in->at++ == '\n')
            in->line++;
    }
    return false;
}

static void set(reader *in, const char *key, const char *value, const char *gap)
{
    if (pq_ascii_digit(*key)) /* read and left out, as Compose does */
        return;
    pq_vars_set(in->out, key, value, gap);
    const pq_var *outer = pq_vars_get(in->environment, key);
    if (!outer || !outer->value)
        pq_vars_set(&in->seen, key, value, gap);
}

static bool set_expanded(reader *in, unsigned line, const char *key, const char *raw)
{
    PQ_AUTO_BUF value = PQ_BUF(PQ_MAX_EXPANSION);
    PQ_AUTO_GAP gap = {0};
    PQ_AUTO_ERROR err = {0};
    if (!pq_interpolate(raw, &in->seen, &value, &gap, &err))
        return complain(in, line, err.hint, err.message);
    set(in, key, pq_buf_text(&value), gap.name);
    return true;
}

/* What a backslash and the bytes after it mean between double quotes. Returns how many bytes they are. */
static size_t read_escape(const char *text, pq_buf *out)
{
    static const char letters[] = "abfnrtv\"\\", meanings[] = "\a\b\f\n\r\t\v\"\\";
    const char *letter = text[1] ? strchr(letters, text[1]) : NULL;
    if (letter) {
        pq_buf_addc(out, meanings[letter - letters]);
        return 2;
    }
    if (text[1] == '$') { /* a dollar that starts no variable */
        pq_buf_adds(out, "$$");
        return 2;
    }
    if (text[1] == '0') { /* \0 and three octal digits; with fewer the zero alone goes, as in compose-go */
        unsigned value = 0;
        size_t digits = 0;
        while (digits < 3 && pq_ascii_digit(text[2 + digits]))
            digits++;
        bool octal = digits == 3;
        for (size_t i = 0; i < digits; i++) {
            octal = octal && text[2 + i] < '8';
            value = value * 8 + (unsigned)(text[2 + i] - '0');
        }
        if (octal && value <= 0xff) {
            if (value >= 0x80) /* a character, not a byte */
                pq_buf_addc(out, (char)(0xc0 | (value >> 6)));
            pq_buf_addc(out, (char)(value < 0x80 ? value : 0x80 | (value & 0x3f)));
        } else {
            pq_buf_addc(out, '\\');
            pq_buf_add(out, text + 2, digits);
        }
        return 2 + digits;
    }
    pq_buf_addc(out, '\\');
    return 1;
}

static bool read_quoted(reader *in, const char *key)
{
    char quote = *in->at;
    unsigned line = in->line;
    PQ_AUTO_BUF raw = PQ_BUF(PQ_MAX_TREE_FILE);
    const char *at = in->at + 1;
    for (; at < in->end && *at != quote; at++) {
        if (*at == '\n')
            in->line++;
        if (*at == '\\' && at + 1 < in->end) {
            at++;
            if (*at == '\n')
                in->line++;
            if (*at != quote)
                pq_buf_addc(&raw, '\\');
        }
        pq_buf_addc(&raw, *at);
    }
    if (at == in->end) {
        in->at = at;
        return complain(in, line, NULL, "a quote is not closed");
    }
    in->at = at + 1;
    if (quote == '\'') {
        set(in, key, pq_buf_text(&raw), NULL);
        return true;
    }
    PQ_AUTO_BUF plain = PQ_BUF(PQ_MAX_TREE_FILE);
    for (const char *text = pq_buf_text(&raw); *text;) {
        if (*text == '\\')
            text += read_escape(text, &plain);
        else
            pq_buf_addc(&plain, *text++);
    }
    return set_expanded(in, line, key, pq_buf_text(&plain));
}

static bool read_unquoted(reader *in, const char *key)
{
    const char *end = in->at;
    while (end < in->end && *end != '\n')
        end++;
    const char *start = in->at, *stop = start;
    while (stop < end && !(stop[0] == ' ' && stop + 1 < end && stop[1] == '#'))
        stop++;
    while (stop > start && pq_ascii_space(stop[-1]))
        stop--;
    PQ_AUTO_FREE char *raw = pq_strndup(start, (size_t)(stop - start));
    unsigned line = in->line;
    in->at = end;
    return set_expanded(in, line, key, raw);
}

/* At a name. */
static bool read_statement(reader *in)
{
    if (in->end - in->at > 6 && strncmp(in->at, "export", 6) == 0 && pq_ascii_space(in->at[6]))
        for (in->at += 6; in->at < in->end && blank(*in->at);)
            in->at++;
    const char *start = in->at, *at = start;
    while (at < in->end && *at != '=' && *at != ':' && *at != '\n') {
        if (!blank(*at) && !pq_ascii_alnum(*at) && !(*at & 0x80) && !strchr("_.-[]", *at)) {
            skip_line(in);
            return complain(in, in->line - 1, NULL, "a variable's name has a character that is not allowed");
        }
        at++;
    }
    bool alone = at == in->end || *at == '\n';
    const char *stop = at;
    while (stop > start && pq_ascii_space(stop[-1]))
        stop--;
    PQ_AUTO_FREE char *key = pq_strndup(start, (size_t)(stop - start));
    if (strchr(key, ' ')) {
        skip_line(in);
        return complain(in, in->line - 1, "write NAME=VALUE", "a variable's name has a space");
    }
    in->at = at;
    if (alone) {
        const pq_var *outer = pq_vars_get(in->environment, key);
        if (outer && outer->value)
            set(in, key, outer->value, outer->gap);
        return true;
    }
    for (in->at++; in->at < in->end && blank(*in->at);)
        in->at++;
    if (in->at < in->end && (*in->at == '"' || *in->at == '\''))
        return read_quoted(in, key);
    return read_unquoted(in, key);
}

bool pq_dotenv_parse(const char *name, const char *bytes, size_t length, const pq_vars *environment, pq_vars *out,
                     pq_errors *errs)
{
    if (memchr(bytes, '\0', length))
        return pq_errors_add(errs, PQ_EINPUT, name, NULL, "holds a NUL byte");
    reader in = {.name = name,
                 .at = bytes,
                 .end = bytes + length,
                 .line = 1,
                 .environment = environment,
                 .out = out,
                 .errs = errs};
    if (length >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
        in.at += 3;
    pq_vars_merge(&in.seen, out);
    pq_vars_merge(&in.seen, environment);
    bool good = true;
    while (find_statement(&in))
        good = read_statement(&in) && good;
    pq_vars_clear(&in.seen);
    return good;
}
