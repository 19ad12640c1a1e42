#include "pq_cmocka.h"

#include <string.h>

#include "auth/common/jwt.h"
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

/* distribution, "Token Authentication Implementation": the claim set of its example. */
static void what_a_registry_granted(void **state)
{
    (void)state;
    static const struct {
        const char *access;
        pq_jwt_grant wanted;
    } cases[] = {
        {"[{\"type\":\"repository\",\"name\":\"samalba/my-app\",\"actions\":[\"pull\",\"push\"]}]", PQ_JWT_GRANTS},
        {"[{\"type\":\"repository\",\"name\":\"samalba/my-app\",\"actions\":[\"*\"]}]", PQ_JWT_GRANTS},
        {"[{\"type\":\"repository\",\"name\":\"samalba/my-app\",\"actions\":[\"pull\"]}]", PQ_JWT_DENIES},
        {"[{\"type\":\"repository\",\"name\":\"samalba/other\",\"actions\":[\"push\"]}]", PQ_JWT_DENIES},
        {"[{\"type\":\"registry\",\"name\":\"samalba/my-app\",\"actions\":[\"push\"]}]", PQ_JWT_DENIES},
        {"[]", PQ_JWT_DENIES},
        {"[1,{\"type\":2,\"name\":null,\"actions\":\"push\"}]", PQ_JWT_DENIES},
        {"{\"push\":true}", PQ_JWT_SAYS_NOTHING},
        {"null", PQ_JWT_SAYS_NOTHING},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        PQ_AUTO_FREE char *claims = pq_asprintf("{\"iss\":\"auth.docker.com\",\"access\":%s}", cases[i].access);
        PQ_AUTO_FREE char *token = token_of(claims);
        assert_int_equal(pq_jwt_access(token, strlen(token), "samalba/my-app", "push"), cases[i].wanted);
    }
    PQ_AUTO_FREE char *none = token_of("{\"exp\":1}");
    assert_int_equal(pq_jwt_access(none, strlen(none), "a", "push"), PQ_JWT_SAYS_NOTHING);
    assert_int_equal(pq_jwt_access("djE6", 4, "a", "push"), PQ_JWT_SAYS_NOTHING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_of_rfc_7519),
        cmocka_unit_test(the_claims_are_read),
        cmocka_unit_test(what_is_no_token_is_none),
        cmocka_unit_test(what_a_registry_granted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
