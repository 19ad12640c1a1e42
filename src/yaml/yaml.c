#include "yaml/yaml.h"

#include <string.h>

#include "base/text.h"
#include "yaml/item.h"

struct pq_yaml_block {
    pq_yaml_block *next;
    size_t used, size;
    max_align_t memory[];
};

void *pq_yaml_reserve(pq_yaml *yaml, size_t count, size_t size)
{
    const size_t align = sizeof(max_align_t), usual = 16u << 10;
    /* Callers count what stands in the input, which is small beside this. */
    if (size && count > (SIZE_MAX >> 2) / size)
        abort();
    size_t need = (count * size + align - 1) / align * align;
    pq_yaml_block *block = yaml->blocks;
    if (!block || block->size - block->used < need) {
        size_t room = need > usual ? need : usual;
        block = pq_alloc_raw(sizeof *block + room);
        *block = (pq_yaml_block){.size = room, .next = yaml->blocks};
        yaml->blocks = block;
    }
    void *memory = (char *)block->memory + block->used;
    block->used += need;
    return memset(memory, 0, need);
}

void pq_yaml_free(pq_yaml *yaml)
{
    if (!yaml)
        return;
    for (pq_yaml_block *block = yaml->blocks; block;) {
        pq_yaml_block *next = block->next;
        free(block);
        block = next;
    }
    free(yaml->roots);
    free(yaml);
}

void pq_yaml_cleanup(pq_yaml **yaml)
{
    pq_yaml_free(*yaml);
}

const pq_yaml_item *pq_yaml_resolve(const pq_yaml_item *item)
{
    return item->target ? item->target : item;
}

/* The node for `item`, which was reached from a node with `use`. */
static pq_yaml_node node_of(const pq_yaml_item *item, const pq_yaml_item *use)
{
    if (!item)
        return PQ_YAML_NONE;
    return (pq_yaml_node){.item = pq_yaml_resolve(item), .use = !use && item->target ? item : use};
}

size_t pq_yaml_count(const pq_yaml *yaml)
{
    return yaml->count;
}

pq_yaml_node pq_yaml_root(const pq_yaml *yaml, size_t index)
{
    return index < yaml->count ? node_of(yaml->roots[index], NULL) : PQ_YAML_NONE;
}

pq_yaml_kind pq_yaml_kind_of(pq_yaml_node node)
{
    return node.item ? (pq_yaml_kind)node.item->kind : PQ_YAML_ABSENT;
}

const char *pq_yaml_kind_words(pq_yaml_node node)
{
    switch (pq_yaml_kind_of(node)) {
    case PQ_YAML_SEQUENCE:
        return "a list";
    case PQ_YAML_MAPPING:
        return "a mapping";
    case PQ_YAML_SCALAR:
        break;
    case PQ_YAML_ABSENT:
    case PQ_YAML_NULL:
        return "nothing";
    }
    pq_yaml_type type = pq_yaml_type_of(node);
    return type == PQ_YAML_IS_BOOL ? "true or false" : type == PQ_YAML_IS_NUMBER ? "a number" : "a text";
}

const char *pq_yaml_tag(pq_yaml_node node)
{
    return node.item ? node.item->tag : NULL;
}

const char *pq_yaml_text(pq_yaml_node node)
{
    return node.item ? node.item->text : NULL;
}

size_t pq_yaml_text_length(pq_yaml_node node)
{
    return node.item ? node.item->length : 0;
}

pq_yaml_style pq_yaml_style_of(pq_yaml_node node)
{
    return node.item ? (pq_yaml_style)node.item->style : PQ_YAML_PLAIN;
}

static bool is_number(const char *text)
{
    const char *digits = text + (*text == '-' || *text == '+');
    if (pq_streq(digits, ".inf") || pq_streq(digits, ".Inf") || pq_streq(digits, ".INF") || pq_streq(text, ".nan") ||
        pq_streq(text, ".NaN") || pq_streq(text, ".NAN"))
        return true;
    if (pq_starts_with(digits, "0x"))
        return digits[2] && strspn(digits + 2, "0123456789abcdefABCDEF") == strlen(digits + 2);
    if (pq_starts_with(digits, "0o"))
        return digits[2] && strspn(digits + 2, "01234567") == strlen(digits + 2);
    size_t whole = strspn(digits, "0123456789"), fraction = 0;
    const char *rest = digits + whole;
    if (*rest == '.') {
        fraction = strspn(rest + 1, "0123456789");
        rest += 1 + fraction;
    }
    if (whole + fraction == 0)
        return false;
    if (*rest == 'e' || *rest == 'E') {
        rest++;
        rest += *rest == '-' || *rest == '+';
        size_t exponent = strspn(rest, "0123456789");
        if (exponent == 0)
            return false;
        rest += exponent;
    }
    return *rest == '\0';
}

