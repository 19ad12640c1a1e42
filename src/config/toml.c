#include "config/toml.h"

#include <string.h>

#include "base/limits.h"
#include "base/text.h"

typedef struct parser {
    const char *at, *end;
    const char *name;
    unsigned line;
    size_t nodes;
    pq_error *err;
} parser;

static bool fail(const parser *p, const char *words)
{
    PQ_AUTO_FREE char *where = pq_asprintf("%s:%u", p->name, p->line);
    return pq_fail(p->err, PQ_ECONFIG, where, NULL, "%s", words);
}

/* --- the tree -------------------------------------------------------------------------------------------------- */

void pq_toml_free(pq_toml *value)
{
    if (!value)
        return;
    while (value->first) {
        pq_toml *child = value->first;
        value->first = child->next;
        pq_toml_free(child); /* as deep as PQ_MAX_TOML_DEPTH */
    }
    free(value->key);
    free(value->text);
    free(value);
}

void pq_toml_cleanup(pq_toml **value)
{
    pq_toml_free(*value);
}

static pq_toml *find(const pq_toml *table, const char *key)
{
    pq_toml *child = table->first;
    while (child && strcmp(child->key, key) != 0)
        child = child->next;
    return child;
}

const pq_toml *pq_toml_get(const pq_toml *table, const char *key)
{
    return find(table, key);
}

/* A new last child; `key` is taken. NULL, told, when there are too many. */
static pq_toml *add_child(parser *p, pq_toml *parent, char *key)
{
    if (++p->nodes > PQ_MAX_TOML_NODES) {
        free(key);
        (void)fail(p, "the file has too many values");
        return NULL;
    }
    pq_toml *child = pq_alloc(1, sizeof *child);
    child->key = key;
    child->line = p->line;
    if (parent->last)
        parent->last->next = child;
    else
        parent->first = child;
    parent->last = child;
    return child;
}

/* --- blanks ---------------------------------------------------------------------------------------------------- */

static bool have(const parser *p, const char *text)
{
    size_t length = strlen(text);
    return (size_t)(p->end - p->at) >= length && memcmp(p->at, text, length) == 0;
}

static char peek(const parser *p)
{
    return p->at < p->end ? *p->at : '\0'; /* there is no NUL in the text */
}

static void skip_blanks(parser *p)
{
    while (peek(p) == ' ' || peek(p) == '\t')
        p->at++;
}

static bool take_newline(parser *p)
{
    size_t width = have(p, "\n") ? 1 : have(p, "\r\n") ? 2 : 0;
    p->at += width;
    p->line += width > 0;
    return width > 0;
}

/* Control bytes that may stand nowhere, not even in a comment. */
static bool is_control(char byte)
{
    return ((unsigned char)byte < ' ' && byte != '\t') || byte == 0x7f;
}

static bool skip_comment(parser *p)
{
    if (peek(p) != '#')
        return true;
    while (p->at < p->end && !have(p, "\n") && !have(p, "\r\n"))
        if (is_control(*p->at++))
            return fail(p, "a comment holds a control byte");
    return true;
}

/* Blanks, comments and ends of lines, as they may stand within an array. */
static bool skip_lines(parser *p)
{
    do {
        skip_blanks(p);
        if (!skip_comment(p))
            return false;
    } while (take_newline(p));
    return true;
}

static bool end_line(parser *p)
{
    skip_blanks(p);
    if (!skip_comment(p))
        return false;
    return p->at == p->end || take_newline(p) || fail(p, "something stands where the line should end");
}

/* --- text ------------------------------------------------------------------------------------------------------ */

static void add_utf8(pq_buf *out, uint32_t code)
{
    if (code < 0x80) {
        pq_buf_addc(out, (char)code);
        return;
    }
    int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const unsigned char heads[] = {0, 0xc0, 0xe0, 0xf0};
    pq_buf_addc(out, (char)(heads[more] | code >> 6 * more));
    while (more-- > 0)
        pq_buf_addc(out, (char)(0x80 | (code >> 6 * more & 0x3f)));
}

