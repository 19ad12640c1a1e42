#include "scan/instruction.h"

#include <string.h>

#include "base/limits.h"
#include "scan/expand.h"

#define LONGEST_LINE 65535u /* bytes, with the line end (bufio.MaxScanTokenSize - 1) */

typedef struct line {
    const char *text;
    size_t length;      /* without the line end */
    size_t full_length; /* with it */
} line;

typedef struct reader {
    const char *file;
    const char *at, *end;
    unsigned number; /* of the line read last, from 1 */
    char escape;
    bool directives_over;
    bool shebang; /* the parser takes it for a comment, which ends `# escape=`; the search for the frontend does not */
    bool seen_syntax, seen_escape, seen_check;
    pq_instructions *out;
    pq_scan *scan;
} reader;

static bool next_line(reader *in, line *out)
{
    if (in->at == in->end)
        return false;
    const char *newline = memchr(in->at, '\n', (size_t)(in->end - in->at));
    const char *after = newline ? newline + 1 : in->end;
    *out = (line){.text = in->at, .length = (size_t)(after - in->at), .full_length = (size_t)(after - in->at)};
    while (out->length && (out->text[out->length - 1] == '\n' || out->text[out->length - 1] == '\r'))
        out->length--;
    in->at = after;
    in->number++;
    if (out->full_length > LONGEST_LINE)
        pq_scan_add_error(in->scan, in->file, in->number, NULL, "a line is longer than %u bytes", LONGEST_LINE);
    return true;
}

static bool is_comment(line what)
{
    pq_trim_left(&what.text, &what.length);
    return what.length && *what.text == '#';
}

/* `# name = value`. The names are syntax, escape and check; whatever else ends the directives. */
static bool read_directive(reader *in, line what, bool indented)
{
    const char *at = what.text + 1, *end = what.text + what.length;
    while (at < end && pq_ascii_space(*at))
        at++;
    const char *name = at;
    while (at < end && pq_ascii_alnum(*at))
        at++;
    PQ_AUTO_FREE char *key = pq_strndup(name, (size_t)(at - name));
    pq_ascii_lower_in_place(key);
    while (at < end && pq_ascii_space(*at))
        at++;
    bool *seen = strcmp(key, "syntax") == 0   ? &in->seen_syntax
                 : strcmp(key, "escape") == 0 ? &in->seen_escape
                 : strcmp(key, "check") == 0  ? &in->seen_check
                                              : NULL;
    if (!seen || at == end || *at != '=')
        return false;
    for (at++; at < end && pq_ascii_space(*at);)
        at++;
    while (end > at && pq_ascii_space(end[-1]))
        end--;
    if (at == end)
        return false;
    if (*seen) {
        pq_scan_add_error(in->scan, in->file, in->number, NULL, "only one %s parser directive can be used", key);
        return true;
    }
    *seen = true;
    if (seen == &in->seen_escape && !in->shebang) {
        if (end - at == 1 && (*at == '\\' || *at == '`'))
            in->escape = *at;
        else
            pq_scan_add_error(in->scan, in->file, in->number, "it may be \\ or `", "invalid escape character");
    }
    if (seen == &in->seen_syntax && !indented) { /* the one that picks the frontend allows no blanks before it */
        in->out->syntax = pq_strndup(at, (size_t)(end - at));
        in->out->syntax[strcspn(in->out->syntax, " ")] = '\0';
        in->out->syntax_line = in->number;
    }
    return true;
}

/* Cuts a continuation mark off; false when the line ends here. */
static bool cut_continuation(const reader *in, line *what)
{
    size_t length = what->length;
    while (length && (what->text[length - 1] == ' ' || what->text[length - 1] == '\t'))
        length--;
    if (!length || what->text[length - 1] != in->escape)
        return false;
    if (length > 1 && what->text[length - 2] == in->escape)
        return false;
    what->length = length - 1;
    return true;
}

/* Names of the heredocs that a line opens, with whether tabs before the end mark are ignored. */
typedef struct heredocs {
    pq_strings names;
    bool *chomp;
    size_t capacity;
} heredocs;

/* `<<NAME`, `3<<-"NAME"`: true when the word opens one. */
static bool read_heredoc_word(reader *in, const char *word, heredocs *out, unsigned at_line)
{
    static const pq_vars none = {0};
    while (pq_ascii_digit(*word))
        word++;
    if (!pq_starts_with(word, "<<"))
        return false;
    word += 2;
    bool chomp = *word == '-';
    if (chomp)
        word++;
    while (pq_ascii_space(*word))
        word++;
    if (!*word || strchr(word, '<'))
        return false;
    pq_word_rules rules = {.escape = '\\', .keep_unset = true};
    PQ_AUTO_STRINGS parts = {0};
    PQ_AUTO_ERROR err = {0};
    if (!pq_split_words(word, &rules, &none, &parts, &err)) {
        pq_scan_add_error(in->scan, in->file, at_line, NULL, "in the name of a heredoc: %s", err.message);
        return false;
    }
    if (parts.count != 1)
        return false;
    out->chomp = pq_grow(out->chomp, &out->capacity, out->names.count + 1, sizeof *out->chomp);
    out->chomp[out->names.count] = chomp;
    pq_strings_add(&out->names, parts.at[0]);
    return true;
}

