#include "pq_cmocka.h"

#include <string.h>

#include "auth/google/endpoint.h"

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

static bool bounded(const char *text, pq_google_trust trust)
{
    PQ_AUTO_GOOGLE_FILE file = {0};
    PQ_AUTO_ERRORS errors = {0};
    if (!read(text, &file, &errors))
        fail_msg("%s: %s", text, errors.at[0].message);
    return pq_google_file_bounded(&file, trust, "secret g", &errors);
}

static void where_a_file_may_send_us(void **state)
{
    (void)state;
    (void)unsetenv("PRATIQUE_GOOGLE_ALLOW");
    static const struct {
        const char *url;
        bool allowed;
    } endpoints[] = {
        {"https://sts.googleapis.com/v1/token", true},
        {"https://STS.Googleapis.com:443/v1/token", true},
        {"https://accounts.google.com/o/oauth2/token", true},
        {"https://sts.us-east1.rep.googleapis.com/v1/token", true},
        {"https://googleapis.com.example.com/", false},
        {"https://evilgoogleapis.com/", false},
        {"https://sts.googleapis.com@example.com/", false},
        {"https://sts.googleapis.com\\@example.com/", false},
        {"https://example.com/?x=.googleapis.com", false},
        {"https://example.com#.googleapis.com", false},
        {"https://sts.googleapis.com:8443/", false},
        {"http://sts.googleapis.com/", false},
        {"ftp://sts.googleapis.com/", false},
        {"http://127.0.0.1:8080/", false},
        {"sts.googleapis.com", false},
        {"", false},
    };
    for (size_t i = 0; i < sizeof endpoints / sizeof *endpoints; i++)
        if (pq_google_endpoint_allowed(endpoints[i].url) != endpoints[i].allowed)
            fail_msg("%s", endpoints[i].url);
    assert_int_equal(setenv("PRATIQUE_GOOGLE_ALLOW", "Example.com, 127.0.0.1:8080", 1), 0);
    assert_true(pq_google_endpoint_allowed("https://example.com/token"));
    assert_true(pq_google_endpoint_allowed("http://127.0.0.1:8080/"));
    assert_false(pq_google_endpoint_allowed("https://example.com:444/token"));
    assert_false(pq_google_endpoint_allowed("https://a.example.com/token"));
    assert_false(pq_google_endpoint_allowed("http://example.com/token"));
    (void)unsetenv("PRATIQUE_GOOGLE_ALLOW");
}

static void what_a_secret_may_not_a_person_may(void **state)
{
    (void)state;
    static const char *const own[] = {
        EXTERNAL("\"credential_source\":{\"url\":\"https://example.com/t\"}"),
        EXTERNAL("\"credential_source\":{\"url\":\"http://127.0.0.1:5000/t\"}"),
        EXTERNAL("\"credential_source\":{\"url\":\"http://169.254.169.254/metadata/identity/oauth2/token\"}"),
        EXTERNAL("\"credential_source\":{\"executable\":{\"command\":\"/bin/true\"}}"),
    };
    assert_int_equal(setenv("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1", 1), 0);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        assert_true(bounded(own[i], PQ_GOOGLE_OWN));
        assert_false(bounded(own[i], PQ_GOOGLE_SECRET));
    }
    (void)unsetenv("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES");
    assert_false(bounded(own[3], PQ_GOOGLE_OWN));
    assert_false(bounded(EXTERNAL("\"credential_source\":{\"url\":\"http://example.com/t\"}"), PQ_GOOGLE_OWN));
    assert_false(bounded(EXTERNAL("\"credential_source\":{\"file\":\"token\"}"), PQ_GOOGLE_OWN));
    assert_true(bounded(EXTERNAL(FROM_FILE), PQ_GOOGLE_SECRET));
    /* Within another file, too. */
    assert_false(bounded("{\"type\":\"impersonated_service_account\",\"service_account_impersonation_url\":\"" URL "\","
                         "\"source_credentials\":" EXTERNAL(FROM_FILE ",\"token_url\":\"https://example.com/\"") "}",
                         PQ_GOOGLE_SECRET));
    assert_true(bounded("{\"type\":\"service_account\",\"client_email\":\"a@b.c\",\"private_key\":\"k\",\"token_uri\":"
                        "\"http://127.0.0.1:9/token\"}",
                        PQ_GOOGLE_SECRET));
    assert_false(bounded("{\"type\":\"service_account\",\"client_email\":\"a@b.c\",\"private_key\":\"k\",\"token_uri\":"
                         "\"https://example.com/token\"}",
                         PQ_GOOGLE_SECRET));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_a_file_may_send_us),
        cmocka_unit_test(what_a_secret_may_not_a_person_may),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
