/* Events of libfyaml into items. Its documents are not used: they check duplicate keys in quadratic time and resolve
 * aliases by copying. */
#include "yaml/item.h"

#include <libfyaml.h>
#include <search.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/text.h"

enum {
    MAX_INPUT = 16 << 20,     /* what callers read is smaller; offsets are kept in 32 bits */
    MAX_DUPLICATES_TOLD = 20, /* in one input */
};

typedef struct anchor {
    char *name; /* owned */
    size_t length;
    pq_yaml_item *item;
} anchor;

/* A sequence or mapping whose end was not seen yet. */
typedef struct level {
    pq_yaml_item *item;
    const pq_yaml_item **children; /* items, or keys and values by turns */
    size_t count, capacity;
    uint32_t weight_before;
} level;

typedef struct duplicate {
    const pq_yaml_item *key;
    uint32_t first_line;
} duplicate;

typedef struct builder {
    const char *name;
    pq_yaml *yaml;
    pq_errors *errs;
    level levels[PQ_MAX_YAML_DEPTH];
    size_t depth;
    void *anchors;         /* tree of the document's anchors, by name */
    uint32_t weight;       /* entries so far, with those that aliases stand for */
    duplicate *duplicates; /* keys that were given before */
    size_t duplicate_count, duplicate_capacity;
    const pq_yaml_item *last; /* of the events */
} builder;

static void free_anchor(void *pointer)
{
    anchor *gone = pointer;
    free(gone->name);
    free(gone);
}

static void forget_anchors(builder *b)
{
    tdestroy(b->anchors, free_anchor);
    b->anchors = NULL;
}

static void builder_clear(builder *b)
{
    forget_anchors(b);
    for (size_t i = 0; i < PQ_MAX_YAML_DEPTH; i++)
        free(b->levels[i].children);
    free(b->duplicates);
    pq_yaml_free(b->yaml);
}

static int compare_anchors(const void *left, const void *right)
{
    const anchor *a = left, *b = right;
    return pq_yaml_compare_text(a->name, a->length, b->name, b->length);
}

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

static char *where_of(const builder *b, const pq_yaml_item *item)
{
    return pq_asprintf("%s:%u:%u", b->name, item->line, item->column);
}

static bool refuse(builder *b, const pq_yaml_item *item, const char *hint, const char *what)
{
    PQ_AUTO_FREE char *where = where_of(b, item);
    return pq_errors_add(b->errs, PQ_EINPUT, where, hint, "%s", what);
}

/* --- children and ends ------------------------------------------------------------------------------------------ */

static int compare_pairs(const void *left, const void *right, void *context)
{
    const pq_yaml_pair *pairs = context;
    uint32_t a, b;
    memcpy(&a, left, sizeof a);
    memcpy(&b, right, sizeof b);
    const pq_yaml_item *x = pq_yaml_resolve(pairs[a].key), *y = pq_yaml_resolve(pairs[b].key);
    int order = pq_yaml_compare_text(x->text, x->length, y->text, y->length);
    return order ? order : (a > b) - (a < b);
}

/* Makes the index of `count` pairs. Sorting, unlike a table of hashes, has no bad input. */
static void index_pairs(builder *b, pq_yaml_item *mapping)
{
    mapping->sorted = pq_yaml_reserve(b->yaml, mapping->count, sizeof *mapping->sorted);
    uint32_t count = 0;
    for (uint32_t i = 0; i < mapping->count; i++)
        if (pq_yaml_resolve(mapping->pairs[i].key)->text)
            mapping->sorted[count++] = i;
    mapping->sorted_count = count;
    if (count > 1)
        qsort_r(mapping->sorted, count, sizeof *mapping->sorted, compare_pairs, mapping->pairs);
}

static bool same_key(const pq_yaml_item *mapping, uint32_t a, uint32_t b)
{
    const pq_yaml_item *x = pq_yaml_resolve(mapping->pairs[mapping->sorted[a]].key);
    const pq_yaml_item *y = pq_yaml_resolve(mapping->pairs[mapping->sorted[b]].key);
    return x->length == y->length && memcmp(x->text, y->text, x->length) == 0;
}

