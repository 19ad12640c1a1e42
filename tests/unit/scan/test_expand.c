#include "pq_cmocka.h"

#include <string.h>

#include "base/limits.h"
#include "scan/expand.h"

static void set_some(pq_vars *vars)
{
    pq_vars_set(vars, "DIR", "/home", NULL);
    pq_vars_set(vars, "NIL", "", NULL);
    pq_vars_set(vars, "TAG", "1.2+b", NULL);
    pq_vars_set(vars, "BARE", NULL, NULL);
    pq_vars_set(vars, "MADE", "-x", "BARE");
}

typedef struct expansion {
    const char *text, *value; /* value NULL: refused */
    const char *gap;          /* the variable that is missing */
} expansion;

/* Dockerfile reference, "Environment replacement"; POSIX shell, 2.6.2, for what it leaves open. */
static void dockerfile_words(void **state)
{
    (void)state;
    static const expansion cases[] = {
        {"plain", "plain", NULL},
        {"$DIR/x", "/home/x", NULL},
        {"${DIR}x", "/homex", NULL},
        {"a$UNSET.b", "a.b", "UNSET"},
        {"a${BARE}b", "ab", "BARE"},
        {"a$MADE", "a-x", "BARE"},
        {"$NIL", "", NULL},
        {"${UNSET:-d}", "d", NULL},
        {"${UNSET-d}", "d", NULL},
        {"${NIL:-d}", "d", NULL},
        {"${NIL-d}", "", NULL},
        {"${DIR:-d}", "/home", NULL},
        {"${DIR:-$UNSET}", "/home", NULL}, /* what is not used is not missed */
        {"${UNSET:-$BARE}", "", "BARE"},
        {"${UNSET:-${DIR}/y}", "/home/y", NULL},
        {"${UNSET:-${NIL:-z}}", "z", NULL},
        {"${DIR:+a}", "a", NULL},
        {"${NIL:+a}", "", NULL},
        {"${NIL+a}", "a", NULL},
        {"${UNSET+a}", "", NULL},
        {"${DIR?no}", "/home", NULL},
        {"${UNSET?no}", "", "UNSET"},
        {"${NIL?no}", "", NULL},
        {"${NIL:?no}", "", "NIL"},
        {"\\$DIR", "$DIR", NULL},
        {"'$DIR'", "$DIR", NULL},
        {"\"$DIR\"", "/home", NULL},
        {"\"\\$DIR\"", "$DIR", NULL},
        {"\"a\\tb\"", "a\\tb", NULL},
        {"a\\tb", "atb", NULL},
        {"'it''s'", "its", NULL},
        {"${UNSET:-'a}b'}", "a}b", NULL},
        {"${UNSET:-\"${DIR}\"}", "/home", NULL},
        {"${UNSET:-a\\}b}", "a}b", NULL},
        {"$", "$", NULL},
        {"a$.", "a$.", NULL},
        {"$1x", "x", "1"},
        {"${DIR#/}", "home", NULL},
        {"${DIR#*o}", "me", NULL},
        {"${DIR##*[}", "/home", NULL},
        {"${DIR%o*}", "/h", NULL},
        {"${DIR%%m*}", "/ho", NULL},
        {"${TAG%%+*}", "1.2", NULL},
        {"${TAG/+/-}", "1.2-b", NULL},
        {"${DIR//?/x}", "xxxxx", NULL},
        {"${DIR//\\//_}", "_home", NULL},
        {"${BARE%x}", "", "BARE"},
        {"${DIR", NULL, NULL},
        {"${}", NULL, NULL},
        {"${{DIR}}", NULL, NULL},
        {"${:-d}", NULL, NULL},
        {"${DIR:x}", NULL, NULL},
        {"${DIR=x}", NULL, NULL},
        {"'open", NULL, NULL},
        {"\"open", NULL, NULL},
        {"${UNSET:-'}", NULL, NULL},
    };
    PQ_AUTO_VARS vars = {0};
    set_some(&vars);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        PQ_AUTO_BUF out = PQ_BUF(PQ_MAX_EXPANSION);
        PQ_AUTO_GAP gap = {0};
        PQ_AUTO_ERROR err = {0};
        pq_word_rules rules = {.escape = '\\'};
        bool good = pq_expand_word(cases[i].text, &rules, &vars, &out, &gap, &err);
        if (good != (cases[i].value != NULL) || (good && strcmp(pq_buf_text(&out), cases[i].value) != 0) ||
            (good && !pq_streq(gap.name, cases[i].gap)))
            fail_msg("%s gives %s (missing %s)", cases[i].text, good ? pq_buf_text(&out) : err.message,
                     gap.name ? gap.name : "none");
    }
}

static void the_escape_character_can_be_a_backtick(void **state)
{
    (void)state;
    PQ_AUTO_VARS vars = {0};
    set_some(&vars);
    PQ_AUTO_BUF out = PQ_BUF(PQ_MAX_EXPANSION);
    PQ_AUTO_GAP gap = {0};
    PQ_AUTO_ERROR err = {0};
    pq_word_rules rules = {.escape = '`'};
    assert_true(pq_expand_word("c:\\$DIR`$DIR\"`\"\"", &rules, &vars, &out, &gap, &err));
    assert_string_equal(pq_buf_text(&out), "c:\\/home$DIR\"");
}

