#include "pq_cmocka.h"

#include <string.h>

#include "auth/google/token.h"

static void faults_of_both_forms(void **state)
{
    (void)state;
    static const struct {
        const char *body, *code, *said;
    } cases[] = {
        {"{\"error\":\"invalid_grant\",\"error_description\":\"Invalid JWT Signature.\\nmore\"}", "invalid_grant",
         "Invalid JWT Signature."},
        {"{\"error\":{\"code\":403,\"message\":\"denied\",\"status\":\"PERMISSION_DENIED\"}}", "PERMISSION_DENIED",
         "denied"},
        {"{\"error\":\"<script>\"}", NULL, NULL},
        {"<html>", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        PQ_AUTO_GOOGLE_FAULT fault = {0};
        pq_google_fault_read(cases[i].body, strlen(cases[i].body), &fault);
        assert_true(pq_streq(fault.code, cases[i].code) && pq_streq(fault.said, cases[i].said));
    }
}

static void an_access_token_of_an_impersonation(void **state)
{
    (void)state;
    static const char good[] = "{\"accessToken\":\"ya29.x\",\"expireTime\":\"2014-10-02T15:01:23Z\"}";
    PQ_AUTO_ACCESS_TOKEN token = {0};
    PQ_AUTO_ERROR err = {0};
    assert_true(pq_google_impersonated_read(good, strlen(good), &token, &err));
    assert_string_equal(pq_secret_bytes(token.token), "ya29.x");
    assert_int_equal(token.expires, 1412262083);
    static const char *const bad[] = {"{}", "{\"accessToken\":\"a b\",\"expireTime\":\"2014-10-02T15:01:23Z\"}",
                                      "{\"accessToken\":\"a\"}", "{\"accessToken\":\"a\",\"expireTime\":\"soon\"}",
                                      "x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        PQ_AUTO_ACCESS_TOKEN none = {0};
        assert_false(pq_google_impersonated_read(bad[i], strlen(bad[i]), &none, &err));
        assert_null(none.token);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults_of_both_forms),
        cmocka_unit_test(an_access_token_of_an_impersonation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
