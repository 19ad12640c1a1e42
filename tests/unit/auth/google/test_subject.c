#include "pq_cmocka.h"

#include <string.h>

#include "auth/google/subject.h"

static void want_program(const char *printed, const char *token, const char *words)
{
    PQ_AUTO_SECRET *out = NULL;
    PQ_AUTO_ERROR err = {0};
    bool good = pq_google_executable_read(printed, strlen(printed), 1700000000, "gcp.json", &out, &err);
    assert_int_equal(good, token != NULL);
    if (token)
        assert_string_equal(pq_secret_bytes(out), token);
    else if (!strstr(err.message, words))
        fail_msg("%s", err.message);
}

/* The examples are those of google-auth-library-python's description of pluggable credentials. */
static void what_a_program_prints(void **state)
{
    (void)state;
    want_program("{\"version\":1,\"success\":true,\"token_type\":\"urn:ietf:params:oauth:token-type:id_token\","
                 "\"id_token\":\"HEADER.PAYLOAD.SIGNATURE\",\"expiration_time\":1700000001}",
                 "HEADER.PAYLOAD.SIGNATURE", NULL);
    want_program("{\"version\":1,\"success\":true,\"token_type\":\"urn:ietf:params:oauth:token-type:saml2\","
                 "\"saml_response\":\"abc\"}",
                 "abc", NULL);
    want_program(
        "{\"version\":1,\"success\":true,\"token_type\":\"urn:ietf:params:oauth:token-type:jwt\",\"id_token\":\"a\","
        "\"expiration_time\":1699999999}",
        NULL, "has ended");
    want_program("{\"version\":1,\"success\":false,\"code\":\"401\",\"message\":\"Caller not authorized.\"}", NULL,
                 "Caller not authorized.");
    want_program("{\"version\":2,\"success\":true}", NULL, "version 2");
    want_program("{\"success\":true}", NULL, "not of the form");
    want_program("{\"version\":1,\"success\":true,\"token_type\":\"urn:ietf:params:oauth:token-type:jwt\"}", NULL,
                 "no token");
    want_program("", NULL, "not of the form");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_program_prints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
