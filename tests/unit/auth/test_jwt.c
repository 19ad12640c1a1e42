#include "pq_cmocka.h"

#include <string.h>

#include "auth/jwt.h"
#include "crypto/hash.h"

/* Owned. */
static char *token_of(const char *claims)
{
    PQ_AUTO_BUF text = PQ_BUF(10000);
    pq_buf_adds(&text, "eyJhbGciOiJub25lIn0.");
    pq_base64url_add(&text, claims, strlen(claims));
    pq_buf_addc(&text, '.');
    return pq_buf_steal(&text);
}

/* RFC 7519, section 3.1. */
static void the_example_of_rfc_7519(void **state)
{
    (void)state;
    static const char token[] =
        "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQog"
        "Imh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    PQ_AUTO_JWT jwt = {0};
    assert_true(pq_jwt_read(token, strlen(token), &jwt));
    assert_int_equal(jwt.expires, 1300819380);
    assert_int_equal(jwt.issued, 0);
    assert_string_equal(jwt.issuer, "joe");
    assert_null(jwt.subject);
    assert_null(jwt.audience);
}

static void the_claims_are_read(void **state)
{
    (void)state;
    PQ_AUTO_FREE char *token =
        token_of("{\"aud\":[\"a\",\"b\"],\"sub\":\"me\",\"iat\":1300819000,\"nbf\":1300819001.75,"
                 "\"exp\":-5}");
    PQ_AUTO_JWT jwt = {0};
    assert_true(pq_jwt_read(token, strlen(token), &jwt));
    assert_string_equal(jwt.audience, "a");
    assert_string_equal(jwt.subject, "me");
    assert_int_equal(jwt.issued, 1300819000);
    assert_int_equal(jwt.begins, 1300819001);
    assert_int_equal(jwt.expires, 0); /* no date: nothing is made of it */
}

static void what_is_no_token_is_none(void **state)
{
    (void)state;
    PQ_AUTO_FREE char *list = token_of("[1]");
    PQ_AUTO_FREE char *broken = token_of("{\"exp\":");
    const char *const texts[] = {"", ".", "..", "a.b", "a.b.c", "ghp_abcdef", list, broken, "eyJ9.!!.x"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        PQ_AUTO_JWT jwt = {0};
        assert_false(pq_jwt_read(texts[i], strlen(texts[i]), &jwt));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_of_rfc_7519),
        cmocka_unit_test(the_claims_are_read),
        cmocka_unit_test(what_is_no_token_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