static void note_duplicates(builder *b, const pq_yaml_item *mapping)
{
    for (uint32_t i = 1; i < mapping->sorted_count; i++) {
        if (!same_key(mapping, i - 1, i) || (i > 1 && same_key(mapping, i - 2, i)))
            continue;
        b->duplicates = pq_grow(b->duplicates, &b->duplicate_capacity, b->duplicate_count + 1, sizeof *b->duplicates);
        const pq_yaml_item *first = mapping->pairs[mapping->sorted[i - 1]].key;
        b->duplicates[b->duplicate_count++] =
            (duplicate){.key = mapping->pairs[mapping->sorted[i]].key, .first_line = first->line};
    }
}

/* Drops later pairs of the same key from pairs that start with `own` distinct ones. */
static void drop_overridden(pq_yaml_item *mapping)
{
    bool *drop = pq_alloc(mapping->count, sizeof *drop);
    for (uint32_t i = 1; i < mapping->sorted_count; i++)
        drop[mapping->sorted[i]] = same_key(mapping, i - 1, i);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < mapping->count; i++)
        if (!drop[i])
            mapping->pairs[kept++] = mapping->pairs[i];
    mapping->count = kept;
    free(drop);
}

static bool is_merge_key(const pq_yaml_item *key)
{
    return !key->target && key->text && key->style == PQ_YAML_PLAIN && key->length == 2 &&
           memcmp(key->text, "<<", 2) == 0 && (!key->tag || pq_streq(key->tag, "tag:yaml.org,2002:merge"));
}

static uint32_t merged_count(const pq_yaml_item *value)
{
    const pq_yaml_item *source = pq_yaml_resolve(value);
    return source->kind == PQ_YAML_MAPPING ? source->count : UINT32_MAX;
}

static void add_merged(pq_yaml_item *mapping, const pq_yaml_item *value)
{
    const pq_yaml_item *source = pq_yaml_resolve(value);
    for (uint32_t i = 0; i < source->count; i++) {
        pq_yaml_pair *pair = &mapping->pairs[mapping->count++];
        *pair = source->pairs[i];
        pair->merge = value;
    }
}

/* Puts the entries of what `<<` names behind the mapping's own. A source is complete by now, with its own merges, so
 * this never recurses; and its alias was weighed, so the sum of all this is bounded by PQ_MAX_YAML_NODES. */
static bool merge_pairs(builder *b, pq_yaml_item *mapping, const pq_yaml_item *value)
{
    const char *const what = "`<<` must name a mapping or a list of mappings";
    const pq_yaml_item *list = pq_yaml_resolve(value);
    size_t sources = list->kind == PQ_YAML_SEQUENCE ? list->count : 1;
    size_t total = mapping->count;
    for (size_t i = 0; i < sources; i++) {
        uint32_t more = merged_count(list->kind == PQ_YAML_SEQUENCE ? list->items[i] : value);
        if (more == UINT32_MAX)
            return refuse(b, value, NULL, what);
        total += more;
    }
    pq_yaml_pair *pairs = pq_yaml_reserve(b->yaml, total, sizeof *pairs);
    if (mapping->count)
        memcpy(pairs, mapping->pairs, mapping->count * sizeof *pairs);
    mapping->pairs = pairs;
    for (size_t i = 0; i < sources; i++)
        add_merged(mapping, list->kind == PQ_YAML_SEQUENCE ? list->items[i] : value);
    index_pairs(b, mapping);
    drop_overridden(mapping);
    index_pairs(b, mapping);
    return true;
}

static bool end_mapping(builder *b, const level *top)
{
    pq_yaml_item *mapping = top->item;
    size_t count = top->count / 2;
    mapping->pairs = pq_yaml_reserve(b->yaml, count, sizeof *mapping->pairs);
    for (size_t i = 0; i < count; i++)
        mapping->pairs[i] = (pq_yaml_pair){.key = top->children[2 * i], .value = top->children[2 * i + 1]};
    mapping->count = (uint32_t)count;
    index_pairs(b, mapping);
    size_t before = b->duplicate_count;
    note_duplicates(b, mapping);
    const pq_yaml_item *merge = NULL;
    uint32_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (is_merge_key(mapping->pairs[i].key))
            merge = mapping->pairs[i].value;
        else
            mapping->pairs[kept++] = mapping->pairs[i];
    }
    if (!merge || b->duplicate_count > before)
        return true;
    mapping->count = kept;
    return merge_pairs(b, mapping, merge);
}