/* 1 and 0 for the words of truth values, -1 for others. */
static int truth_of(const char *text)
{
    static const char *const words[2][4] = {{"false", "no", "off"}, {"true", "yes", "on"}};
    if (strlen(text) > 5)
        return -1;
    for (int truth = 0; truth < 2; truth++)
        for (size_t i = 0; words[truth][i]; i++) {
            const char *word = words[truth][i];
            if (!pq_ascii_equal_nocase(text, word))
                continue;
            /* true, True and TRUE, but not tRUE. */
            size_t capitals = 0;
            for (const char *at = text; *at; at++)
                capitals += *at != pq_ascii_lower(*at);
            bool usual = capitals == 0 || capitals == strlen(text) || (capitals == 1 && *text != *word);
            return usual ? truth : -1;
        }
    return -1;
}

pq_yaml_type pq_yaml_type_of(pq_yaml_node node)
{
    if (pq_yaml_kind_of(node) == PQ_YAML_NULL)
        return PQ_YAML_IS_NULL;
    if (pq_yaml_kind_of(node) != PQ_YAML_SCALAR)
        return PQ_YAML_IS_NOT_SCALAR;
    const pq_yaml_item *item = node.item;
    if (item->style != PQ_YAML_PLAIN || pq_streq(item->tag, "!") || pq_streq(item->tag, "tag:yaml.org,2002:str"))
        return PQ_YAML_IS_TEXT;
    if (truth_of(item->text) >= 0)
        return PQ_YAML_IS_BOOL;
    return is_number(item->text) ? PQ_YAML_IS_NUMBER : PQ_YAML_IS_TEXT;
}

bool pq_yaml_bool(pq_yaml_node node, bool *out)
{
    if (pq_yaml_type_of(node) != PQ_YAML_IS_BOOL)
        return false;
    *out = truth_of(node.item->text) == 1;
    return true;
}

size_t pq_yaml_size(pq_yaml_node node)
{
    return node.item ? node.item->count : 0;
}

pq_yaml_node pq_yaml_at(pq_yaml_node sequence, size_t index)
{
    if (pq_yaml_kind_of(sequence) != PQ_YAML_SEQUENCE || index >= sequence.item->count)
        return PQ_YAML_NONE;
    return node_of(sequence.item->items[index], sequence.use);
}

static void fill_entry(pq_yaml_node mapping, const pq_yaml_pair *pair, pq_yaml_entry *out)
{
    const pq_yaml_item *use = mapping.use ? mapping.use : pair->merge;
    *out = (pq_yaml_entry){node_of(pair->key, use), node_of(pair->value, use), pair->merge != NULL};
}

bool pq_yaml_entry_at(pq_yaml_node mapping, size_t index, pq_yaml_entry *out)
{
    if (pq_yaml_kind_of(mapping) != PQ_YAML_MAPPING || index >= mapping.item->count)
        return false;
    fill_entry(mapping, &mapping.item->pairs[index], out);
    return true;
}

int pq_yaml_compare_text(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t common = a_length < b_length ? a_length : b_length;
    int order = common ? memcmp(a, b, common) : 0;
    return order ? order : (a_length > b_length) - (a_length < b_length);
}

const pq_yaml_pair *pq_yaml_search(const pq_yaml_item *mapping, const char *key, size_t length)
{
    size_t low = 0, high = mapping->sorted_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const pq_yaml_pair *pair = &mapping->pairs[mapping->sorted[middle]];
        const pq_yaml_item *name = pq_yaml_resolve(pair->key);
        int order = pq_yaml_compare_text(key, length, name->text, name->length);
        if (order == 0)
            return pair;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

bool pq_yaml_find(pq_yaml_node mapping, const char *key, pq_yaml_entry *out)
{
    *out = (pq_yaml_entry){0};
    if (pq_yaml_kind_of(mapping) != PQ_YAML_MAPPING)
        return false;
    const pq_yaml_pair *pair = pq_yaml_search(mapping.item, key, strlen(key));
    if (pair)
        fill_entry(mapping, pair, out);
    return pair != NULL;
}

pq_yaml_node pq_yaml_get(pq_yaml_node mapping, const char *key)
{
    pq_yaml_entry entry;
    (void)pq_yaml_find(mapping, key, &entry);
    return entry.value;
}

static pq_yaml_span span_of(const pq_yaml_item *item)
{
    if (!item)
        return (pq_yaml_span){0};
    return (pq_yaml_span){item->start, item->end, item->line, item->column, item->exact};
}

pq_yaml_span pq_yaml_span_of(pq_yaml_node node)
{
    return span_of(node.item);
}

bool pq_yaml_is_shared(pq_yaml_node node)
{
    return node.use != NULL;
}

pq_yaml_span pq_yaml_use_of(pq_yaml_node node)
{
    return span_of(node.use ? node.use : node.item);
}

char *pq_yaml_where(const char *name, pq_yaml_node node)
{
    pq_yaml_span span = pq_yaml_span_of(node);
    return span.line ? pq_asprintf("%s:%u:%u", name, span.line, span.column) : pq_strdup(name);
}
