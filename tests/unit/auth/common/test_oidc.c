#include "pq_cmocka.h"

#include "auth/common/oidc.h"
#include "base/file.h"
#include "fake_aws.h"

/* Claims {"exp":4102444800} and {"exp":1300819380}, without a signature: only the cloud proves one. */
#define GOOD "eyJhbGciOiJub25lIn0.eyJleHAiOjQxMDI0NDQ4MDB9."
#define ENDED "eyJhbGciOiJub25lIn0.eyJleHAiOjEzMDA4MTkzODB9."

static int clean(void **state)
{
    (void)state;
    static const char *const names[] = {"GITHUB_ACTIONS", "GITLAB_CI", "ACTIONS_ID_TOKEN_REQUEST_URL",
                                        "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "CI_TOKEN"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        (void)unsetenv(names[i]);
    return 0;
}

static void set(const char *name, const char *value)
{
    assert_int_equal(setenv(name, value, 1), 0);
}

static pq_oidc_ask ask_for(const pq_config_registry *entry, fake_aws *fake)
{
    return (pq_oidc_ask){.entry = entry,
                         .audience = "api://AzureADTokenExchange",
                         .where = "factory-config.yml:7",
                         .send = fake_aws_send,
                         .send_context = fake};
}

static void want_failure(const pq_oidc_ask *ask, pq_code code, const char *message, const char *hint)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_SECRET *token = NULL;
    assert_false(pq_oidc_token(ask, &token, &err));
    if (err.code != code || !strstr(err.message, message) || (hint && !strstr(err.hint, hint)))
        fail_msg("%s: %s (%s)", pq_code_name(err.code), err.message, err.hint);
    assert_null(token);
}

static void github_is_asked_for_the_audience(void **state)
{
    (void)state;
    const fake_answer answer = {200, NULL, "{\"value\":\"" GOOD "\"}"};
    fake_aws fake = {.answers = &answer, .count = 1};
    const pq_config_registry entry = {.auth = PQ_AUTH_OIDC};
    const pq_oidc_ask ask = ask_for(&entry, &fake);
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_SECRET *token = NULL;
    set("ACTIONS_ID_TOKEN_REQUEST_URL", "https://run-1.actions.githubusercontent.com/x?api-version=2.0");
    set("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "permit-of-this-job");
    assert_true(pq_oidc_check(&ask, &err));
    assert_true(pq_oidc_token(&ask, &token, &err));
    assert_string_equal(pq_secret_bytes(token), GOOD);
    assert_string_equal(fake.urls.at[0], "https://run-1.actions.githubusercontent.com/x?api-version=2.0&audience="
                                         "api%3A%2F%2FAzureADTokenExchange");
    assert_string_equal(fake_aws_header(&fake, "Authorization"), "Bearer permit-of-this-job");
    set("ACTIONS_ID_TOKEN_REQUEST_URL", "http://run-1.actions.githubusercontent.com/x");
    want_failure(&ask, PQ_ECONFIG, "https", NULL);
    assert_int_equal(fake.calls, 1);
    fake_aws_clear(&fake);
}

static void github_says_no(void **state)
{
    (void)state;
    const struct {
        fake_answer answer;
        pq_code code;
        const char *words;
    } cases[] = {
        {{403, NULL, "{}"}, PQ_EDENIED, "status 403"},
        {{503, NULL, "{}"}, PQ_EBUSY, "status 503"},
        {{200, NULL, "<html>"}, PQ_EFAILED, "without a token"},
        {{200, NULL, "{\"value\":\"\"}"}, PQ_EFAILED, "without a token"},
        {{200, NULL, "{\"value\":\"" ENDED "\"}"}, PQ_EDENIED, "ended at 2011-03-22T18:43:00Z"},
    };
    set("ACTIONS_ID_TOKEN_REQUEST_URL", "https://run-1.actions.githubusercontent.com/x");
    set("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "permit-of-this-job");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_aws fake = {.answers = &cases[i].answer, .count = 1};
        const pq_config_registry entry = {.auth = PQ_AUTH_OIDC};
        const pq_oidc_ask ask = ask_for(&entry, &fake);
        want_failure(&ask, cases[i].code, cases[i].words, NULL);
        fake_aws_clear(&fake);
    }
}

static void a_missing_permission_is_named(void **state)
{
    (void)state;
    const pq_config_registry entry = {.auth = PQ_AUTH_OIDC};
    const pq_oidc_ask ask = ask_for(&entry, NULL);
    PQ_AUTO_ERROR err = {0};
    want_failure(&ask, PQ_ECONFIG, "no OIDC token is to be had", "oidc_token_env");
    set("GITLAB_CI", "true");
    want_failure(&ask, PQ_ECONFIG, "GitLab", "id_tokens: {PRATIQUE_ID_TOKEN: {aud: \"api://AzureADTokenExchange\"}}");
    set("GITHUB_ACTIONS", "true");
    want_failure(&ask, PQ_ECONFIG, "GitHub", "id-token: write");
    assert_false(pq_oidc_check(&ask, &err));
    assert_string_equal(err.where, "factory-config.yml:7");
}

static void a_variable_holds_it(void **state)
{
    (void)state;
    pq_config_registry entry = {.auth = PQ_AUTH_OIDC, .oidc_token_env = {.text = (char *)(uintptr_t) "CI_TOKEN"}};
    const pq_oidc_ask ask = ask_for(&entry, NULL);
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_SECRET *token = NULL;
    want_failure(&ask, PQ_ECONFIG, "CI_TOKEN is not set", NULL);
    assert_false(pq_oidc_check(&ask, &err));
    set("CI_TOKEN", "glpat-something-else");
    want_failure(&ask, PQ_ECONFIG, "is no OIDC token", NULL);
    set("CI_TOKEN", ENDED);
    want_failure(&ask, PQ_EDENIED, "ended at", NULL);
    set("CI_TOKEN", GOOD "\n");
    assert_true(pq_oidc_check(&ask, &err));
    assert_true(pq_oidc_token(&ask, &token, &err));
    assert_string_equal(pq_secret_bytes(token), GOOD);
}

static void a_file_is_read_anew(void **state)
{
    (void)state;
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *folder = NULL;
    assert_true(pq_make_temp_dir("pq-oidc-", &folder, &err));
    PQ_AUTO_FREE char *path = pq_path_join(folder, "token");
    pq_config_registry entry = {.auth = PQ_AUTH_OIDC, .oidc_token_file = {.text = path}};
    const pq_oidc_ask ask = ask_for(&entry, NULL);
    want_failure(&ask, PQ_ECONFIG, "oidc_token_file", NULL);
    assert_false(pq_oidc_check(&ask, &err));
    assert_true(pq_write_file(path, 0600, ENDED, strlen(ENDED), &err));
    want_failure(&ask, PQ_EDENIED, "ended at", NULL);
    assert_true(pq_write_file(path, 0600, GOOD "\n", strlen(GOOD) + 1, &err));
    PQ_AUTO_SECRET *token = NULL;
    assert_true(pq_oidc_token(&ask, &token, &err));
    assert_string_equal(pq_secret_bytes(token), GOOD);
    assert_true(pq_remove_tree(folder, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(github_is_asked_for_the_audience, clean),
        cmocka_unit_test_setup(github_says_no, clean),
        cmocka_unit_test_setup(a_missing_permission_is_named, clean),
        cmocka_unit_test_setup(a_variable_holds_it, clean),
        cmocka_unit_test_setup(a_file_is_read_anew, clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
