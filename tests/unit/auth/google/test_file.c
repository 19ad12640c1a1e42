#include "pq_cmocka.h"

#include <string.h>

#include "auth/google/file.h"

#define URL                                                                                                            \
    "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/"                                             \
    "ci@p.iam.gserviceaccount.com:generateAccessToken"
#define EXTERNAL(more)                                                                                                 \
    "{\"type\":\"external_account\",\"audience\":\"//iam.googleapis.com/x\",\"subject_token_type\":\"t\"," more "}"
#define FROM_FILE "\"credential_source\":{\"file\":\"/run/token\"}"

static bool read(const char *text, pq_google_file *out, pq_errors *errors)
{
    return pq_google_file_read(text, strlen(text), "secret g", out, errors);
}

static void want_problem(const char *text, const char *words)
{
    PQ_AUTO_GOOGLE_FILE file = {0};
    PQ_AUTO_ERRORS errors = {0};
    bool good = read(text, &file, &errors);
    for (size_t i = 0; i < errors.count; i++)
        if (strstr(errors.at[i].message, words)) {
            assert_false(good);
            assert_int_equal(errors.at[i].code, PQ_ECONFIG);
            assert_string_equal(errors.at[i].where, "secret g");
            return;
        }
    fail_msg("%s: %s", text, errors.count ? errors.at[0].message : "no problem");
}

static void files_that_are_no_credentials(void **state)
{
    (void)state;
    want_problem("", "is empty");
    want_problem("[]", "not JSON");
    want_problem("{\"type\":\"x\",\"type\":\"y\"}", "not JSON");
    want_problem("{\"type\":7}", "`type` must be one line of text");
    want_problem("{\"type\":\"service_account\",\"client_email\":\"a@b.c\\n\"}", "`client_email` must be one line");
    want_problem("{\"type\":\"service_account\",\"client_email\":\"a b@c.d\",\"private_key\":\"k\"}",
                 "no account's address");
    want_problem("{\"type\":\"service_account\",\"client_email\":\"a@b.c\",\"private_key\":\"x\\\\ny\"}",
                 "escaped twice");
    want_problem(EXTERNAL("\"credential_source\":{}"), "must have one of");
    want_problem(EXTERNAL("\"credential_source\":{\"file\":\"/a\",\"url\":\"https://b\"}"), "must have one of");
    want_problem(EXTERNAL("\"credential_source\":{\"file\":\"/a\",\"format\":{\"type\":\"xml\"}}"), "text or json");
    want_problem(EXTERNAL("\"credential_source\":{\"file\":\"/a\",\"format\":{\"type\":\"json\"}}"),
                 "`subject_token_field_name` is missing");
    want_problem(EXTERNAL("\"credential_source\":{\"url\":\"https://b\",\"headers\":{\"A\":\"b\\r\\nC: d\"}}"),
                 "headers");
    want_problem(EXTERNAL("\"credential_source\":{\"url\":\"https://b\",\"headers\":{\"A:\":\"b\"}}"), "headers");
    want_problem(EXTERNAL("\"credential_source\":{\"executable\":{\"command\":\"/a\",\"timeout_millis\":200000}}"),
                 "5000 to 120000");
    want_problem(EXTERNAL("\"credential_source\":{\"certificate\":{}}"), "must have one of");
    want_problem(
        EXTERNAL(FROM_FILE ",\"service_account_impersonation_url\":\"https://iamcredentials.googleapis.com/x\""),
        "names no service account");
    want_problem(EXTERNAL(FROM_FILE ",\"service_account_impersonation\":{\"token_lifetime_seconds\":1}"),
                 "600 to 43200");
    want_problem("{\"type\":\"impersonated_service_account\",\"service_account_impersonation_url\":\"" URL "\"}",
                 "`source_credentials` is missing");
}

static void what_a_file_says_is_read(void **state)
{
    (void)state;
    PQ_AUTO_GOOGLE_FILE file = {0};
    PQ_AUTO_ERRORS errors = {0};
    assert_true(read(EXTERNAL("\"credential_source\":{\"url\":\"https://b/c\",\"headers\":{\"A\":\"b\"},"
                              "\"format\":{\"type\":\"json\",\"subject_token_field_name\":\"v\"}},"
                              "\"service_account_impersonation_url\":\"" URL "\","
                              "\"service_account_impersonation\":{\"token_lifetime_seconds\":1200}"),
                     &file, &errors));
    assert_int_equal(file.type, PQ_GOOGLE_EXTERNAL_ACCOUNT);
    assert_int_equal(file.source.type, PQ_GOOGLE_FROM_URL);
    assert_string_equal(file.source.headers.at[0], "A: b");
    assert_string_equal(file.source.json_field, "v");
    assert_string_equal(file.token_url, "https://sts.googleapis.com/v1/token");
    assert_int_equal(file.impersonation_lifetime, 1200);
    PQ_AUTO_FREE char *who = pq_google_file_who(&file);
    assert_string_equal(who, "service account ci@p.iam.gserviceaccount.com");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_that_are_no_credentials),
        cmocka_unit_test(what_a_file_says_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
