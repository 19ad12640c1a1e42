#include "pq_cmocka.h"

#include "registry/challenge.h"

static const char *param(const pq_challenges *list, const char *scheme, const char *name)
{
    const pq_challenge *challenge = pq_challenges_find(list, scheme);
    return challenge ? pq_challenge_param_of(challenge, name) : NULL;
}

static void quoted_strings_hold_commas_and_quotes(void **state)
{
    (void)state;
    PQ_AUTO_CHALLENGES list = {0};
    pq_challenges_parse("Bearer realm=\"https://a.example/t?x=1,2\",service=\"a \\\"b\\\"\","
                        "scope=\"repository:a/b:pull,push\"",
                        &list);
    assert_int_equal(list.count, 1);
    assert_string_equal(param(&list, "bearer", "realm"), "https://a.example/t?x=1,2");
    assert_string_equal(param(&list, "bearer", "service"), "a \"b\"");
    assert_string_equal(param(&list, "bearer", "scope"), "repository:a/b:pull,push");
}

/* The example of RFC 9110, section 11.6.1: two challenges in one field. */
static void several_challenges_share_a_header(void **state)
{
    (void)state;
    PQ_AUTO_CHALLENGES list = {0};
    pq_challenges_parse("Basic realm=\"simple\", Newauth realm=\"apps\", type=1, title=\"Login to \\\"apps\\\"\"",
                        &list);
    assert_int_equal(list.count, 2);
    assert_string_equal(param(&list, "basic", "realm"), "simple");
    assert_string_equal(param(&list, "newauth", "realm"), "apps");
    assert_string_equal(param(&list, "newauth", "type"), "1");
    assert_string_equal(param(&list, "newauth", "title"), "Login to \"apps\"");
}

static void names_have_no_case_and_blanks_are_free(void **state)
{
    (void)state;
    PQ_AUTO_CHALLENGES list = {0};
    pq_challenges_parse(" , BASIC ReAlm = \"x\" ,, Bearer REALM=\"y\"", &list);
    assert_string_equal(param(&list, "basic", "realm"), "x");
    assert_string_equal(param(&list, "bearer", "realm"), "y");
}

static void what_is_broken_gives_nothing(void **state)
{
    (void)state;
    static const char *const broken[] = {"", ",,", "Bearer realm=\"open", "=x", "Bearer realm=\"a\" b"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        PQ_AUTO_CHALLENGES list = {0};
        pq_challenges_parse(broken[i], &list);
        const char *realm = param(&list, "bearer", "realm");
        assert_true(!realm || i == 4);
    }
    PQ_AUTO_CHALLENGES token68 = {0};
    pq_challenges_parse("Negotiate, Basic realm=\"z\"", &token68);
    assert_string_equal(param(&token68, "basic", "realm"), "z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quoted_strings_hold_commas_and_quotes),
        cmocka_unit_test(several_challenges_share_a_header),
        cmocka_unit_test(names_have_no_case_and_blanks_are_free),
        cmocka_unit_test(what_is_broken_gives_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
