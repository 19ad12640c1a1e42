/* Any bytes: parse, then walk all that was found. Spans must lie in the input and the walk must end. */
#include <stdlib.h>
#include <string.h>

#include "../fyaml_leaks.h"
#include "base/limits.h"
#include "yaml/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void walk(pq_yaml_node node, size_t size, size_t depth, size_t *visits)
{
    must(depth <= PQ_MAX_YAML_DEPTH);
    must(++*visits <= 2 * PQ_MAX_YAML_NODES + 2);
    pq_yaml_span span = pq_yaml_span_of(node);
    must(span.line > 0 && span.column > 0 && span.start <= span.end && span.end <= size);
    must(pq_yaml_use_of(node).line > 0);
    must(pq_yaml_kind_of(node) != PQ_YAML_ABSENT);
    if (pq_yaml_text(node))
        must(strlen(pq_yaml_text(node)) == pq_yaml_text_length(node));
    must((pq_yaml_type_of(node) == PQ_YAML_IS_NOT_SCALAR) == !pq_yaml_text(node));
    pq_yaml_entry entry, found;
    for (size_t i = 0; i < pq_yaml_size(node); i++) {
        if (!pq_yaml_entry_at(node, i, &entry)) {
            walk(pq_yaml_at(node, i), size, depth + 1, visits);
            continue;
        }
        if (pq_yaml_text(entry.key)) {
            must(pq_yaml_find(node, pq_yaml_text(entry.key), &found));
            must(found.value.item == entry.value.item && found.value.use == entry.value.use);
        } else {
            walk(entry.key, size, depth + 1, visits);
        }
        walk(entry.value, size, depth + 1, visits);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pq_yaml *parsed = NULL;
    PQ_AUTO_ERRORS errs = {0};
    bool good = pq_yaml_parse("f.yml", data, size, &parsed, &errs);
    PQ_AUTO_YAML *yaml = parsed;
    must(good == (yaml != NULL) && good == (errs.count == 0));
    size_t visits = 0;
    for (size_t i = 0; good && i < pq_yaml_count(yaml); i++)
        walk(pq_yaml_root(yaml, i), size, 0, &visits);
    return 0;
}
