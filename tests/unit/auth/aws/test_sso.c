#include "pq_cmocka.h"

#include "auth/aws/sso.h"
#include "fake_aws.h"

/* SHA-1 of "abc": FIPS 180-4, appendix. */
static void the_cache_is_named_by_a_hash(void **state)
{
    (void)state;
    assert_int_equal(setenv("HOME", "/home/x", 1), 0);
    PQ_AUTO_FREE char *path = pq_aws_sso_cache_path("abc");
    assert_string_equal(path, "/home/x/.aws/sso/cache/a9993e364706816aba3e25717850c26c9cd0d89d.json");
}

static void a_cached_token_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
    } cases[] = {
        {"{\"accessToken\":\"tok\",\"expiresAt\":\"2026-07-15T23:28:33Z\"}", true},
        {"{\"startUrl\":\"x\",\"accessToken\":\"tok\",\"expiresAt\":\"2026-07-15T23:28:33UTC\"}", true},
        {"{\"accessToken\":\"tok\"}", false},
        {"{\"accessToken\":\"\",\"expiresAt\":\"2026-07-15T23:28:33Z\"}", false},
        {"{\"accessToken\":\"a\\r\\nb\",\"expiresAt\":\"2026-07-15T23:28:33Z\"}", false},
        {"{\"accessToken\":\"tok\",\"expiresAt\":\"soon\"}", false},
        {"{\"accessToken\":\"tok\",\"expiresAt\":\"UTC\"}", false},
        {"{\"accessToken\":", false},
        {"", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        PQ_AUTO_ERROR err = {0};
        PQ_AUTO_SECRET *token = NULL;
        time_t expires = 0;
        bool good = pq_aws_sso_token_read(cases[i].text, strlen(cases[i].text), "cache", &token, &expires, &err);
        if (good != cases[i].good)
            fail_msg("case %zu", i);
        if (good)
            assert_int_equal(expires, 1784158113);
        else
            assert_null(strstr(err.message, "tok\""));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cache_is_named_by_a_hash),
        cmocka_unit_test(a_cached_token_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
