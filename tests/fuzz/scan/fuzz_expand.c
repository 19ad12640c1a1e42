#include <stdint.h>

#include "base/limits.h"
#include "scan/expand.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PQ_AUTO_FREE char *text = pq_strndup((const char *)data, size);
    PQ_AUTO_VARS vars = {0};
    pq_vars_set(&vars, "A", "a/b:c", NULL);
    pq_vars_set(&vars, "B", "", NULL);
    pq_vars_set(&vars, "C", NULL, NULL);
    pq_vars_set(&vars, "D", "x", "C");
    for (unsigned way = 0; way < 4; way++) {
        PQ_AUTO_BUF out = PQ_BUF(PQ_MAX_EXPANSION);
        PQ_AUTO_GAP gap = {0};
        PQ_AUTO_ERROR err = {0};
        PQ_AUTO_STRINGS words = {0};
        pq_word_rules rules = {.escape = way & 1 ? '`' : '\\'};
        pq_word_rules raw = {.escape = '\\', .raw_quotes = true, .raw_escapes = true, .keep_unset = true};
        if (way < 2)
            (void)!pq_expand_word(text, &rules, &vars, &out, &gap, &err);
        else if (way == 2)
            (void)!pq_split_words(text, &raw, &vars, &words, &err);
        else
            (void)!pq_interpolate(text, &vars, &out, &gap, &err);
    }
    return 0;
}
