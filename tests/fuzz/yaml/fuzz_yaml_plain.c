/* Any bytes: what the parser of the plain subset accepts, libfyaml must accept, with the same items to the last mark.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../fyaml_leaks.h"
#include "yaml/builder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds, const char *what, const pq_yaml_item *a, const pq_yaml_item *b)
{
    if (holds)
        return;
    fprintf(stderr, "differs: %s; plain %u..%u %u:%u kind %u, full %u..%u %u:%u kind %u\n", what, a ? a->start : 0,
            a ? a->end : 0, a ? a->line : 0, a ? a->column : 0, a ? a->kind : 0, b ? b->start : 0, b ? b->end : 0,
            b ? b->line : 0, b ? b->column : 0, b ? b->kind : 0);
    abort();
}

static bool same_place(const pq_yaml_item *a, const pq_yaml_item *b)
{
    return a->start == b->start && a->end == b->end && a->line == b->line && a->column == b->column;
}

static void compare(const pq_yaml_item *a, const pq_yaml_item *b)
{
    must(a->kind == b->kind, "kind", a, b);
    must(same_place(a, b), "place", a, b);
    must(a->style == b->style && a->exact == b->exact, "style", a, b);
    must(!a->tag && !b->tag, "tag", a, b);
    must(!a->text == !b->text && a->length == b->length && (!a->text || memcmp(a->text, b->text, a->length + 1) == 0),
         "text", a, b);
    must(a->count == b->count && a->sorted_count == b->sorted_count, "count", a, b);
    must(a->weight == b->weight && a->height == b->height, "weight", a, b);
    must(!a->target == !b->target, "target", a, b);
    if (a->target && b->target) { /* compared where it stands */
        must(a->target->kind == b->target->kind && same_place(a->target, b->target), "target", a, b);
        return;
    }
    for (uint32_t i = 0; a->kind == PQ_YAML_SEQUENCE && i < a->count; i++)
        compare(a->items[i], b->items[i]);
    for (uint32_t i = 0; a->kind == PQ_YAML_MAPPING && i < a->count; i++) {
        const pq_yaml_pair *x = &a->pairs[i], *y = &b->pairs[i];
        must(!x->merge == !y->merge, "merge", a, b);
        must(same_place(x->key, y->key) && same_place(x->value, y->value), "pair", x->key, y->key);
        if (x->merge) { /* so are these */
            must(same_place(x->merge, y->merge), "merge", x->merge, y->merge);
            continue;
        }
        compare(x->key, y->key);
        compare(x->value, y->value);
    }
    for (uint32_t i = 0; i < a->sorted_count; i++)
        must(a->sorted[i] == b->sorted[i], "sorted", a, b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pq_yaml *parsed = NULL;
    const char *text = size ? (const char *)data : "";
    bool accepted = pq_yaml_parse_plain(text, size, &parsed);
    PQ_AUTO_YAML *plain = parsed;
    if (!accepted)
        return 0;
    PQ_AUTO_ERRORS errs = {0};
    bool good = pq_yaml_parse_full("f.yml", text, size, &parsed, &errs);
    PQ_AUTO_YAML *full = good ? parsed : NULL;
    if (!good) {
        fprintf(stderr, "only the plain one accepts it: %s %s\n", errs.at[0].where, errs.at[0].message);
        abort();
    }
    must(plain->count == full->count, "documents", NULL, NULL);
    for (size_t i = 0; i < plain->count; i++)
        compare(plain->roots[i], full->roots[i]);
    return 0;
}
