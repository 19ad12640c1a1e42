#include "scan/expand.h"

#include <string.h>

#include "base/limits.h"
#include "scan/pattern.h"

void pq_gap_clear(pq_gap *gap)
{
    free(gap->name);
    *gap = (pq_gap){0};
}

/* The first gap is the one that is told. */
static void note_gap(pq_gap *gap, const char *name, bool empty)
{
    if (!gap->name)
        *gap = (pq_gap){.name = pq_strdup(name), .empty = empty};
}

static void take_gap(pq_gap *gap, pq_gap *from)
{
    if (from->name)
        note_gap(gap, from->name, from->empty);
}

static bool fail_syntax(pq_error *err, const char *what)
{
    return pq_fail(err, PQ_EINPUT, NULL, NULL, "%s", what);
}

static bool check_size(const pq_buf *out, pq_error *err)
{
    if (out->overflow)
        return pq_fail(err, PQ_EINPUT, NULL, NULL, "longer than %zu bytes after expansion", out->cap);
    return true;
}

/* Words that grow byte by byte; blanks divide them only where nothing protects them. */
typedef struct words {
    pq_strings *list;
    pq_buf current;
    bool inside; /* something, if only an empty quote, belongs to the current word */
} words;

typedef struct lexer {
    const char *at;
    const pq_word_rules *rules;
    const pq_vars *vars;
    pq_gap *gap;
    pq_error *err;
    unsigned depth;
    bool raw_escapes;
} lexer;

static void words_end(words *to)
{
    if (!to->current.length)
        return;
    pq_strings_take(to->list, pq_buf_steal(&to->current));
    to->inside = false;
}

static void words_add(words *to, const char *text, size_t length, bool protected)
{
    for (size_t i = 0; to && i < length; i++) {
        if (!protected && pq_ascii_space(text[i])) {
            if (to->inside)
                words_end(to);
        } else {
            pq_buf_addc(&to->current, text[i]);
            to->inside = true;
        }
    }
    if (to && protected)
        to->inside = true;
}

static bool read_until(lexer *lex, char stop, bool raw_escapes, pq_buf *out, words *split);

static bool special_parameter(char byte)
{
    return byte && strchr("@*#?-$!0", byte);
}

/* A name, a positional parameter ("12") or a special one ("?"); may be empty. Owned. */
static char *read_name(lexer *lex)
{
    const char *start = lex->at;
    if (pq_ascii_digit(*start)) {
        while (pq_ascii_digit(*lex->at))
            lex->at++;
    } else if (special_parameter(*start)) {
        lex->at++;
    } else {
        while (pq_ascii_alnum(*lex->at) || *lex->at == '_' || (*lex->at & 0x80))
            lex->at++;
    }
    return pq_strndup(start, (size_t)(lex->at - start));
}

/* The value, "" when it has none. */
static const char *value_of(const pq_var *var)
{
    return var && var->value ? var->value : "";
}

static void add_variable(lexer *lex, const char *name, const pq_var *var, pq_buf *out)
{
    if (!var || !var->value)
        note_gap(lex->gap, name, false);
    else if (var->gap)
        note_gap(lex->gap, var->gap, false);
    pq_buf_adds(out, value_of(var));
}

/* ${X/p/r} and ${X//p/r}, after the first slash. */
static bool expand_replacement(lexer *lex, const char *name, const pq_var *var, pq_buf *out)
{
    bool all = *lex->at == '/';
    if (all)
        lex->at++;
    PQ_AUTO_BUF pattern = PQ_BUF(PQ_MAX_EXPANSION);
    PQ_AUTO_BUF replacement = PQ_BUF(PQ_MAX_EXPANSION);
    if (!read_until(lex, '/', true, &pattern, NULL) || !read_until(lex, '}', true, &replacement, NULL))
        return false;
    if (lex->rules->keep_unset && !(var && var->value)) {
        pq_buf_addf(out, "${%s/%s/%s}", name, pq_buf_text(&pattern), pq_buf_text(&replacement));
        return true;
    }
    PQ_AUTO_BUF value = PQ_BUF(PQ_MAX_EXPANSION);
    add_variable(lex, name, var, &value);
    return pq_pattern_replace(pq_buf_text(&value), pq_buf_text(&pattern), pq_buf_text(&replacement), all, out,
                              lex->err);
}

