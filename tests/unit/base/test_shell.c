#include "pq_cmocka.h"

#include "base/shell.h"

static void words_for_a_shell(void **state)
{
    (void)state;
    static const struct {
        const char *word, *wanted;
    } cases[] = {
        {"a/b-c_1.2:3@4", " a/b-c_1.2:3@4"}, {"", " ''"}, {"a b", " 'a b'"}, {"it's", " 'it'\\''s'"},
        {"$(x)`y`\"\\!", " '$(x)`y`\"\\!'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        PQ_AUTO_BUF text = PQ_BUF(100);
        pq_shell_add(&text, cases[i].word);
        assert_string_equal(pq_buf_text(&text), cases[i].wanted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_for_a_shell),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
