#include "pq_cmocka.h"

#include <string.h>

#include "base/text.h"
#include "scan/dotenv.h"

static void lines_are_read_as_compose_does(void **state)
{
    (void)state;
    static const struct {
        const char *text, *name, *value;
    } cases[] = {
        {"A=b", "A", "b"},
        {"\xef\xbb\xbf"
         "A=b\r\nC=d\r\n",
         "A", "b"},
        {"# note\n\n  A = b  \n", "A", "b"},
        {"export A=b", "A", "b"},
        {"A: b", "A", "b"},
        {"A=b # note", "A", "b"},
        {"A=b#c", "A", "b#c"},
        {"A=", "A", ""},
        {"A=\nB=x", "B", "x"},
        {"A='b # $HOME \\n'", "A", "b # $HOME \\n"},
        {"A=\"b # c\" # note", "A", "b # c"},
        {"A=\"b\\nc\\t\\\"d\\\"\"", "A", "b\nc\t\"d\""},
        {"A=\"two\nlines\"\nB=x", "B", "x"},
        {"A=\"two\nlines\"", "A", "two\nlines"},
        {"B=x\nA=${B}/y", "A", "x/y"},
        {"A=$ENV", "A", "from outside"},
        {"ENV=here\nA=$ENV", "A", "from outside"}, /* the environment wins over the file */
        {"A=\"\\$ENV\"", "A", "$ENV"},
        {"A='$ENV'", "A", "$ENV"},
        {"A=$$ENV", "A", "$ENV"},
        {"A=${NONE:-d}", "A", "d"},
        {"A=x\nA=y", "A", "y"},
        {"ENV\nA=b", "ENV", "from outside"},
        {"A.b-c[0]=d", "A.b-c[0]", "d"},
        {"A=it's", "A", "it's"},
        {"A=\"\\0101\"", "A", "A"},
        {"A='it\\'s'", "A", "it's"},
    };
    PQ_AUTO_VARS environment = {0};
    pq_vars_set(&environment, "ENV", "from outside", NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        PQ_AUTO_VARS got = {0};
        PQ_AUTO_ERRORS errs = {0};
        assert_true(pq_dotenv_parse(".env", cases[i].text, strlen(cases[i].text), &environment, &got, &errs));
        const pq_var *var = pq_vars_get(&got, cases[i].name);
        if (!var || !pq_streq(var->value, cases[i].value))
            fail_msg("%s: %s is %s", cases[i].text, cases[i].name, var ? var->value : "not set");
    }
}

static void all_that_is_wrong_is_told(void **state)
{
    (void)state;
    static const pq_vars none = {0};
    static const char text[] = "A=b\nB C=d\nD!=e\nE=${}\nF=\"open";
    PQ_AUTO_VARS got = {0};
    PQ_AUTO_ERRORS errs = {0};
    assert_false(pq_dotenv_parse("app/.env", text, strlen(text), &none, &got, &errs));
    assert_int_equal(errs.count, 4);
    static const char *const where[] = {"app/.env:2", "app/.env:3", "app/.env:4", "app/.env:5"};
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(errs.at[i].where, where[i]);
    pq_errors_clear(&errs);
    assert_false(pq_dotenv_parse(".env", "A=b\0c", 5, &none, &got, &errs));
}

static void what_is_missing_is_remembered(void **state)
{
    (void)state;
    static const pq_vars none = {0};
    static const char text[] = "A=$NONE\n1X=y\nB=$A";
    PQ_AUTO_VARS got = {0};
    PQ_AUTO_ERRORS errs = {0};
    assert_true(pq_dotenv_parse(".env", text, strlen(text), &none, &got, &errs));
    assert_string_equal(pq_vars_get(&got, "A")->gap, "NONE");
    assert_string_equal(pq_vars_get(&got, "B")->gap, "NONE");
    assert_null(pq_vars_get(&got, "1X"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_read_as_compose_does),
        cmocka_unit_test(all_that_is_wrong_is_told),
        cmocka_unit_test(what_is_missing_is_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
