#include "pq_cmocka.h"

#include "auth/azure/managed_identity.h"
#include "fake_aws.h"

static int clean(void **state)
{
    (void)state;
    static const char *const names[] = {"IDENTITY_ENDPOINT", "IDENTITY_HEADER", "IDENTITY_SERVER_THUMBPRINT",
                                        "AZURE_POD_IDENTITY_AUTHORITY_HOST"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        (void)unsetenv(names[i]);
    return 0;
}

static void set(const char *name, const char *value)
{
    assert_int_equal(setenv(name, value, 1), 0);
}

/* The answers of "How to use managed identities for Azure resources on an Azure VM to acquire an access token". */
static const fake_answer refused = {400, NULL, "{\"error\":\"invalid_request\"}"};
static const fake_answer token = {
    200, NULL,
    "{\"access_token\":\"eyJ0eXAi...\",\"refresh_token\":\"\",\"expires_in\":\"3599\",\"expires_on\":\"1506484173\","
    "\"not_before\":\"1506480273\",\"resource\":\"https://management.azure.com/\",\"token_type\":\"Bearer\"}"};

static pq_managed_identity_call call_for(fake_aws *fake, const char *client)
{
    return (pq_managed_identity_call){.resource = "https://containerregistry.azure.net",
                                      .client = client,
                                      .send = fake_aws_send,
                                      .send_context = fake};
}

static void imds_is_tried_and_then_asked(void **state)
{
    (void)state;
    const fake_answer answers[] = {refused, token};
    fake_aws fake = {.answers = answers, .count = 2};
    const pq_managed_identity_call call = call_for(&fake, "1111-2222");
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_ACCESS_TOKEN got = {0};
    assert_true(pq_managed_identity_get_token(&call, &got, &err));
    assert_string_equal(pq_secret_bytes(got.token), "eyJ0eXAi...");
    assert_in_range(got.expires, pq_now() + 3590, pq_now() + 3599);
    assert_string_equal(fake.urls.at[0], "http://169.254.169.254/metadata/identity/oauth2/token");
    assert_string_equal(fake.urls.at[1], "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&"
                                         "resource=https%3A%2F%2Fcontainerregistry.azure.net&client_id=1111-2222");
    assert_string_equal(fake_aws_header(&fake, "Metadata"), "true");
    fake_aws_clear(&fake);
}

static void an_app_has_an_endpoint_of_its_own(void **state)
{
    (void)state;
    const fake_answer answers[] = {{401, NULL, ""},
                                   {200, NULL, "{\"access_token\":\"t\",\"expires_on\":\"1506484173\"}"}};
    fake_aws fake = {.answers = answers, .count = 2};
    const pq_managed_identity_call call = call_for(&fake, NULL);
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_ACCESS_TOKEN got = {0};
    set("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1");
    set("IDENTITY_ENDPOINT", "http://127.0.0.1:41056/msi/token/");
    set("IDENTITY_HEADER", "853b9a84");
    PQ_AUTO_FREE char *place = pq_managed_identity_place();
    assert_string_equal(place, "managed identity at http://127.0.0.1:41056/msi/token/");
    assert_true(pq_managed_identity_check("x", &err));
    assert_true(pq_managed_identity_get_token(&call, &got, &err));
    assert_int_equal(got.expires, 1506484173);
    assert_string_equal(fake.urls.at[1], "http://127.0.0.1:41056/msi/token/?api-version=2019-08-01&"
                                         "resource=https%3A%2F%2Fcontainerregistry.azure.net");
    assert_string_equal(fake_aws_header(&fake, "X-IDENTITY-HEADER"), "853b9a84");
    assert_null(fake_aws_header(&fake, "Metadata"));
    set("IDENTITY_SERVER_THUMBPRINT", "AB");
    assert_false(pq_managed_identity_check("x", &err));
    assert_non_null(strstr(err.message, "Service Fabric"));
    fake_aws_clear(&fake);
}

static void only_neighbours_are_asked(void **state)
{
    (void)state;
    static const char *const good[] = {"http://169.254.169.254", "http://169.254.129.5:8081/", "http://127.0.0.1:1",
                                       "http://localhost:4/", "https://identity.example.com"};
    static const char *const bad[] = {"http://10.0.0.1",       "http://169.254.169.254.evil.example",
                                      "http://169.254.1@evil", "http://evil.example/169.254.",
                                      "ftp://127.0.0.1",       "https://a?b",
                                      "169.254.169.254"};
    PQ_AUTO_ERROR err = {0};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        set("AZURE_POD_IDENTITY_AUTHORITY_HOST", good[i]);
        if (!pq_managed_identity_check("x", &err))
            fail_msg("%s", good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        set("AZURE_POD_IDENTITY_AUTHORITY_HOST", bad[i]);
        if (pq_managed_identity_check("x", &err))
            fail_msg("%s", bad[i]);
    }
}

static void a_refusal_is_told(void **state)
{
    (void)state;
    static const struct {
        fake_answer answer;
        pq_code code;
        const char *words;
    } cases[] = {
        {{400, NULL, "{\"error\":\"invalid_request\",\"error_description\":\"Identity not found\"}"},
         PQ_EDENIED,
         "gives no token (status 400): Identity not found"},
        {{400, NULL, "{\"statusCode\":400,\"message\":\"No Managed Identity found\"}"},
         PQ_EDENIED,
         "gives no token (status 400): No Managed Identity found"},
        {{410, NULL, ""}, PQ_EBUSY, "is busy (status 410)"},
        {{429, NULL, ""}, PQ_EBUSY, "is busy (status 429)"},
        {{500, NULL, "<html>"}, PQ_EBUSY, "is busy (status 500)"},
        {{302, NULL, ""}, PQ_EFAILED, "status 302"},
        {{200, NULL, "<html>"}, PQ_EFAILED, "is not JSON"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_aws fake = {.answers = &cases[i].answer, .count = 1};
        const pq_managed_identity_call call = call_for(&fake, NULL);
        PQ_AUTO_ERROR err = {0};
        PQ_AUTO_ACCESS_TOKEN got = {0};
        assert_false(pq_managed_identity_get_token(&call, &got, &err));
        if (err.code != cases[i].code || !strstr(err.message, cases[i].words))
            fail_msg("%s: %s", pq_code_name(err.code), err.message);
        fake_aws_clear(&fake);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(imds_is_tried_and_then_asked, clean),
        cmocka_unit_test_setup(an_app_has_an_endpoint_of_its_own, clean),
        cmocka_unit_test_setup(only_neighbours_are_asked, clean),
        cmocka_unit_test_setup(a_refusal_is_told, clean),
    };
    return cmocka_run_group_tests(tests, NULL, clean);
}