static bool take_code_point(parser *p, int digits, pq_buf *out)
{
    uint32_t code = 0;
    for (int i = 0; i < digits; i++) {
        static const char hex[] = "0123456789abcdef";
        char byte = pq_ascii_lower(peek(p));
        const char *digit = byte ? strchr(hex, byte) : NULL;
        if (!digit)
            return fail(p, "\\u and \\U want four and eight hexadecimal digits");
        code = code << 4 | (uint32_t)(digit - hex);
        p->at++;
    }
    if (code == 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return fail(p, "\\u names no character that can stand here");
    add_utf8(out, code);
    return true;
}

/* Behind a backslash. */
static bool take_escape(parser *p, bool many, pq_buf *out)
{
    static const char names[] = "btnfr\"\\", bytes[] = "\b\t\n\f\r\"\\";
    char byte = peek(p);
    const char *name = byte ? strchr(names, byte) : NULL;
    if (name) {
        pq_buf_addc(out, bytes[name - names]);
        p->at++;
        return true;
    }
    if (byte == 'u' || byte == 'U') {
        p->at++;
        return take_code_point(p, byte == 'u' ? 4 : 8, out);
    }
    skip_blanks(p);
    if (!many || !take_newline(p))
        return fail(p, "a backslash is followed by something that is no escape");
    do
        skip_blanks(p);
    while (take_newline(p));
    return true;
}

/* The end of a text over many lines: three quotes, before which up to two may belong to the text. */
static bool take_end(parser *p, char quote, bool many, pq_buf *out)
{
    if (!many) {
        p->at++;
        return true;
    }
    size_t count = 0;
    while (count < 5 && p->at + count < p->end && p->at[count] == quote)
        count++;
    if (count < 3) {
        pq_buf_addc(out, quote);
        p->at++;
        return false;
    }
    for (size_t i = 3; i < count; i++)
        pq_buf_addc(out, quote);
    p->at += count;
    return true;
}

/* Text in any of its four quotings; `at` is at the first quote. */
static bool take_quoted(parser *p, bool may_be_many, pq_buf *out)
{
    char quote = *p->at;
    bool many = may_be_many && have(p, quote == '"' ? "\"\"\"" : "'''");
    p->at += many ? 3 : 1;
    if (many)
        (void)take_newline(p);
    while (p->at < p->end) {
        if (*p->at == quote) {
            if (take_end(p, quote, many, out))
                return true;
        } else if (*p->at == '\\' && quote == '"') {
            p->at++;
            if (!take_escape(p, many, out))
                return false;
        } else if (many && take_newline(p)) {
            pq_buf_addc(out, '\n');
        } else if (is_control(*p->at)) {
            return fail(p, "a text holds a control byte, or does not end in its line");
        } else {
            pq_buf_addc(out, *p->at++);
        }
    }
    return fail(p, "a text does not end");
}

/* --- keys ------------------------------------------------------------------------------------------------------ */

static bool is_bare(char byte)
{
    return pq_ascii_alnum(byte) || byte == '_' || byte == '-';
}

/* One part of a key; owned, NULL when told. */
static char *take_key(parser *p)
{
    PQ_AUTO_BUF key = PQ_BUF(PQ_MAX_CONFIG);
    skip_blanks(p);
    if (peek(p) == '"' || peek(p) == '\'') {
        if (!take_quoted(p, false, &key))
            return NULL;
    } else {
        while (is_bare(peek(p)))
            pq_buf_addc(&key, *p->at++);
        if (!key.length) {
            (void)fail(p, "a key was expected");
            return NULL;
        }
    }
    skip_blanks(p);
    return pq_buf_steal(&key);
}

/* The table that a part of a dotted key or of a header leads into, made where there is none. */
static pq_toml *step_into(parser *p, pq_toml *table, char *key, bool by_dots)
{
    pq_toml *child = find(table, key);
    if (!child) {
        child = add_child(p, table, key);
        if (child && by_dots)
            child->origin = PQ_TOML_BY_DOTS;
        return child;
    }
    free(key);
    bool of_tables = child->type == PQ_TOML_ARRAY && child->origin == PQ_TOML_BY_HEADER;
    if (!by_dots && of_tables)
        return child->last;
    if (child->type == PQ_TOML_TABLE && (by_dots ? child->origin == PQ_TOML_BY_DOTS : child->origin != PQ_TOML_CLOSED))
        return child;
    (void)fail(p, "a key leads into something that is defined already");
    return NULL;
}

/* All parts of a key but the last, which is given back (owned); `*table` becomes the table that it belongs into. */
static char *take_path(parser *p, pq_toml **table, bool by_dots)
{
    char *key = take_key(p);
    for (size_t depth = 0; key && peek(p) == '.'; depth++) {
        p->at++;
        if (depth >= PQ_MAX_TOML_DEPTH) {
            free(key);
            (void)fail(p, "a key has too many parts");
            return NULL;
        }
        pq_toml *inner = step_into(p, *table, key, by_dots);
        if (!inner)
            return NULL;
        *table = inner;
        key = take_key(p);
    }
    return key;
}

/* --- values ---------------------------------------------------------------------------------------------------- */

static bool take_value(parser *p, pq_toml *value, unsigned depth);

static bool take_pair(parser *p, pq_toml *table, unsigned depth)
{
    char *key = take_path(p, &table, true);
    if (!key)
        return false;
    if (find(table, key)) {
        free(key);
        return fail(p, "this key is defined already");
    }
    pq_toml *value = add_child(p, table, key);
    if (!value)
        return false;
    if (peek(p) != '=')
        return fail(p, "`=` was expected behind a key");
    p->at++;
    skip_blanks(p);
    return take_value(p, value, depth);
}

static bool take_array(parser *p, pq_toml *array, unsigned depth)
{
    array->type = PQ_TOML_ARRAY;
    for (p->at++;;) {
        if (!skip_lines(p))
            return false;
        if (peek(p) == ']')
            break;
        pq_toml *value = add_child(p, array, NULL);
        if (!value || !take_value(p, value, depth + 1) || !skip_lines(p))
            return false;
        if (peek(p) == ',')
            p->at++;
        else if (peek(p) != ']')
            return fail(p, "`,` or `]` was expected in an array");
    }
    p->at++;
    return true;
}

/* What an inline table holds cannot be added to later, nor can the tables that its dotted keys made. */
static void close_tables(pq_toml *table)
{
    table->origin = PQ_TOML_CLOSED;
    for (pq_toml *child = table->first; child; child = child->next)
        if (child->type == PQ_TOML_TABLE && child->origin != PQ_TOML_CLOSED)
            close_tables(child); /* as deep as PQ_MAX_TOML_DEPTH */
}

static bool take_inline_table(parser *p, pq_toml *table, unsigned depth)
{
    table->type = PQ_TOML_TABLE;
    p->at++;
    skip_blanks(p);
    while (peek(p) != '}') {
        if (!take_pair(p, table, depth + 1))
            return false;
        skip_blanks(p);
        if (peek(p) == '}')
            break;
        if (peek(p) != ',')
            return fail(p, "`,` or `}` was expected in an inline table");
        p->at++;
        skip_blanks(p);
        if (peek(p) == '}')
            return fail(p, "the last entry of an inline table has no `,` behind it");
    }
    p->at++;
    close_tables(table);
    return true;
}

static bool is_word(char byte)
{
    return is_bare(byte) || byte == '+' || byte == '.' || byte == ':';
}

/* true, false, a number or a date. */
static bool take_word(parser *p, pq_toml *value)
{
    const char *start = p->at;
    while (is_word(peek(p)))
        p->at++;
    /* A date may have a blank before its time. */
    if (p->at - start == 10 && start[4] == '-' && peek(p) == ' ' && p->at + 1 < p->end && pq_ascii_digit(p->at[1]))
        for (p->at++; is_word(peek(p));)
            p->at++;
    value->text = pq_strndup(start, (size_t)(p->at - start));
    value->truth = strcmp(value->text, "true") == 0;
    value->type = value->truth || strcmp(value->text, "false") == 0 ? PQ_TOML_BOOL : PQ_TOML_OTHER;
    const char *digits = value->text + strspn(value->text, "+-");
    if (value->type == PQ_TOML_BOOL || pq_ascii_digit(*digits) || strcmp(digits, "inf") == 0 ||
        strcmp(digits, "nan") == 0)
        return true;
    return fail(p, "a value was expected: \"text\", true, false, a number, a date, [ or {");
}

static bool take_value(parser *p, pq_toml *value, unsigned depth)
{
    value->origin = PQ_TOML_CLOSED;
    if (depth > PQ_MAX_TOML_DEPTH)
        return fail(p, "values are nested too deeply");
    if (peek(p) == '[')
        return take_array(p, value, depth);
    if (peek(p) == '{')
        return take_inline_table(p, value, depth);
    if (peek(p) != '"' && peek(p) != '\'')
        return take_word(p, value);
    PQ_AUTO_BUF text = PQ_BUF(PQ_MAX_CONFIG);
    if (!take_quoted(p, true, &text))
        return false;
    value->type = PQ_TOML_TEXT;
    value->text = pq_buf_steal(&text);
    return true;
}

/* --- headers --------------------------------------------------------------------------------------------------- */

/* The table that [a.b] begins; takes the key. */
static pq_toml *begin_table(parser *p, pq_toml *parent, char *key)
{
    pq_toml *table = find(parent, key);
    if (!table) {
        table = add_child(p, parent, key);
    } else {
        free(key);
        if (table->type != PQ_TOML_TABLE || table->origin != PQ_TOML_IMPLIED) {
            (void)fail(p, "this table is defined already");
            return NULL;
        }
    }
    if (table)
        table->origin = PQ_TOML_BY_HEADER;
    return table;
}

/* The table that [[a.b]] begins; takes the key. */
static pq_toml *begin_element(parser *p, pq_toml *parent, char *key)
{
    pq_toml *array = find(parent, key);
    if (!array) {
        array = add_child(p, parent, key);
        if (!array)
            return NULL;
        array->type = PQ_TOML_ARRAY;
        array->origin = PQ_TOML_BY_HEADER;
    } else {
        free(key);
        if (array->type != PQ_TOML_ARRAY || array->origin != PQ_TOML_BY_HEADER) {
            (void)fail(p, "this is defined already, and not as [[…]]");
            return NULL;
        }
    }
    pq_toml *table = add_child(p, array, NULL);
    if (table)
        table->origin = PQ_TOML_BY_HEADER;
    return table;
}

/* [a.b] or [[a.b]]: the table in which the lines below it stand. */
static pq_toml *take_header(parser *p, pq_toml *root)
{
    bool element = have(p, "[[");
    p->at += element ? 2 : 1;
    pq_toml *parent = root;
    char *key = take_path(p, &parent, false);
    if (!key)
        return NULL;
    if (!have(p, element ? "]]" : "]")) {
        free(key);
        (void)fail(p, "the name of a table does not end in `]`");
        return NULL;
    }
    p->at += element ? 2 : 1;
    return element ? begin_element(p, parent, key) : begin_table(p, parent, key);
}

bool pq_toml_parse(const void *bytes, size_t length, const char *name, pq_toml **out, pq_error *err)
{
    parser p = {.at = bytes, .end = (const char *)bytes + length, .name = name, .line = 1, .err = err};
    PQ_AUTO_TOML *root = pq_alloc(1, sizeof *root);
    root->line = 1;
    if (length > PQ_MAX_CONFIG)
        return fail(&p, "the file is too large");
    if (length && (memchr(bytes, '\0', length) || !pq_utf8_valid(bytes, length)))
        return fail(&p, "the file is not text in UTF-8");
    for (pq_toml *table = root; p.at < p.end;) {
        if (!skip_lines(&p))
            return false;
        if (p.at == p.end)
            break;
        if (peek(&p) == '[') {
            table = take_header(&p, root);
            if (!table)
                return false;
        } else if (!take_pair(&p, table, 0)) {
            return false;
        }
        if (!end_line(&p))
            return false;
    }
    *out = pq_steal(root);
    return true;
}
