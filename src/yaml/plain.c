/* The plain subset of YAML that nearly all Compose files keep to, read a line at a time, several times faster than all
 * of YAML can be: one document of block mappings and sequences; keys without quotes; values that begin on the line of
 * their key and are plain, quoted without escapes, aliases, or flow collections of such; simple block scalars; anchors;
 * comments. At anything else, and at whatever is wrong, the input is left to libfyaml. So nothing is ever told from
 * here, and to be right it is enough that what is accepted means the same to both (tests/fuzz/yaml/fuzz_yaml_plain.c).
 */
#include <string.h>

#include "base/text.h"
#include "yaml/builder.h"

enum {
    MAX_LINE = 1000, /* bytes; keeps keys and blanks within the limits of the other parser */
    MAX_FLOW = 8,    /* flow collections within each other */
    MAX_BLOCK_INDENT = 20,
};

typedef struct block {
    size_t indent;
    bool sequence;
    bool indentless; /* a sequence that stands as far left as the key that it belongs to */
} block;

typedef struct reader {
    pq_yaml_builder b;
    const char *in; /* what is parsed */
    char *text;     /* the same, with a NUL put behind each scalar once it is read */
    size_t length;
    size_t line_start, line_end;
    uint32_t line;
    block blocks[PQ_MAX_YAML_DEPTH];
    size_t depth;
    bool high;                    /* there are characters beyond ASCII */
    bool begun, marker;           /* the first key was seen; a `---` */
    bool pending;                 /* the last key of the innermost mapping has no value yet */
    size_t anchor, anchor_length; /* of the next item; length 0 for none */
} reader;

/* What may stand in a name: of a key, an anchor. */
static bool name_byte(char byte)
{
    return pq_ascii_alnum(byte) || byte == '_' || byte == '-';
}

static pq_yaml_mark mark_at(const reader *r, size_t at)
{
    size_t column = at - r->line_start;
    size_t i = r->high ? r->line_start + pq_ascii_run(r->in + r->line_start, column) : at;
    for (; i < at; i++)
        column -= ((unsigned char)r->in[i] & 0xc0) == 0x80; /* in characters */
    return (pq_yaml_mark){(uint32_t)at, r->line, (uint32_t)column};
}

static pq_yaml_item *new_item_from(reader *r, const pq_yaml_mark *from, size_t end)
{
    pq_yaml_mark to = mark_at(r, end);
    pq_yaml_item *item = pq_yaml_builder_item(&r->b, from, &to);
    if (r->anchor_length)
        pq_yaml_builder_anchor(&r->b, item, r->in + r->anchor, r->anchor_length);
    r->anchor_length = 0;
    return item;
}

static pq_yaml_item *new_item(reader *r, size_t start, size_t end)
{
    pq_yaml_mark from = mark_at(r, start);
    return new_item_from(r, &from, end);
}

static bool add_scalar(reader *r, size_t start, size_t end, pq_yaml_style style)
{
    pq_yaml_item *item = new_item(r, start, end);
    r->text[end] = '\0';
    item->text = r->text + start;
    item->length = end - start;
    item->style = (uint8_t)style;
    return pq_yaml_builder_scalar(&r->b, item);
}

static bool add_nothing(reader *r)
{
    r->pending = false;
    if (r->anchor_length)
        return false;
    pq_yaml_item *item = pq_yaml_builder_item(&r->b, NULL, NULL);
    item->text = r->text + r->length;
    return pq_yaml_builder_scalar(&r->b, item);
}

static bool open_collection(reader *r, pq_yaml_kind kind, size_t start, size_t end)
{
    pq_yaml_item *item = new_item(r, start, end);
    item->kind = (uint8_t)kind;
    return pq_yaml_builder_open(&r->b, item);
}

static bool open_block(reader *r, bool sequence, size_t start, bool indentless)
{
    if (r->depth == PQ_MAX_YAML_DEPTH)
        return false;
    r->blocks[r->depth++] = (block){.indent = start - r->line_start, .sequence = sequence, .indentless = indentless};
    return open_collection(r, sequence ? PQ_YAML_SEQUENCE : PQ_YAML_MAPPING, start, start);
}