static bool expand_trim(lexer *lex, char op, const char *name, const pq_var *var, const pq_buf *word, pq_buf *out)
{
    const char *pattern = pq_buf_text(word);
    bool longest = *pattern == op;
    if (longest)
        pattern++;
    PQ_AUTO_BUF value = PQ_BUF(PQ_MAX_EXPANSION);
    add_variable(lex, name, var, &value);
    return pq_pattern_trim(pq_buf_text(&value), pattern, op == '%', longest, out, lex->err);
}

/* ${X<op>word}, at the word. */
static bool expand_operator(lexer *lex, const char *name, bool colon, char op, pq_buf *out)
{
    bool trims = op == '#' || op == '%';
    if (!op || !strchr("+-?#%", op) || (colon && trims))
        return fail_syntax(lex->err, "unsupported modifier in ${…}");
    const pq_var *var = pq_vars_get(lex->vars, name);
    bool set = var && var->value;
    bool usable = set && !(colon && !*var->value);
    PQ_AUTO_BUF word = PQ_BUF(PQ_MAX_EXPANSION);
    PQ_AUTO_GAP word_gap = {0};
    pq_gap *outer = lex->gap;
    lex->gap = &word_gap; /* it matters only when the word is used */
    bool good = read_until(lex, '}', trims, &word, NULL);
    lex->gap = outer;
    if (!good)
        return false;
    if (lex->rules->keep_unset && !set) {
        pq_buf_addf(out, "${%s%s%c%s}", name, colon ? ":" : "", op, pq_buf_text(&word));
        return true;
    }
    if (set && var->gap)
        note_gap(lex->gap, var->gap, false); /* whether it is empty is not known either */
    if (trims) {
        take_gap(lex->gap, &word_gap);
        return expand_trim(lex, op, name, var, &word, out);
    }
    if (op == '?' && !usable)
        note_gap(lex->gap, name, set);
    if (op == '+' ? usable : op == '-' && !usable) {
        take_gap(lex->gap, &word_gap);
        pq_buf_add(out, pq_buf_text(&word), word.length);
    } else if (op != '+') {
        pq_buf_adds(out, value_of(var));
    }
    return true;
}

/* At the dollar. */
static bool expand_dollar(lexer *lex, pq_buf *out)
{
    lex->at++;
    if (*lex->at != '{') {
        PQ_AUTO_FREE char *name = read_name(lex);
        const pq_var *var = pq_vars_get(lex->vars, name);
        if (!*name)
            pq_buf_addc(out, '$');
        else if (lex->rules->keep_unset && !(var && var->value))
            pq_buf_addf(out, "$%s", name);
        else
            add_variable(lex, name, var, out);
        return true;
    }
    lex->at++;
    if (!*lex->at)
        return fail_syntax(lex->err, "a ${ has no }");
    if (strchr("{}:", *lex->at))
        return fail_syntax(lex->err, "bad substitution: ${ is not followed by a name");
    PQ_AUTO_FREE char *name = read_name(lex);
    char next = *lex->at;
    if (!next)
        return fail_syntax(lex->err, "a ${ has no }");
    lex->at++;
    const pq_var *var = pq_vars_get(lex->vars, name);
    if (next == '}') {
        if (lex->rules->keep_unset && !(var && var->value))
            pq_buf_addf(out, "${%s}", name);
        else
            add_variable(lex, name, var, out);
        return true;
    }
    if (next == '/')
        return expand_replacement(lex, name, var, out);
    bool colon = next == ':';
    if (colon) {
        next = *lex->at;
        if (next)
            lex->at++;
    }
    return expand_operator(lex, name, colon, next, out);
}

static bool read_single_quoted(lexer *lex, pq_buf *out)
{
    const char *end = strchr(lex->at + 1, '\'');
    if (!end)
        return fail_syntax(lex->err, "a single quote is not closed");
    if (lex->rules->raw_quotes)
        pq_buf_add(out, lex->at, (size_t)(end + 1 - lex->at));
    else
        pq_buf_add(out, lex->at + 1, (size_t)(end - lex->at - 1));
    lex->at = end + 1;
    return true;
}

