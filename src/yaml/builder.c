/* What both parsers build: items with their children, anchors, weights. */
#include "yaml/builder.h"

#include <search.h>
#include <string.h>

#include "base/text.h"

typedef struct anchor {
    char *name; /* owned */
    size_t length;
    pq_yaml_item *item;
} anchor;

static void free_anchor(void *pointer)
{
    anchor *gone = pointer;
    free(gone->name);
    free(gone);
}

void pq_yaml_builder_forget_anchors(pq_yaml_builder *b)
{
    tdestroy(b->anchors, free_anchor);
    b->anchors = NULL;
}

void pq_yaml_builder_clear(pq_yaml_builder *b)
{
    pq_yaml_builder_forget_anchors(b);
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

char *pq_yaml_builder_where(const pq_yaml_builder *b, const pq_yaml_item *item)
{
    return pq_asprintf("%s:%u:%u", b->name, item->line, item->column);
}

bool pq_yaml_builder_refuse(pq_yaml_builder *b, const pq_yaml_item *item, const char *hint, const char *what)
{
    PQ_AUTO_FREE char *where = pq_yaml_builder_where(b, item);
    return pq_errors_add(b->errs, PQ_EINPUT, where, hint, "%s", what);
}

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
static void index_pairs(pq_yaml_builder *b, pq_yaml_item *mapping)
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

static void note_duplicates(pq_yaml_builder *b, const pq_yaml_item *mapping)
{
    for (uint32_t i = 1; i < mapping->sorted_count; i++) {
        if (!same_key(mapping, i - 1, i) || (i > 1 && same_key(mapping, i - 2, i)))
            continue;
        b->duplicates = pq_grow(b->duplicates, &b->duplicate_capacity, b->duplicate_count + 1, sizeof *b->duplicates);
        const pq_yaml_item *first = mapping->pairs[mapping->sorted[i - 1]].key;
        b->duplicates[b->duplicate_count++] =
            (pq_yaml_duplicate){.key = mapping->pairs[mapping->sorted[i]].key, .first_line = first->line};
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
static bool merge_pairs(pq_yaml_builder *b, pq_yaml_item *mapping, const pq_yaml_item *value)
{
    const char *const what = "`<<` must name a mapping or a list of mappings";
    const pq_yaml_item *list = pq_yaml_resolve(value);
    size_t sources = list->kind == PQ_YAML_SEQUENCE ? list->count : 1;
    size_t total = mapping->count;
    for (size_t i = 0; i < sources; i++) {
        uint32_t more = merged_count(list->kind == PQ_YAML_SEQUENCE ? list->items[i] : value);
        if (more == UINT32_MAX)
            return pq_yaml_builder_refuse(b, value, NULL, what);
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

static bool end_mapping(pq_yaml_builder *b, const pq_yaml_level *top)
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

static void end_sequence(pq_yaml_builder *b, const pq_yaml_level *top)
{
    pq_yaml_item *sequence = top->item;
    sequence->items = pq_yaml_reserve(b->yaml, top->count, sizeof(const pq_yaml_item *));
    if (top->count)
        memcpy(sequence->items, top->children, top->count * sizeof *top->children);
    sequence->count = (uint32_t)top->count;
}

/* Counts what an item adds to the whole: one entry, and behind an alias all that it stands for. Keys are part of their
 * entry. */
static bool weigh(pq_yaml_builder *b, const pq_yaml_item *item)
{
    const pq_yaml_level *top = b->depth ? &b->levels[b->depth - 1] : NULL;
    bool is_key = top && top->item->kind == PQ_YAML_MAPPING && top->count % 2 == 0;
    uint32_t more = (is_key ? 0 : 1) + (item->target ? item->target->weight : 0);
    if (item->target && b->depth + item->target->height > PQ_MAX_YAML_DEPTH)
        return pq_yaml_builder_refuse(b, item, NULL, "with its aliases followed this nests too deeply");
    if (more > PQ_MAX_YAML_NODES || b->weight > PQ_MAX_YAML_NODES + 1 - more)
        return pq_yaml_builder_refuse(
            b, item, NULL, item->target ? "with its aliases followed this is too large" : "too many entries");
    b->weight += more;
    return true;
}

static bool add_child(pq_yaml_builder *b, const pq_yaml_item *item)
{
    if (b->depth == 0) {
        b->yaml->roots = pq_grow(b->yaml->roots, &b->yaml->capacity, b->yaml->count + 1, sizeof *b->yaml->roots);
        b->yaml->roots[b->yaml->count++] = item;
        return true;
    }
    pq_yaml_level *top = &b->levels[b->depth - 1];
    top->children = pq_grow(top->children, &top->capacity, top->count + 1, sizeof *top->children);
    top->children[top->count++] = item;
    return true;
}

bool pq_yaml_builder_open(pq_yaml_builder *b, pq_yaml_item *item)
{
    if (b->depth == PQ_MAX_YAML_DEPTH)
        return pq_yaml_builder_refuse(b, item, NULL, "this nests too deeply");
    if (!weigh(b, item))
        return false;
    item->open = true;
    pq_yaml_level *top = &b->levels[b->depth++];
    top->item = item;
    top->count = 0;
    top->weight_before = b->weight;
    return true;
}

bool pq_yaml_builder_close(pq_yaml_builder *b)
{
    if (b->depth == 0)
        return pq_errors_add(b->errs, PQ_EINPUT, b->name, NULL, "this is not valid YAML");
    const pq_yaml_level *top = &b->levels[b->depth - 1];
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

/* What is not written (the value of `key:`) has no mark: it gets the line of what stands before it. */
pq_yaml_item *pq_yaml_builder_item(pq_yaml_builder *b, const pq_yaml_mark *from, const pq_yaml_mark *to)
{
    pq_yaml_item *item = pq_yaml_reserve(b->yaml, 1, sizeof *item);
    if (from) {
        item->start = from->at;
        item->line = from->line + 1;
        item->column = from->column + 1;
    } else {
        item->start = b->last ? b->last->end : 0;
        item->line = b->last ? b->last->line : 1;
        item->column = b->last ? b->last->column : 1;
    }
    item->end = to && to->at >= item->start ? to->at : item->start;
    b->last = item;
    return item;
}

void pq_yaml_builder_anchor(pq_yaml_builder *b, pq_yaml_item *item, const char *text, size_t length)
{
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

static bool is_null_text(const char *text)
{
    return !*text || pq_streq(text, "~") || pq_streq(text, "null") || pq_streq(text, "Null") || pq_streq(text, "NULL");
}

bool pq_yaml_builder_scalar(pq_yaml_builder *b, pq_yaml_item *item)
{
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

bool pq_yaml_builder_alias(pq_yaml_builder *b, pq_yaml_item *item, const char *text, size_t length)
{
    PQ_AUTO_FREE char *name = pq_strndup(text, length);
    anchor wanted = {.name = name, .length = length};
    anchor **found = tfind(&wanted, &b->anchors, compare_anchors);
    if (!found)
        return pq_yaml_builder_refuse(b, item, "an anchor must stand before the aliases that refer to it",
                                      "this alias refers to no anchor");
    if ((*found)->item->open)
        return pq_yaml_builder_refuse(b, item, NULL, "this alias refers to what contains it");
    item->target = (*found)->item;
    return weigh(b, item) && add_child(b, item);
}