static size_t skip_spaces(const reader *r, size_t at)
{
    while (at < r->line_end && r->in[at] == ' ')
        at++;
    return at;
}

/* The same, from the start of any line. */
static size_t skip_line_indent(const reader *r, size_t at)
{
    while (at < r->length && r->in[at] == ' ')
        at++;
    return at;
}

/* Nothing but a comment follows on the line. */
static bool at_end(const reader *r, size_t at)
{
    size_t after = skip_spaces(r, at);
    return after == r->line_end || (after > at && r->in[after] == '#');
}

/* Where the `:` of a key stands that begins at `at`; 0 when there is none. */
static size_t find_colon(const reader *r, size_t at)
{
    size_t end = at;
    if (pq_ascii_alnum(r->in[at]) || r->in[at] == '_')
        while (end < r->line_end && (name_byte(r->in[end]) || r->in[end] == '.' || r->in[end] == '/'))
            end++;
    else if (r->line_end - at > 2 && r->in[at] == '<' && r->in[at + 1] == '<')
        end = at + 2;
    bool colon =
        end > at && end < r->line_end && r->in[end] == ':' && (end + 1 == r->line_end || r->in[end + 1] == ' ');
    return colon ? end : 0;
}

/* A quoted text without escapes; `*at` moves behind it. */
static bool read_quoted(reader *r, size_t *at)
{
    char quote = r->in[*at];
    size_t start = *at + 1, end = start;
    while (end < r->line_end && r->in[end] != quote) {
        if (quote == '"' && r->in[end] == '\\')
            return false;
        end++;
    }
    if (end == r->line_end || (end + 1 < r->line_end && r->in[end + 1] == quote))
        return false;
    *at = end + 1;
    return add_scalar(r, start, end, quote == '"' ? PQ_YAML_DOUBLE_QUOTED : PQ_YAML_SINGLE_QUOTED);
}

/* --- lines within a value --------------------------------------------------------------------------------------- */

/* Where the next line begins. */
static size_t end_of_line(const reader *r)
{
    return r->line_end + (r->line_end < r->length && r->in[r->line_end] == '\r' ? 2 : 1);
}

static void enter_line(reader *r, size_t start)
{
    const char *newline = memchr(r->in + start, '\n', r->length - start);
    r->line_start = start;
    r->line_end = newline ? (size_t)(newline - r->in) : r->length;
    if (r->line_end > start && r->in[r->line_end - 1] == '\r')
        r->line_end--;
}

/* Goes to the next line, of which `*at` is where something stands. False at the end, at an empty line, and at what the
 * other parser has limits for. */
static bool next_line(reader *r, size_t *at)
{
    size_t before = r->line_end, start = end_of_line(r);
    if (start >= r->length)
        return false;
    enter_line(r, start);
    r->line++;
    *at = skip_spaces(r, start);
    return *at < r->line_end && r->line_end - start <= MAX_LINE && *at - before <= PQ_YAML_MAX_BLANKS;
}

static size_t innermost_indent(const reader *r)
{
    return r->blocks[r->depth - 1].indent;
}

/* --- flow collections ------------------------------------------------------------------------------------------- */

/* A plain text within a flow collection: of bytes that mean nothing anywhere. */
static bool read_flow_plain(reader *r, size_t *at)
{
    size_t start = *at, end = start;
    if (!pq_ascii_alnum(r->in[start]) && !strchr("_/.$", r->in[start]))
        return false;
    while (end < r->line_end && (name_byte(r->in[end]) || strchr("/.$+=@", r->in[end])))
        end++;
    *at = end;
    return add_scalar(r, start, end, PQ_YAML_PLAIN);
}

static bool read_flow(reader *r, size_t *at, unsigned depth);

static bool read_flow_value(reader *r, size_t *at, unsigned depth)
{
    if (*at == r->line_end)
        return false;
    char first = r->in[*at];
    if (first == '[' || first == '{')
        return read_flow(r, at, depth + 1);
    return first == '"' || first == '\'' ? read_quoted(r, at) : read_flow_plain(r, at);
}

/* To the next thing, which may stand on another line: further in than the collection's key, or the end that closes it.
 */