static bool read_double_quoted(lexer *lex, pq_buf *out)
{
    if (lex->rules->raw_quotes)
        pq_buf_addc(out, '"');
    for (lex->at++; *lex->at != '"';) {
        if (!*lex->at)
            return fail_syntax(lex->err, "a double quote is not closed");
        if (*lex->at == '$') {
            if (!expand_dollar(lex, out))
                return false;
            continue;
        }
        char byte = *lex->at++;
        if (byte == lex->rules->escape) {
            if (lex->raw_escapes)
                pq_buf_addc(out, byte);
            if (!*lex->at)
                continue;
            /* Only these can be escaped here; before anything else the escape stays. */
            if (*lex->at == '"' || *lex->at == '$' || *lex->at == lex->rules->escape)
                byte = *lex->at++;
        }
        pq_buf_addc(out, byte);
    }
    lex->at++;
    if (lex->rules->raw_quotes)
        pq_buf_addc(out, '"');
    return true;
}

/* `<<` takes the blanks after it along, so that `<< EOF` is one word. */
static void read_less_than(lexer *lex, pq_buf *out)
{
    pq_buf_addc(out, *lex->at++);
    if (*lex->at != '<')
        return;
    do
        pq_buf_addc(out, *lex->at++);
    while (*lex->at == ' ' || *lex->at == '\t' || *lex->at == '\r');
}

static bool read_special(lexer *lex, pq_buf *out, words *split)
{
    PQ_AUTO_BUF part = PQ_BUF(PQ_MAX_TREE_FILE);
    char first = *lex->at;
    if (first == '\''  ? !read_single_quoted(lex, &part)
        : first == '"' ? !read_double_quoted(lex, &part)
                       : first == '$' && !expand_dollar(lex, &part))
        return false;
    if (first == '<')
        read_less_than(lex, &part);
    pq_buf_add(out, pq_buf_text(&part), part.length);
    words_add(split, pq_buf_text(&part), part.length, first != '$');
    return check_size(&part, lex->err);
}

/* Reads until `stop` (0: the end of the text) and moves past it. */
static bool read_until(lexer *lex, char stop, bool raw_escapes, pq_buf *out, words *split)
{
    if (lex->depth >= PQ_MAX_EXPANSION_DEPTH)
        return pq_fail(lex->err, PQ_EINPUT, NULL, NULL, "${…} nested more than %u deep", PQ_MAX_EXPANSION_DEPTH);
    bool outer_raw = lex->raw_escapes;
    lex->raw_escapes = raw_escapes;
    lex->depth++;
    bool good = true;
    while (good && *lex->at && (!stop || *lex->at != stop)) {
        if (strchr("$<'\"", *lex->at)) {
            good = read_special(lex, out, split);
            continue;
        }
        bool escaped = *lex->at == lex->rules->escape;
        if (escaped) {
            if (raw_escapes) {
                pq_buf_addc(out, *lex->at);
                words_add(split, lex->at, 1, true);
            }
            lex->at++;
            if (!*lex->at)
                break;
        }
        pq_buf_addc(out, *lex->at);
        words_add(split, lex->at, 1, escaped);
        lex->at++;
    }
    lex->depth--;
    lex->raw_escapes = outer_raw;
    if (!good || !check_size(out, lex->err))
        return false;
    if (!stop)
        return true;
    if (*lex->at != stop)
        return fail_syntax(lex->err, stop == '/' ? "a ${…/ has no second /" : "a ${ has no }");
    lex->at++;
    return true;
}

bool pq_expand_word(const char *word, const pq_word_rules *rules, const pq_vars *vars, pq_buf *out, pq_gap *gap,
                    pq_error *err)
{
    lexer lex = {.at = word, .rules = rules, .vars = vars, .gap = gap, .err = err};
    return read_until(&lex, '\0', rules->raw_escapes, out, NULL);
}

bool pq_split_words(const char *line, const pq_word_rules *rules, const pq_vars *vars, pq_strings *out, pq_error *err)
{
    PQ_AUTO_GAP gap = {0};
    PQ_AUTO_BUF whole = PQ_BUF(PQ_MAX_TREE_FILE * 2);
    lexer lex = {.at = line, .rules = rules, .vars = vars, .gap = &gap, .err = err};
    words split = {.list = out, .current = PQ_BUF(PQ_MAX_TREE_FILE * 2)};
    bool good = read_until(&lex, '\0', rules->raw_escapes, &whole, &split);
    if (good)
        words_end(&split);
    pq_buf_clear(&split.current);
    return good;
}