static void end_sequence(builder *b, const level *top)
{
    pq_yaml_item *sequence = top->item;
    sequence->items = pq_yaml_reserve(b->yaml, top->count, sizeof(const pq_yaml_item *));
    if (top->count)
        memcpy(sequence->items, top->children, top->count * sizeof *top->children);
    sequence->count = (uint32_t)top->count;
}

/* Counts what an item adds to the whole: one entry, and behind an alias all that it stands for. Keys are part of their
 * entry. */
static bool weigh(builder *b, const pq_yaml_item *item)
{
    const level *top = b->depth ? &b->levels[b->depth - 1] : NULL;
    bool is_key = top && top->item->kind == PQ_YAML_MAPPING && top->count % 2 == 0;
    uint32_t more = (is_key ? 0 : 1) + (item->target ? item->target->weight : 0);
    if (item->target && b->depth + item->target->height > PQ_MAX_YAML_DEPTH)
        return refuse(b, item, NULL, "with its aliases followed this nests too deeply");
    if (more > PQ_MAX_YAML_NODES || b->weight > PQ_MAX_YAML_NODES + 1 - more)
        return refuse(b, item, NULL, item->target ? "with its aliases followed this is too large" : "too many entries");
    b->weight += more;
    return true;
}

static bool add_child(builder *b, const pq_yaml_item *item)
{
    if (b->depth == 0) {
        b->yaml->roots = pq_grow(b->yaml->roots, &b->yaml->capacity, b->yaml->count + 1, sizeof *b->yaml->roots);
        b->yaml->roots[b->yaml->count++] = item;
        return true;
    }
    level *top = &b->levels[b->depth - 1];
    top->children = pq_grow(top->children, &top->capacity, top->count + 1, sizeof *top->children);
    top->children[top->count++] = item;
    return true;
}

static bool open_level(builder *b, pq_yaml_item *item)
{
    if (b->depth == PQ_MAX_YAML_DEPTH)
        return refuse(b, item, NULL, "this nests too deeply");
    if (!weigh(b, item))
        return false;
    item->open = true;
    level *top = &b->levels[b->depth++];
    top->item = item;
    top->count = 0;
    top->weight_before = b->weight;
    return true;
}

static bool close_level(builder *b)
{
    if (b->depth == 0)
        return pq_errors_add(b->errs, PQ_EINPUT, b->name, NULL, "this is not valid YAML");
    const level *top = &b->levels[b->depth - 1];
    pq_yaml_item *item = top->item;
    item->open = false;
    item->weight = b->weight - top->weight_before;
    uint8_t height = 0;
    for (size_t i = 0; i < top->count; i++)
        if (pq_yaml_resolve(top->children[i])->height > height)
            height = pq_yaml_resolve(top->children[i])->height;
    item->height = (uint8_t)(height + 1);
    if (item->kind == PQ_YAML_SEQUENCE)
        end_sequence(b, top);
    else if (!end_mapping(b, top))
        return false;
    b->depth--;
    return add_child(b, item);
}

/* --- events ----------------------------------------------------------------------------------------------------- */

/* What is not written (the value of `key:`) has no mark: it gets the line of what stands before it. */
static void place(builder *b, pq_yaml_item *item, const struct fy_mark *from, const struct fy_mark *to)
{
    if (from) {
        item->start = (uint32_t)from->input_pos;
        item->line = (uint32_t)from->line + 1;
        item->column = (uint32_t)from->column + 1;
    } else {
        item->start = b->last ? b->last->end : 0;
        item->line = b->last ? b->last->line : 1;
        item->column = b->last ? b->last->column : 1;
    }
    item->end = to && to->input_pos >= item->start ? (uint32_t)to->input_pos : item->start;
    b->last = item;
}