static bool skip_gap(reader *r, size_t *at)
{
    *at = skip_spaces(r, *at);
    if (*at < r->line_end)
        return true;
    if (!next_line(r, at))
        return false;
    size_t indent = *at - r->line_start, outer = innermost_indent(r);
    return indent > outer || (indent == outer && strchr("]}", r->in[*at]));
}

/* A flow collection; `*at` moves behind it. */
static bool read_flow(reader *r, size_t *at, unsigned depth)
{
    bool mapping = r->in[*at] == '{';
    char close = mapping ? '}' : ']';
    if (depth > MAX_FLOW || !open_collection(r, mapping ? PQ_YAML_MAPPING : PQ_YAML_SEQUENCE, *at, *at + 1))
        return false;
    ++*at;
    if (!skip_gap(r, at))
        return false;
    for (bool first = true; r->in[*at] != close || !first; first = false) {
        if (mapping) {
            if (!read_flow_plain(r, at) || r->line_end - *at < 2 || r->in[*at] != ':' || r->in[*at + 1] != ' ')
                return false;
            *at = skip_spaces(r, *at + 1);
        }
        if (!read_flow_value(r, at, depth) || !skip_gap(r, at) || (r->in[*at] != ',' && r->in[*at] != close))
            return false;
        if (r->in[*at] == close)
            break;
        ++*at;
        if (!skip_gap(r, at))
            return false;
    }
    ++*at;
    return pq_yaml_builder_close(&r->b);
}

/* --- values ----------------------------------------------------------------------------------------------------- */

/* The end of what stands on one line of a plain text; 0 when it is none. Whether a comment ends it. */
static size_t plain_end(const reader *r, size_t start, bool *out_comment)
{
    char first = r->in[start];
    bool option = first == '-' && start + 1 < r->line_end && name_byte(r->in[start + 1]);
    if (!pq_ascii_alnum(first) && !strchr("_./$~(+=", first) && !(first & 0x80) && !option)
        return 0;
    size_t end = start;
    for (size_t at = start; at < r->line_end; at++) {
        char byte = r->in[at];
        if (byte == ' ')
            continue;
        if (byte == ':' && (at + 1 == r->line_end || r->in[at + 1] == ' '))
            return 0;
        if (byte == '#' && r->in[at - 1] == ' ') {
            *out_comment = true;
            break;
        }
        end = at + 1;
    }
    return end;
}

/* Does the line after this one stand further in, so that a plain text goes on there? */
static bool goes_on(const reader *r)
{
    size_t start = end_of_line(r);
    size_t at = start < r->length ? skip_line_indent(r, start) : r->length;
    return at < r->length && at - start > innermost_indent(r) && !strchr("\r\n#", r->in[at]);
}

/* A plain text. Its lines are folded: one behind the other, a space between. */
static bool read_plain(reader *r, size_t start)
{
    bool comment = false;
    pq_yaml_mark from = mark_at(r, start);
    size_t end = plain_end(r, start, &comment), out = end;
    while (end && !comment && goes_on(r)) {
        size_t at;
        if (!next_line(r, &at) || !(end = plain_end(r, at, &comment)))
            return false;
        r->text[out++] = ' ';
        memmove(r->text + out, r->text + at, end - at);
        out += end - at;
    }
    if (!end)
        return false;
    pq_yaml_item *item = new_item_from(r, &from, end);
    r->text[out] = '\0';
    item->text = r->text + start;
    item->length = out - start;
    item->style = PQ_YAML_PLAIN;
    return pq_yaml_builder_scalar(&r->b, item);
}

static size_t read_name(const reader *r, size_t at)
{
    while (at < r->line_end && name_byte(r->in[at]))
        at++;
    return at;
}

static bool read_alias(reader *r, size_t star)
{
    size_t end = read_name(r, star + 1);
    if (end == star + 1 || r->anchor_length || !at_end(r, end))
        return false;
    pq_yaml_item *item = new_item(r, star, end);
    return pq_yaml_builder_alias(&r->b, item, r->in + star + 1, end - star - 1);
}

/* `|`, `|-`, `>` and `>-` before lines of the same indent; more of it only where it is kept as it is. Empty lines may
 * follow, but not stand between. */