/* Compose specification, 12-interpolation.md. */
static void compose_values(void **state)
{
    (void)state;
    static const expansion cases[] = {
        {"plain", "plain", NULL},
        {"$DIR/x", "/home/x", NULL},
        {"${DIR}x", "/homex", NULL},
        {"$$DIR", "$DIR", NULL},
        {"$$$$", "$$", NULL},
        {"$${DIR}", "${DIR}", NULL},
        {"a:${UNSET}", "a:", "UNSET"},
        {"a:$BARE", "a:", "BARE"},
        {"a:$MADE", "a:-x", "BARE"},
        {"${UNSET:-d}", "d", NULL},
        {"${NIL:-d}", "d", NULL},
        {"${NIL-d}", "", NULL},
        {"${UNSET:-${DIR}/y}", "/home/y", NULL},
        {"${UNSET:-${NIL:-z}}/e", "z/e", NULL},
        {"${UNSET-a:b}", "a:b", NULL},
        {"${DIR:+a}", "a", NULL},
        {"${UNSET:+a}", "", NULL},
        {"${NIL+a}", "a", NULL},
        {"${UNSET?why}", "", "UNSET"},
        {"${NIL:?why}", "", "NIL"},
        {"${NIL?why}", "", NULL},
        {"'$DIR' \\$DIR", "'/home' \\/home", NULL}, /* quotes and backslashes mean nothing here */
        {"5$", "5$", NULL},
        {"$1 $.", "$1 $.", NULL},
        {"${}", NULL, NULL},
        {"${DIR", NULL, NULL},
        {"${1}", NULL, NULL},
        {"${DIR%x}", NULL, NULL},
        {"${ DIR}", NULL, NULL},
    };
    PQ_AUTO_VARS vars = {0};
    set_some(&vars);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        PQ_AUTO_BUF out = PQ_BUF(PQ_MAX_EXPANSION);
        PQ_AUTO_GAP gap = {0};
        PQ_AUTO_ERROR err = {0};
        bool good = pq_interpolate(cases[i].text, &vars, &out, &gap, &err);
        if (good != (cases[i].value != NULL) || (good && strcmp(pq_buf_text(&out), cases[i].value) != 0) ||
            (good && !pq_streq(gap.name, cases[i].gap)))
            fail_msg("%s gives %s (missing %s)", cases[i].text, good ? pq_buf_text(&out) : err.message,
                     gap.name ? gap.name : "none");
    }
}

static void growth_is_bounded(void **state)
{
    (void)state;
    PQ_AUTO_VARS vars = {0};
    PQ_AUTO_BUF text = PQ_BUF(1u << 20);
    for (size_t i = 0; i < 100; i++)
        pq_buf_adds(&text, "${U:-");
    for (size_t i = 0; i < 100; i++)
        pq_buf_adds(&text, "}");
    PQ_AUTO_BUF out = PQ_BUF(PQ_MAX_EXPANSION);
    PQ_AUTO_GAP gap = {0};
    PQ_AUTO_ERROR err = {0};
    pq_word_rules rules = {.escape = '\\'};
    assert_false(pq_expand_word(pq_buf_text(&text), &rules, &vars, &out, &gap, &err));
    assert_false(pq_interpolate(pq_buf_text(&text), &vars, &out, &gap, &err));

    PQ_AUTO_FREE char *large = pq_alloc(PQ_MAX_EXPANSION, 1);
    memset(large, 'x', PQ_MAX_EXPANSION - 1);
    pq_vars_set(&vars, "L", large, NULL);
    pq_buf_clear(&out);
    assert_true(pq_interpolate("$L", &vars, &out, &gap, &err));
    assert_false(pq_interpolate("$L$L", &vars, &out, &gap, &err));
    pq_buf_clear(&out);
    assert_false(pq_expand_word("$L$L", &rules, &vars, &out, &gap, &err));
}

static void variables_are_found_among_many(void **state)
{
    (void)state;
    PQ_AUTO_VARS vars = {0};
    for (unsigned i = 0; i < 2000; i++) {
        PQ_AUTO_FREE char *name = pq_asprintf("N%u", i % 1000);
        PQ_AUTO_FREE char *value = pq_asprintf("%u", i);
        pq_vars_set(&vars, name, value, NULL);
    }
    assert_int_equal(vars.count, 1000);
    assert_string_equal(pq_vars_get(&vars, "N7")->value, "1007");
    assert_null(pq_vars_get(&vars, "N1000"));
    assert_true(pq_vars_set_pair(&vars, "A=b=c"));
    assert_string_equal(pq_vars_get(&vars, "A")->value, "b=c");
    assert_false(pq_vars_set_pair(&vars, "A"));
    assert_false(pq_vars_set_pair(&vars, "=b"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dockerfile_words),
        cmocka_unit_test(the_escape_character_can_be_a_backtick),
        cmocka_unit_test(compose_values),
        cmocka_unit_test(growth_is_bounded),
        cmocka_unit_test(variables_are_found_among_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
