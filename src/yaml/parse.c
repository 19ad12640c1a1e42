/* Events of libfyaml into items. Its documents are not used: they check duplicate keys in quadratic time and resolve
 * aliases by copying. */
#include "yaml/builder.h"

#include <libfyaml.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

enum {
    MAX_DUPLICATES_TOLD = 20, /* in one input */
    MAX_DIRECTIVE = 1024,     /* characters of a line that begins with % */
};

/* libfyaml 0.7.12 frees the same memory twice when a parser ends that met a tab behind the `:` of a complex key
 * (fy_fetch_value() lets its simple key go, then fails and lets it go again; mended upstream later). Such a parser is
 * put away for good instead. */
typedef struct abandoned {
    struct fy_parser *parser;
    struct abandoned *next;
} abandoned;

static abandoned *abandoned_parsers;

static void abandon(struct fy_parser **parser)
{
    abandoned *kept = pq_alloc(1, sizeof *kept);
    *kept = (abandoned){.parser = pq_steal(*parser)};
    do
        kept->next = __atomic_load_n(&abandoned_parsers, __ATOMIC_ACQUIRE);
    while (
        !__atomic_compare_exchange_n(&abandoned_parsers, &kept->next, kept, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
}

static void abandon_if_corrupt(struct fy_parser **parser, struct fy_diag *diag)
{
    void *iterator = NULL;
    const struct fy_diag_error *found;
    while ((found = fy_diag_errors_iterate(diag, &iterator)))
        if (found->msg && strstr(found->msg, "cannot use tab for indentation of block entry")) {
            abandon(parser);
            return;
        }
}

static void parser_cleanup(struct fy_parser **parser)
{
    fy_parser_destroy(*parser);
}

static void diag_cleanup(struct fy_diag **diag)
{
    fy_diag_destroy(*diag);
}

/* --- events ----------------------------------------------------------------------------------------------------- */

static const pq_yaml_mark *mark_of(const struct fy_mark *mark, pq_yaml_mark *out)
{
    if (mark)
        *out = (pq_yaml_mark){(uint32_t)mark->input_pos, (uint32_t)mark->line, (uint32_t)mark->column};
    return mark ? out : NULL;
}

static const char *copy_text(pq_yaml_builder *b, const char *text, size_t length)
{
    char *copy = pq_yaml_reserve(b->yaml, length + 1, 1);
    if (length)
        memcpy(copy, text, length);
    return copy;
}

static void set_tag(pq_yaml_builder *b, pq_yaml_item *item, struct fy_token *token)
{
    size_t length = 0;
    const char *text = token ? fy_token_get_text(token, &length) : NULL;
    if (text)
        item->tag = copy_text(b, text, length);
}

static bool on_scalar(pq_yaml_builder *b, struct fy_event *event, pq_yaml_item *item)
{
    size_t length = 0;
    const char *text = event->scalar.value ? fy_token_get_text(event->scalar.value, &length) : NULL;
    if (text && memchr(text, '\0', length))
        return pq_yaml_builder_refuse(b, item, NULL, "a text may not hold a NUL character");
    item->text = copy_text(b, text, text ? length : 0);
    item->length = text ? length : 0;
    switch (fy_token_scalar_style(event->scalar.value)) {
    case FYSS_SINGLE_QUOTED:
        item->style = PQ_YAML_SINGLE_QUOTED;
        break;
    case FYSS_DOUBLE_QUOTED:
        item->style = PQ_YAML_DOUBLE_QUOTED;
        break;
    case FYSS_LITERAL:
        item->style = PQ_YAML_LITERAL;
        break;
    case FYSS_FOLDED:
        item->style = PQ_YAML_FOLDED;
        break;
    case FYSS_ANY:
    case FYSS_PLAIN:
    case FYSS_MAX:
        item->style = PQ_YAML_PLAIN;
        break;
    }
    return pq_yaml_builder_scalar(b, item);
}

static bool on_alias(pq_yaml_builder *b, struct fy_event *event, pq_yaml_item *item)
{
    /* The mark stands behind the `*`. */
    if (item->column > 1) {
        item->start--;
        item->column--;
    }
    size_t length = 0;
    const char *text = event->alias.anchor ? fy_token_get_text(event->alias.anchor, &length) : NULL;
    return pq_yaml_builder_alias(b, item, text ? text : "", text ? length : 0);
}

/* The value of `key:`. libfyaml 0.7.12 has no token for it, 0.8 an empty one that stands behind the key. */
static bool is_unwritten(struct fy_event *event)
{
    if (event->type != FYET_SCALAR)
        return false;
    struct fy_token *token = event->scalar.value;
    size_t length = 0;
    return !token || (fy_token_scalar_style(token) == FYSS_PLAIN && fy_token_get_text(token, &length) && !length);
}

static bool on_event(pq_yaml_builder *b, struct fy_event *event)
{
    switch (event->type) {
    case FYET_NONE:
    case FYET_STREAM_START:
    case FYET_STREAM_END:
        return true;
    case FYET_DOCUMENT_START:
    case FYET_DOCUMENT_END:
        pq_yaml_builder_forget_anchors(b);
        return true;
    case FYET_MAPPING_END:
    case FYET_SEQUENCE_END:
        return pq_yaml_builder_close(b);
    case FYET_MAPPING_START:
    case FYET_SEQUENCE_START:
    case FYET_SCALAR:
    case FYET_ALIAS:
        break;
    }
    pq_yaml_mark from, to;
    bool written = !is_unwritten(event);
    pq_yaml_item *item = pq_yaml_builder_item(b, written ? mark_of(fy_event_start_mark(event), &from) : NULL,
                                              written ? mark_of(fy_event_end_mark(event), &to) : NULL);
    set_tag(b, item, fy_event_get_tag_token(event));
    if (event->type == FYET_ALIAS)
        return on_alias(b, event, item);
    size_t length = 0;
    struct fy_token *token = fy_event_get_anchor_token(event);
    const char *anchor = token ? fy_token_get_text(token, &length) : NULL;
    if (anchor)
        pq_yaml_builder_anchor(b, item, anchor, length);
    if (event->type == FYET_SCALAR)
        return on_scalar(b, event, item);
    item->kind = event->type == FYET_SEQUENCE_START ? PQ_YAML_SEQUENCE : PQ_YAML_MAPPING;
    return pq_yaml_builder_open(b, item);
}

/* --- the parser's own errors ------------------------------------------------------------------------------------ */

/* The words of libfyaml may hold text of the file, always in quotes or parentheses: what they say before is kept. */
static char *plain_words(const char *message)
{
    static const struct {
        const char *begins, *words;
    } better[] = {
        {"could not find expected ':'", "a `:` is missing after a key"},
        {"missing ':'", "a `:` is missing after a key"},
        {"plain scalar cannot start with", "a text that starts with this character must be quoted"},
        {"did not find expected node content", "a value is missing, here or on the line above"},
        {"did not find expected '-' indicator", "the next entry of a list was expected here"},
        {"did not find expected key", "a key was expected here"},
        {"invalid indentation in mapping", "a key begins in the wrong column"},
        {"wrongly indented sequence item", "an entry of a list begins in the wrong column"},
        {"wrong indendation in sequence", "an entry of a list begins in the wrong column"},
        {"Indentation used tabs", "a tab is used for indentation"},
        {"fy_", "this is not valid YAML"},
    };
    for (size_t i = 0; i < sizeof better / sizeof *better; i++)
        if (pq_starts_with(message, better[i].begins))
            return pq_strdup(better[i].words);
    size_t length = strcspn(message, "'\"(\n");
    while (length && message[length - 1] == ' ')
        length--;
    return length ? pq_strndup(message, length) : pq_strdup("this is not valid YAML");
}

static bool syntax_error(pq_yaml_builder *b, struct fy_diag *diag)
{
    void *iterator = NULL;
    const struct fy_diag_error *found;
    while ((found = fy_diag_errors_iterate(diag, &iterator)) && found->type < FYET_ERROR)
        ;
    if (!found)
        return pq_errors_add(b->errs, PQ_EINPUT, b->name, NULL, "this is not valid YAML");
    static const char indentation[] = "look at the indentation, of the line before too: entries of one list or mapping "
                                      "begin in the same column";
    /* These, unlike marks, count from 1. */
    PQ_AUTO_FREE char *where =
        found->line > 0 ? pq_asprintf("%s:%d:%d", b->name, found->line, found->column) : pq_strdup(b->name);
    PQ_AUTO_FREE char *words = plain_words(found->msg ? found->msg : "");
    const char *hint = strcasestr(words, "tab") ? "indent with spaces"
                       : strstr(words, "was expected here") || strstr(words, "in the wrong column") ? indentation
                                                                                                    : NULL;
    return pq_errors_add(b->errs, PQ_EINPUT, where, hint, "YAML: %s", words);
}

static int compare_duplicates(const void *left, const void *right)
{
    const pq_yaml_duplicate *a = left, *b = right;
    return (a->key->start > b->key->start) - (a->key->start < b->key->start);
}

static bool tell_duplicates(pq_yaml_builder *b)
{
    qsort(b->duplicates, b->duplicate_count, sizeof *b->duplicates, compare_duplicates);
    for (size_t i = 0; i < b->duplicate_count && i < MAX_DUPLICATES_TOLD; i++) {
        PQ_AUTO_FREE char *where = pq_yaml_builder_where(b, b->duplicates[i].key);
        (void)pq_errors_add(b->errs, PQ_EINPUT, where, "remove one of them",
                            "this key was given before in the same mapping, on line %u", b->duplicates[i].first_line);
    }
    return false;
}

/* Line breaks of YAML 1.1, which a `%YAML 1.1` turns on: NEL, LS and PS. */
static bool is_old_break(const char *text, size_t width)
{
    return (width == 2 && memcmp(text, "\xc2\x85", 2) == 0) ||
           (width == 3 && (memcmp(text, "\xe2\x80\xa8", 3) == 0 || memcmp(text, "\xe2\x80\xa9", 3) == 0));
}

/* What libfyaml would not bear: it ends silently at a NUL or a broken sequence, as if the input ended there, and takes
 * quadratic time over long runs of blanks and long directives (minutes for 1 MiB). */
static bool check_bytes(const char *name, const char *text, size_t length, pq_errors *errs)
{
    if (length > PQ_YAML_MAX_INPUT)
        return pq_errors_add(errs, PQ_EINPUT, name, NULL, "more than %d MiB of YAML", PQ_YAML_MAX_INPUT >> 20);
    unsigned line = 1, column = 1;
    size_t blanks = 0, directive = 0;
    bool begins = true; /* a line, for a directive */
    for (size_t i = 0; i < length;) {
        size_t width = text[i] ? pq_utf8_width(text + i, length - i) : 0;
        bool mark = i == 0 && width == 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0;
        bool old_break = is_old_break(text + i, width);
        bool line_end = text[i] == '\n' || (text[i] == '\r' && (i + 1 == length || text[i + 1] != '\n'));
        blanks = pq_ascii_space(text[i]) || old_break ? blanks + 1 : 0;
        directive = line_end || old_break ? 0 : directive || (begins && text[i] == '%') ? directive + 1 : 0;
        const char *what = NULL;
        if (width == 0)
            what = text[i] ? "this is not UTF-8" : "there is a NUL byte";
        else if (blanks > PQ_YAML_MAX_BLANKS)
            what = "too many blanks or empty lines in a row";
        else if (directive > MAX_DIRECTIVE)
            what = "this line is too long for a directive";
        if (what) {
            PQ_AUTO_FREE char *where = pq_asprintf("%s:%u:%u", name, line, column);
            return pq_errors_add(errs, PQ_EINPUT, where, width ? NULL : "save the file as UTF-8 text", "%s", what);
        }
        begins = line_end || old_break || mark;
        line += line_end;
        column = line_end ? 1 : column + 1;
        i += width;
    }
    return true;
}

bool pq_yaml_parse_full(const char *name, const char *text, size_t length, pq_yaml **out, pq_errors *errs)
{
    *out = NULL;
    if (!check_bytes(name, text, length, errs))
        return false;
    PQ_CLEANUP(pq_yaml_builder_clear)
    pq_yaml_builder b = {.name = name, .yaml = pq_alloc(1, sizeof *b.yaml), .errs = errs};
    struct fy_diag_cfg diag_cfg;
    fy_diag_cfg_default(&diag_cfg);
    diag_cfg.fp = NULL;
    diag_cfg.colorize = false;
    PQ_CLEANUP(diag_cleanup) struct fy_diag *diag = fy_diag_create(&diag_cfg);
    if (!diag)
        return pq_errors_add(errs, PQ_ESYSTEM, name, NULL, "could not set up libfyaml");
    fy_diag_set_collect_errors(diag, true);
    const struct fy_parse_cfg cfg = {
        .flags = FYPCF_QUIET | FYPCF_ALLOW_DUPLICATE_KEYS | FYPCF_JSON_NONE | FYPCF_SLOPPY_FLOW_INDENTATION,
        .diag = diag,
    };
    PQ_CLEANUP(parser_cleanup) struct fy_parser *parser = fy_parser_create(&cfg);
    if (!parser || (length && fy_parser_set_string(parser, text, length) != 0))
        return pq_errors_add(errs, PQ_ESYSTEM, name, NULL, "could not set up libfyaml");
    bool good = true;
    while (good && length) {
        struct fy_event *event = fy_parser_parse(parser);
        if (!event)
            break;
        good = on_event(&b, event);
        fy_parser_event_free(parser, event);
    }
    bool failed = length && fy_parser_get_stream_error(parser);
    abandon_if_corrupt(&parser, diag);
    if (!good)
        return false;
    if (failed || b.depth)
        return syntax_error(&b, diag);
    if (b.duplicate_count)
        return tell_duplicates(&b);
    *out = pq_steal(b.yaml);
    return true;
}

bool pq_yaml_parse(const char *name, const void *bytes, size_t length, pq_yaml **out, pq_errors *errs)
{
    const char *text = length ? bytes : "";
    return pq_yaml_parse_plain(text, length, out) || pq_yaml_parse_full(name, text, length, out, errs);
}
