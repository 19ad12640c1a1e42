/* Lines, caps and errors; what documents mean is judged by test_toml_tomllib.py. */
#include "pq_cmocka.h"

#include <string.h>

#include "base/limits.h"
#include "base/text.h"
#include "config/toml.h"

static void values_know_their_lines(void **state)
{
    (void)state;
    static const char text[] = "# one\n"
                               "a = '''\n\n'''\r\n"
                               "[t]\n"
                               "b = [\n 'x',\n 'y' ]\n"
                               "[[u]]\n"
                               "[[u]]\n"
                               "c.d = true\n";
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_TOML *root = NULL;
    assert_true(pq_toml_parse(text, sizeof text - 1, "f", &root, &err));
    assert_int_equal(pq_toml_get(root, "a")->line, 2);
    assert_string_equal(pq_toml_get(root, "a")->text, "\n");
    const pq_toml *t = pq_toml_get(root, "t"), *u = pq_toml_get(root, "u");
    assert_int_equal(t->line, 5);
    assert_int_equal(pq_toml_get(t, "b")->first->line, 7);
    assert_int_equal(pq_toml_get(t, "b")->last->line, 8);
    assert_int_equal(u->first->line, 9);
    assert_int_equal(u->last->line, 10);
    assert_true(pq_toml_get(pq_toml_get(u->last, "c"), "d")->truth);
    assert_null(pq_toml_get(root, "b"));
}

static void problems_are_named_with_their_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *where, *message;
    } cases[] = {
        {"a = 1\na = 2\n", "f:2", "this key is defined already"},
        {"\n[a]\n[a]\n", "f:3", "this table is defined already"},
        {"a = 'x\n", "f:1", "a text holds a control byte, or does not end in its line"},
        {"a = \"\"\"\nx\n", "f:3", "a text does not end"},
        {"a 1", "f:1", "`=` was expected behind a key"},
        {"= 1", "f:1", "a key was expected"},
        {"a = yes", "f:1", "a value was expected: \"text\", true, false, a number, a date, [ or {"},
        {"a = 1 2", "f:1", "something stands where the line should end"},
        {"a = [1,\n 2", "f:2", "`,` or `]` was expected in an array"},
        {"a = 1\n[[a]]", "f:2", "this is defined already, and not as [[…]]"},
        {"a = {b = 1}\na.c = 2", "f:2", "a key leads into something that is defined already"},
        {"a = \"\\q\"", "f:1", "a backslash is followed by something that is no escape"},
        {"a = '\xff'", "f:1", "the file is not text in UTF-8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        PQ_AUTO_ERROR err = {0};
        PQ_AUTO_TOML *root = NULL;
        if (pq_toml_parse(cases[i].text, strlen(cases[i].text), "f", &root, &err))
            fail_msg("taken: %s", cases[i].text);
        assert_int_equal(err.code, PQ_ECONFIG);
        assert_string_equal(err.where, cases[i].where);
        assert_string_equal(err.message, cases[i].message);
    }
}

static void what_is_too_much_is_refused(void **state)
{
    (void)state;
    PQ_AUTO_BUF deep = PQ_BUF(PQ_MAX_CONFIG), many = PQ_BUF(PQ_MAX_CONFIG), dots = PQ_BUF(PQ_MAX_CONFIG);
    pq_buf_adds(&deep, "a = ");
    for (unsigned i = 0; i < PQ_MAX_TOML_DEPTH + 2; i++)
        pq_buf_addc(&deep, '[');
    pq_buf_adds(&many, "a = [");
    for (unsigned i = 0; i < PQ_MAX_TOML_NODES + 1; i++)
        pq_buf_adds(&many, "1,");
    pq_buf_adds(&many, "]");
    for (unsigned i = 0; i < PQ_MAX_TOML_DEPTH + 2; i++)
        pq_buf_adds(&dots, "a.");
    pq_buf_adds(&dots, "a = 1");
    const struct {
        const pq_buf *text;
        const char *message;
    } cases[] = {{&deep, "values are nested too deeply"},
                 {&many, "the file has too many values"},
                 {&dots, "a key has too many parts"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        PQ_AUTO_ERROR err = {0};
        PQ_AUTO_TOML *root = NULL;
        assert_false(pq_toml_parse(pq_buf_text(cases[i].text), cases[i].text->length, "f", &root, &err));
        assert_string_equal(err.message, cases[i].message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_know_their_lines),
        cmocka_unit_test(problems_are_named_with_their_line),
        cmocka_unit_test(what_is_too_much_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
