#include "pq_cmocka.h"

#include <string.h>

#include "auth/common/access_token.h"

/* Claims {"exp":4102444800}, without a signature. */
#define JWT "eyJhbGciOiJub25lIn0.eyJleHAiOjQxMDI0NDQ4MDB9."

static bool read_text(const char *text, pq_access_token *out, pq_error *err)
{
    return pq_access_token_read(text, strlen(text), "Entra ID", out, err);
}

static void want(const char *text, const char *token, time_t least, time_t most)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_ACCESS_TOKEN read = {0};
    if (!read_text(text, &read, &err))
        fail_msg("%s: %s", text, err.message);
    assert_string_equal(pq_secret_bytes(read.token), token);
    if (read.expires < least || read.expires > most)
        fail_msg("%s: ends at %lld", text, (long long)read.expires);
}

/* RFC 6749, section 5.1, has the first; Azure's metadata services the others. */
static void the_end_is_what_the_answer_says(void **state)
{
    (void)state;
    time_t now = pq_now();
    want("{\"access_token\":\"2YotnFZFEjr1zCsicMWpAA\",\"token_type\":\"example\",\"expires_in\":3600}",
         "2YotnFZFEjr1zCsicMWpAA", now + 3600, now + 3602);
    want("{\"access_token\":\"t\",\"expires_in\":\"3599\",\"expires_on\":\"1506484173\"}", "t", now + 3599, now + 3601);
    want("{\"access_token\":\"t\",\"expires_on\":\"1506484173\"}", "t", 1506484173, 1506484173);
    want("{\"access_token\":\"t\",\"expires_on\":1506484173}", "t", 1506484173, 1506484173);
    want("{\"access_token\":\"" JWT "\"}", JWT, 4102444800, 4102444800);
    /* What is no time is not believed. */
    want("{\"access_token\":\"" JWT "\",\"expires_in\":-1}", JWT, 4102444800, 4102444800);
    want("{\"access_token\":\"" JWT "\",\"expires_in\":\"99999999999\"}", JWT, 4102444800, 4102444800);
    want("{\"access_token\":\"t\",\"expires_on\":\"9/14/2017 12:00:00 AM +00:00\"}", "t", 0, 0);
}

static void what_is_no_answer_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"", "is not JSON"},
        {"[]", "is not JSON"},
        {"<html>", "is not JSON"},
        {"{\"access_token\":\"a\",\"access_token\":\"b\"}", "is not JSON"},
        {"{}", "has no access_token"},
        {"{\"access_token\":\"\"}", "has no access_token"},
        {"{\"access_token\":7}", "has no access_token"},
        {"{\"access_token\":\"a b\"}", "has a malformed access_token"},
        {"{\"access_token\":\"a\\r\\nX: y\"}", "has a malformed access_token"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        PQ_AUTO_ERROR err = {0};
        PQ_AUTO_ACCESS_TOKEN token = {0};
        assert_false(read_text(cases[i].text, &token, &err));
        assert_int_equal(err.code, PQ_EFAILED);
        if (!strstr(err.message, cases[i].words) || !strstr(err.message, "Entra ID"))
            fail_msg("%s: %s", cases[i].text, err.message);
        assert_null(token.token);
    }
}

static void only_what_lasts_is_found_again(void **state)
{
    (void)state;
    pq_access_tokens list = {0};
    PQ_AUTO_SECRET *secret = pq_secret_new("one", 3), *other = pq_secret_new("two", 3);
    assert_null(pq_access_tokens_find(&list, "a"));
    pq_access_tokens_keep(&list, "a", &(pq_access_token){secret, pq_now() + 3600});
    pq_access_tokens_keep(&list, "b", &(pq_access_token){secret, pq_now() + 60});
    pq_access_tokens_keep(&list, "c", &(pq_access_token){secret, 0});
    assert_string_equal(pq_secret_bytes(pq_access_tokens_find(&list, "a")->token), "one");
    assert_null(pq_access_tokens_find(&list, "b"));
    assert_null(pq_access_tokens_find(&list, "c"));
    pq_access_tokens_keep(&list, "a", &(pq_access_token){other, pq_now() + 3600});
    assert_string_equal(pq_secret_bytes(pq_access_tokens_find(&list, "a")->token), "two");
    assert_int_equal(list.count, 2);
    pq_access_tokens_clear(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_end_is_what_the_answer_says),
        cmocka_unit_test(what_is_no_answer_is_refused),
        cmocka_unit_test(only_what_lasts_is_found_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