static const char *copy_text(builder *b, const char *text, size_t length)
{
    char *copy = pq_yaml_reserve(b->yaml, length + 1, 1);
    if (length)
        memcpy(copy, text, length);
    return copy;
}

static void set_anchor(builder *b, pq_yaml_item *item, struct fy_token *token)
{
    if (!token)
        return;
    size_t length = 0;
    const char *text = fy_token_get_text(token, &length);
    if (!text)
        return;
    anchor *made = pq_alloc(1, sizeof *made);
    *made = (anchor){.name = pq_strndup(text, length), .length = length, .item = item};
    void *found = tsearch(made, &b->anchors, compare_anchors);
    if (!found)
        abort(); /* out of memory */
    anchor *kept = *(anchor **)found;
    if (kept != made)
        free_anchor(made);
    kept->item = item; /* the latest one before an alias counts */
}

static void set_tag(builder *b, pq_yaml_item *item, struct fy_token *token)
{
    size_t length = 0;
    const char *text = token ? fy_token_get_text(token, &length) : NULL;
    if (text)
        item->tag = copy_text(b, text, length);
}

static bool is_null_text(const char *text)
{
    return !*text || pq_streq(text, "~") || pq_streq(text, "null") || pq_streq(text, "Null") || pq_streq(text, "NULL");
}

static bool on_scalar(builder *b, struct fy_event *event, pq_yaml_item *item)
{
    size_t length = 0;
    const char *text = event->scalar.value ? fy_token_get_text(event->scalar.value, &length) : NULL;
    if (text && memchr(text, '\0', length))
        return refuse(b, item, NULL, "a text may not hold a NUL character");
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
    bool tag_allows_null =
        !item->tag || (item->tag[0] == '!' && item->tag[1]) || pq_streq(item->tag, "tag:yaml.org,2002:null");
    bool is_null = item->style == PQ_YAML_PLAIN && tag_allows_null && is_null_text(item->text);
    item->kind = is_null ? PQ_YAML_NULL : PQ_YAML_SCALAR;
    item->exact = item->style != PQ_YAML_LITERAL && item->style != PQ_YAML_FOLDED && item->end > item->start;
    /* An empty quoted text is a place that can be filled. */
    if (item->style == PQ_YAML_SINGLE_QUOTED || item->style == PQ_YAML_DOUBLE_QUOTED)
        item->exact = true;
    return weigh(b, item) && add_child(b, item);
}

static bool on_alias(builder *b, struct fy_event *event, pq_yaml_item *item)
{
    /* The mark stands behind the `*`. */
    if (item->column > 1) {
        item->start--;
        item->column--;
    }
    size_t length = 0;
    const char *text = event->alias.anchor ? fy_token_get_text(event->alias.anchor, &length) : NULL;
    PQ_AUTO_FREE char *name = pq_strndup(text ? text : "", text ? length : 0);
    anchor wanted = {.name = name, .length = length};
    anchor **found = tfind(&wanted, &b->anchors, compare_anchors);
    if (!found)
        return refuse(b, item, "an anchor must stand before the aliases that refer to it",
                      "this alias refers to no anchor");
    if ((*found)->item->open)
        return refuse(b, item, NULL, "this alias refers to what contains it");
    item->target = (*found)->item;
    return weigh(b, item) && add_child(b, item);
}