static bool read_block_scalar(reader *r, size_t at)
{
    bool folded = r->in[at] == '>', strip = at + 1 < r->line_end && r->in[at + 1] == '-';
    if (!at_end(r, at + (strip ? 2 : 1)) || r->line_end == r->length || r->in[r->line_end] == '\r')
        return false;
    r->line++;
    size_t start = r->line_start = r->line_end + 1, indent = skip_line_indent(r, start) - start, lines = 0;
    size_t last_end = start, next = start;
    char *out = r->text + start;
    if (indent <= r->blocks[r->depth - 1].indent || indent > MAX_BLOCK_INDENT)
        return false;
    for (;; lines++) {
        const char *newline = memchr(r->in + next, '\n', r->length - next);
        size_t end = newline ? (size_t)(newline - r->in) : r->length, from = skip_line_indent(r, next);
        if (from == end || from - next < indent)
            break;
        if (end - next > MAX_LINE || strchr(" \r", r->in[end - 1]) || (folded && from - next > indent) || !newline)
            return false;
        size_t length = end - next - indent;
        if (lines)
            *out++ = folded ? ' ' : '\n';
        memmove(out, r->text + next + indent, length);
        out += length;
        last_end = end;
        next = end + 1;
    }
    size_t after = next; /* the next thing that is not blank */
    while (after < r->length && r->in[after] == '\n')
        after++;
    size_t after_indent = skip_line_indent(r, after) - after;
    size_t more = after + after_indent;
    bool blank_line = after < r->length && (more == r->length || r->in[more] == '\n' || r->in[more] == '\r');
    if (!lines || blank_line || (after < r->length && after_indent >= indent))
        return false;
    if (!strip)
        *out++ = '\n';
    *out = '\0';
    pq_yaml_item *item = new_item(r, start, more);
    item->text = r->text + start;
    item->length = (size_t)(out - item->text);
    item->style = folded ? PQ_YAML_FOLDED : PQ_YAML_LITERAL;
    r->line += (uint32_t)lines - 1;
    r->line_end = last_end;
    return pq_yaml_builder_scalar(&r->b, item);
}

/* What stands behind `key: ` or `- `. */
static bool read_value(reader *r, size_t at)
{
    if (r->in[at] == '&') {
        size_t end = read_name(r, at + 1);
        if (end == at + 1 || (end < r->line_end && r->in[end] != ' '))
            return false;
        r->anchor = at + 1;
        r->anchor_length = end - at - 1;
        if (at_end(r, end)) {
            r->pending = true;
            return !r->blocks[r->depth - 1].sequence;
        }
        at = skip_spaces(r, end);
    }
    switch (r->in[at]) {
    case '*':
        return read_alias(r, at);
    case '"':
    case '\'':
        return read_quoted(r, &at) && at_end(r, at);
    case '|':
    case '>':
        return read_block_scalar(r, at);
    case '[':
    case '{':
        return read_flow(r, &at, 0) && at_end(r, at);
    default:
        return read_plain(r, at);
    }
}

/* --- lines ------------------------------------------------------------------------------------------------------ */

static bool read_pair(reader *r, size_t at)
{
    size_t colon = find_colon(r, at);
    if (!colon || !add_scalar(r, at, colon, PQ_YAML_PLAIN))
        return false;
    if (at_end(r, colon + 1)) {
        r->pending = true;
        return true;
    }
    return read_value(r, skip_spaces(r, colon + 1));
}

static bool read_entry(reader *r, size_t at)
{
    if (!r->blocks[r->depth - 1].sequence)
        return read_pair(r, at);
    size_t value = skip_spaces(r, at + 1);
    if (at_end(r, at + 1))
        return false;
    if (!find_colon(r, value))
        return read_value(r, value);
    return open_block(r, false, value, false) && read_pair(r, value);
}

static bool close_block(reader *r)
{
    r->depth--;
    return pq_yaml_builder_close(&r->b);
}