/* Compose. */

static bool name_start(char byte)
{
    return pq_ascii_alpha(byte) || byte == '_';
}

static size_t name_length(const char *text)
{
    size_t length = 0;
    if (name_start(*text))
        while (name_start(text[length]) || pq_ascii_digit(text[length]))
            length++;
    return length;
}

/* The brace that closes a `${`, given what stands after it: braces pair off, and where they do not, the last one on the
 * line closes (compose-go). NULL when there is none. */
static const char *closing_brace(const char *text, const char *end)
{
    unsigned open = 1;
    const char *last = NULL;
    for (const char *at = text; at < end && *at != '\n'; at++) {
        if (*at == '{')
            open++;
        if (*at == '}') {
            last = at;
            if (--open == 0)
                return at;
        }
    }
    return last;
}

static bool interpolate(const char *text, const char *end, const pq_vars *vars, unsigned depth, pq_buf *out,
                        pq_gap *gap, pq_error *err);

static void add_plain(const char *name, const pq_vars *vars, pq_buf *out, pq_gap *gap)
{
    const pq_var *var = pq_vars_get(vars, name);
    if (!var || !var->value)
        note_gap(gap, name, false);
    else if (var->gap)
        note_gap(gap, var->gap, false);
    pq_buf_adds(out, value_of(var));
}

/* The inside of `${…}`, [text, end). */
static bool interpolate_braced(const char *text, const char *end, const pq_vars *vars, unsigned depth, pq_buf *out,
                               pq_gap *gap, pq_error *err)
{
    size_t length = name_length(text);
    if (length > (size_t)(end - text))
        length = (size_t)(end - text);
    PQ_AUTO_FREE char *name = pq_strndup(text, length);
    const char *at = text + length;
    if (length && at == end) {
        add_plain(name, vars, out, gap);
        return true;
    }
    bool colon = at < end && *at == ':';
    if (colon)
        at++;
    if (!length || at == end || !strchr("-+?", *at))
        return pq_fail(err, PQ_EINPUT, NULL, "write $$ for a dollar sign", "invalid ${…}");
    char op = *at++;
    const pq_var *var = pq_vars_get(vars, name);
    bool set = var && var->value;
    bool usable = set && !(colon && !*var->value);
    if (set && var->gap)
        note_gap(gap, var->gap, false);
    if (op == '?' && !usable)
        note_gap(gap, name, set);
    if (op == '+' ? usable : op == '-' && !usable)
        return interpolate(at, end, vars, depth + 1, out, gap, err);
    if (op != '+')
        pq_buf_adds(out, value_of(var));
    return true;
}

static bool interpolate(const char *text, const char *end, const pq_vars *vars, unsigned depth, pq_buf *out,
                        pq_gap *gap, pq_error *err)
{
    if (depth > PQ_MAX_EXPANSION_DEPTH)
        return pq_fail(err, PQ_EINPUT, NULL, NULL, "${…} nested more than %u deep", PQ_MAX_EXPANSION_DEPTH);
    while (text < end) {
        const char *dollar = memchr(text, '$', (size_t)(end - text));
        pq_buf_add(out, text, (size_t)((dollar ? dollar : end) - text));
        if (!dollar)
            break;
        text = dollar + 1;
        size_t length = text < end ? name_length(text) : 0;
        if (text < end && *text == '$') {
            pq_buf_addc(out, '$');
            text++;
        } else if (length) {
            if (length > (size_t)(end - text))
                length = (size_t)(end - text);
            PQ_AUTO_FREE char *name = pq_strndup(text, length);
            add_plain(name, vars, out, gap);
            text += length;
        } else if (text < end && *text == '{') {
            const char *close = closing_brace(text + 1, end);
            if (!close)
                return pq_fail(err, PQ_EINPUT, NULL, "write $$ for a dollar sign", "a ${ has no }");
            if (!interpolate_braced(text + 1, close, vars, depth, out, gap, err))
                return false;
            text = close + 1;
        } else {
            pq_buf_addc(out, '$');
        }
        if (out->overflow)
            break;
    }
    return check_size(out, err);
}

bool pq_interpolate(const char *text, const pq_vars *vars, pq_buf *out, pq_gap *gap, pq_error *err)
{
    return interpolate(text, text + strlen(text), vars, 0, out, gap, err);
}