static bool on_event(builder *b, struct fy_event *event)
{
    switch (event->type) {
    case FYET_NONE:
    case FYET_STREAM_START:
    case FYET_STREAM_END:
        return true;
    case FYET_DOCUMENT_START:
    case FYET_DOCUMENT_END:
        forget_anchors(b);
        return true;
    case FYET_MAPPING_END:
    case FYET_SEQUENCE_END:
        return close_level(b);
    case FYET_MAPPING_START:
    case FYET_SEQUENCE_START:
    case FYET_SCALAR:
    case FYET_ALIAS:
        break;
    }
    pq_yaml_item *item = pq_yaml_reserve(b->yaml, 1, sizeof *item);
    place(b, item, fy_event_start_mark(event), fy_event_end_mark(event));
    set_tag(b, item, fy_event_get_tag_token(event));
    if (event->type == FYET_ALIAS)
        return on_alias(b, event, item);
    set_anchor(b, item, fy_event_get_anchor_token(event));
    if (event->type == FYET_SCALAR)
        return on_scalar(b, event, item);
    item->kind = event->type == FYET_SEQUENCE_START ? PQ_YAML_SEQUENCE : PQ_YAML_MAPPING;
    return open_level(b, item);
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

static bool syntax_error(builder *b, struct fy_diag *diag)
{
    void *iterator = NULL;
    const struct fy_diag_error *found;
    while ((found = fy_diag_errors_iterate(diag, &iterator)) && found->type < FYET_ERROR)
        ;
    if (!found)
        return pq_errors_add(b->errs, PQ_EINPUT, b->name, NULL, "this is not valid YAML");
    /* These, unlike marks, count from 1. */
    PQ_AUTO_FREE char *where =
        found->line > 0 ? pq_asprintf("%s:%d:%d", b->name, found->line, found->column) : pq_strdup(b->name);
    PQ_AUTO_FREE char *words = plain_words(found->msg ? found->msg : "");
    const char *hint = strcasestr(words, "tab") ? "indent with spaces" : NULL;
    return pq_errors_add(b->errs, PQ_EINPUT, where, hint, "YAML: %s", words);
}

static int compare_duplicates(const void *left, const void *right)
{
    const duplicate *a = left, *b = right;
    return (a->key->start > b->key->start) - (a->key->start < b->key->start);
}

static bool tell_duplicates(builder *b)
{
    qsort(b->duplicates, b->duplicate_count, sizeof *b->duplicates, compare_duplicates);
    for (size_t i = 0; i < b->duplicate_count && i < MAX_DUPLICATES_TOLD; i++) {
        PQ_AUTO_FREE char *where = where_of(b, b->duplicates[i].key);
        (void)pq_errors_add(b->errs, PQ_EINPUT, where, "remove one of them",
                            "this key was given before in the same mapping, on line %u", b->duplicates[i].first_line);
    }
    return false;
}

/* libfyaml ends silently at a NUL or a broken sequence, as if the input ended there. */
static bool check_bytes(const char *name, const char *text, size_t length, pq_errors *errs)
{
    if (length > MAX_INPUT)
        return pq_errors_add(errs, PQ_EINPUT, name, NULL, "more than %d MiB of YAML", MAX_INPUT >> 20);
    unsigned line = 1, column = 1;
    for (size_t i = 0; i < length;) {
        size_t width = text[i] ? pq_utf8_width(text + i, length - i) : 0;
        if (width == 0) {
            PQ_AUTO_FREE char *where = pq_asprintf("%s:%u:%u", name, line, column);
            return pq_errors_add(errs, PQ_EINPUT, where, "save the file as UTF-8 text", "%s",
                                 text[i] ? "this is not UTF-8" : "there is a NUL byte");
        }
        bool line_end = text[i] == '\n' || (text[i] == '\r' && (i + 1 == length || text[i + 1] != '\n'));
        line += line_end;
        column = line_end ? 1 : column + 1;
        i += width;
    }
    return true;
}

bool pq_yaml_parse(const char *name, const void *bytes, size_t length, pq_yaml **out, pq_errors *errs)
{
    *out = NULL;
    const char *text = length ? bytes : "";
    if (!check_bytes(name, text, length, errs))
        return false;
    PQ_CLEANUP(builder_clear) builder b = {.name = name, .yaml = pq_alloc(1, sizeof *b.yaml), .errs = errs};
    struct fy_diag_cfg diag_cfg;
    fy_diag_cfg_default(&diag_cfg);
    diag_cfg.fp = NULL;
    diag_cfg.colorize = false;
    PQ_CLEANUP(diag_cleanup) struct fy_diag *diag = fy_diag_create(&diag_cfg);
    if (!diag)
        return pq_errors_add(errs, PQ_ESYSTEM, name, NULL, "could not set up libfyaml");
    fy_diag_set_collect_errors(diag, true);
    const struct fy_parse_cfg cfg = {
        .flags = FYPCF_QUIET | FYPCF_ALLOW_DUPLICATE_KEYS | FYPCF_JSON_NONE,
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