/* A line with something on it, at `at`. */
static bool read_line(reader *r, size_t at)
{
    size_t indent = at - r->line_start;
    bool dash = r->in[at] == '-' && at + 1 < r->line_end && r->in[at + 1] == ' ';
    if (!r->begun) {
        if (indent == 0 && !r->marker && r->line_end - at >= 3 && memcmp(r->in + at, "---", 3) == 0) {
            r->marker = true;
            return at_end(r, at + 3);
        }
        r->begun = true;
        return indent == 0 && !dash && open_block(r, false, at, false) && read_pair(r, at);
    }
    if (r->pending) {
        size_t outer = r->blocks[r->depth - 1].indent;
        if (indent > outer || (dash && indent == outer)) {
            r->pending = false;
            return open_block(r, dash, at, indent == outer) && read_entry(r, at);
        }
        if (!add_nothing(r))
            return false;
    }
    for (;;) {
        if (r->depth == 0)
            return false;
        const block *top = &r->blocks[r->depth - 1];
        if (indent == top->indent && dash == top->sequence)
            return read_entry(r, at);
        if (indent > top->indent || (indent == top->indent && !top->indentless) || !close_block(r))
            return false;
    }
}

/* Not the byte order mark, nor what ends a line in some versions of YAML or cannot be seen. */
static bool characters_are_plain(const char *text, size_t length)
{
    static const char special[][4] = {"\xe2\x80\xa8", "\xe2\x80\xa9", "\xef\xbb\xbf", "\xef\xbf\xbe", "\xef\xbf\xbf"};
    for (size_t i = pq_ascii_run(text, length); i < length; i += pq_ascii_run(text + i, length - i)) {
        size_t width = pq_utf8_width(text + i, length - i);
        if (width == 0 || (width == 2 && (unsigned char)text[i] == 0xc2 && (unsigned char)text[i + 1] < 0xa0))
            return false;
        for (size_t j = 0; width == 3 && j < sizeof special / sizeof *special; j++)
            if (memcmp(text + i, special[j], 3) == 0)
                return false;
        i += width;
    }
    return true;
}

/* Line ends of both kinds and what can be seen. */
static bool bytes_are_plain(const char *text, size_t length, bool *out_high)
{
    for (size_t i = pq_ascii_run(text, length); i < length; i++, i += pq_ascii_run(text + i, length - i)) {
        unsigned char byte = (unsigned char)text[i];
        bool line_end = byte == '\n' || (byte == '\r' && i + 1 < length && text[i + 1] == '\n');
        if ((byte < ' ' && !line_end) || byte == 0x7f)
            return false;
        *out_high = *out_high || byte >= 0x80;
    }
    return !*out_high || characters_are_plain(text, length);
}

static bool read_all(reader *r)
{
    size_t solid = 0; /* behind the last byte that is not blank */
    for (size_t start = 0; start < r->length; r->line++) {
        enter_line(r, start);
        size_t at = skip_spaces(r, start);
        if (at == r->line_end) {
            start = end_of_line(r);
            continue;
        }
        if (r->line_end - start > MAX_LINE || at - solid > PQ_YAML_MAX_BLANKS)
            return false;
        if (r->in[at] != '#' && !read_line(r, at))
            return false;
        solid = r->line_end;
        while (r->in[solid - 1] == ' ')
            solid--;
        start = end_of_line(r);
    }
    if (!r->begun || r->length - solid > PQ_YAML_MAX_BLANKS || (r->pending && !add_nothing(r)))
        return false;
    while (r->depth)
        if (!close_block(r))
            return false;
    return r->b.duplicate_count == 0;
}

static void reader_clear(reader *r)
{
    pq_yaml_builder_clear(&r->b);
}

bool pq_yaml_parse_plain(const char *bytes, size_t length, pq_yaml **out)
{
    *out = NULL;
    bool high = false;
    if (length > PQ_YAML_MAX_INPUT || !bytes_are_plain(bytes, length, &high))
        return false;
    PQ_AUTO_ERRORS ignored = {0};
    PQ_CLEANUP(reader_clear)
    reader r = {.in = bytes, .length = length, .high = high, .b = {.name = "", .errs = &ignored}};
    r.b.yaml = pq_alloc(1, sizeof *r.b.yaml);
    r.text = pq_yaml_reserve(r.b.yaml, length + 1, 1);
    memcpy(r.text, bytes, length);
    if (!read_all(&r))
        return false;
    *out = pq_steal(r.b.yaml);
    return true;
}