static bool skip_heredoc(reader *in, const char *name, bool chomp)
{
    size_t length = strlen(name);
    for (line body; next_line(in, &body);) {
        while (chomp && body.length && *body.text == '\t') {
            body.text++;
            body.length--;
        }
        if (body.length == length && memcmp(body.text, name, length) == 0)
            return true;
    }
    return false;
}

static bool takes_heredocs(const pq_instruction *instruction)
{
    return !instruction->json &&
           (strcmp(instruction->keyword, "run") == 0 || strcmp(instruction->keyword, "copy") == 0 ||
            strcmp(instruction->keyword, "add") == 0);
}

/* Moves past the bodies of the heredocs that the text opens. */
static void skip_heredocs(reader *in, const char *text, unsigned at_line)
{
    static const pq_vars none = {0};
    /* Always the backslash: the shell of a heredoc does not know `# escape=`. */
    pq_word_rules rules = {.escape = '\\', .raw_quotes = true, .raw_escapes = true, .keep_unset = true};
    PQ_AUTO_STRINGS parts = {0};
    PQ_AUTO_ERROR ignored = {0};
    if (!pq_split_words(text, &rules, &none, &parts, &ignored))
        return; /* BuildKit sees no heredoc in what it cannot divide */
    heredocs found = {0};
    for (size_t i = 0; i < parts.count; i++)
        (void)read_heredoc_word(in, parts.at[i], &found, at_line);
    if (found.names.count && !in->out->heredoc_line)
        in->out->heredoc_line = at_line;
    for (size_t i = 0; i < found.names.count; i++)
        if (!skip_heredoc(in, found.names.at[i], found.chomp[i])) {
            pq_scan_add_error(in->scan, in->file, at_line, "end it with a line that holds its name alone",
                              "a heredoc is not terminated");
            break;
        }
    pq_strings_clear(&found.names);
    free(found.chomp);
}

static void read_instruction(reader *in, line first)
{
    unsigned at_line = in->number;
    PQ_AUTO_BUF text = PQ_BUF(PQ_MAX_TREE_FILE);
    bool goes_on = cut_continuation(in, &first);
    if (!goes_on && !first.length)
        return;
    pq_buf_add(&text, first.text, first.length);
    for (line more; goes_on && next_line(in, &more);) {
        line trimmed = more;
        pq_trim_left(&trimmed.text, &trimmed.length);
        if (!trimmed.length || is_comment(more)) /* neither ends the instruction */
            continue;
        goes_on = cut_continuation(in, &more);
        pq_buf_add(&text, more.text, more.length);
    }
    pq_instruction read = {.line = at_line};
    bool good = pq_form_read(in->file, pq_buf_text(&text), in->escape, &read, in->scan);
    if (takes_heredocs(&read) && strstr(pq_buf_text(&text), "<<"))
        skip_heredocs(in, pq_buf_text(&text), at_line);
    if (!good) {
        if (strcmp(read.keyword, "from") != 0) {
            pq_form_clear(&read);
            return;
        }
        pq_strings_clear(&read.args); /* still a stage, so that later ones are counted right */
    }
    pq_instructions *out = in->out;
    out->at = pq_grow(out->at, &out->capacity, out->count + 1, sizeof *out->at);
    out->at[out->count++] = read;
}

void pq_instructions_read(const char *file, const char *bytes, size_t length, pq_instructions *out, pq_scan *scan)
{
    *out = (pq_instructions){.escape = '\\'};
    if (memchr(bytes, '\0', length)) {
        pq_scan_add_error(scan, file, 0, "save it as UTF-8", "holds a NUL byte");
        return;
    }
    reader in = {.file = file, .at = bytes, .end = bytes + length, .escape = '\\', .out = out, .scan = scan};
    if (length >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
        in.at += 3;
    for (line one; next_line(&in, &one);) {
        if (in.number == 1 && one.length > 1 && memcmp(one.text, "#!", 2) == 0) {
            in.shebang = true;
            continue;
        }
        line trimmed = one;
        pq_trim_left(&trimmed.text, &trimmed.length);
        bool comment = is_comment(trimmed);
        if (!in.directives_over && (!comment || !read_directive(&in, trimmed, trimmed.text != one.text)))
            in.directives_over = true;
        out->escape = in.escape;
        if (!comment)
            read_instruction(&in, trimmed);
    }
}

void pq_instructions_clear(pq_instructions *list)
{
    for (size_t i = 0; i < list->count; i++)
        pq_form_clear(&list->at[i]);
    free(list->at);
    free(list->syntax);
    *list = (pq_instructions){0};
}
