#include "pq_cmocka.h"

#include <string.h>

#include "auth/aws/plan.h"
#include "base/log.h"

#define ID "AKIAIOSFODNN7EXAMPLE"
#define SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define KEYS "aws_access_key_id = " ID "\naws_secret_access_key = " SECRET "\n"
#define ROLE "arn:aws:iam::123456789012:role/pull"
#define OTHER "arn:aws:iam::123456789012:role/other"

static int clean(void **state)
{
    (void)state;
    static const char *const names[] = {"AWS_ACCESS_KEY_ID",
                                        "AWS_SECRET_ACCESS_KEY",
                                        "AWS_SESSION_TOKEN",
                                        "AWS_CREDENTIAL_EXPIRATION",
                                        "AWS_PROFILE",
                                        "AWS_DEFAULT_PROFILE",
                                        "AWS_ROLE_ARN",
                                        "AWS_ROLE_SESSION_NAME",
                                        "AWS_WEB_IDENTITY_TOKEN_FILE",
                                        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                                        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                                        "AWS_EC2_METADATA_DISABLED"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        (void)unsetenv(names[i]);
    pq_log_setup(PQ_QUIET, false);
    return setenv("HOME", "/home/x", 1);
}

static void set(const char *name, const char *value)
{
    assert_int_equal(setenv(name, value, 1), 0);
}

/* The plan that both files make; `profile` is the entry's. */
static pq_aws_step *plan(const char *credentials, const char *config, const char *profile, pq_errors *errors)
{
    PQ_AUTO_SECRET *one = pq_secret_new(credentials, strlen(credentials));
    PQ_AUTO_SECRET *two = pq_secret_new(config, strlen(config));
    PQ_AUTO_AWS_PROFILES files = {0};
    pq_aws_profiles_add_credentials(&files, one, "credentials", errors);
    pq_aws_profiles_add_config(&files, two, "config", errors);
    return pq_aws_plan_files(&files, profile, "factory-config.yml:7", errors);
}

static void want(const char *credentials, const char *config, const char *profile, pq_aws_step_kind kind,
                 const char *words)
{
    PQ_AUTO_ERRORS errors = {0};
    PQ_AUTO_AWS_STEP *step = plan(credentials, config, profile, &errors);
    if (!step) {
        fail_msg("%s: %s: %s", words, errors.count ? errors.at[0].where : "", errors.count ? errors.at[0].message : "");
        return;
    }
    if (step->kind != kind || !pq_streq(step->words, words))
        fail_msg("%s: kind %d, %s", words, (int)step->kind, step->words);
}

static void want_problem(const char *credentials, const char *config, const char *profile, const char *where,
                         const char *message)
{
    PQ_AUTO_ERRORS errors = {0};
    PQ_AUTO_AWS_STEP *step = plan(credentials, config, profile, &errors);
    if (step || !errors.count)
        fail_msg("taken: %s", message);
    if (!pq_streq(errors.at[0].where, where) || !strstr(errors.at[0].message, message))
        fail_msg("%s: %s", errors.at[0].where, errors.at[0].message);
    assert_int_equal(errors.at[0].code, PQ_ECONFIG);
}

/* The order of botocore 1.29, credentials.py, and `aws configure list` of Debian's AWS CLI 2.9. */
static void the_order_is_that_of_the_aws_cli(void **state)
{
    (void)clean(state);
    static const char all[] =
        "[default]\nrole_arn = " ROLE "\ncredential_source = Environment\n"
        "[profile web]\nrole_arn = " ROLE "\nweb_identity_token_file = /t\nsso_account_id = 1\ncredential_process = x\n"
        "[profile sso]\nsso_account_id = 1\nsso_role_name = r\nsso_start_url = https://x\nsso_region = eu-west-1\n"
        "credential_process = x\n" KEYS "[profile process]\ncredential_process = x\n" KEYS "[profile keys]\n" KEYS
        "[profile empty]\nregion = x\n";
    want("", "", NULL, PQ_AWS_STEP_INSTANCE, "instance metadata");
    want("", all, "web", PQ_AWS_STEP_WEB_IDENTITY, "profile web, web identity");
    want("[sso]\n" KEYS, all, "sso", PQ_AWS_STEP_SSO, "profile sso, SSO");
    want("", all, "process", PQ_AWS_STEP_PROCESS, "profile process, credential_process");
    want("[process]\n" KEYS, all, "process", PQ_AWS_STEP_KEYS, "profile process");
    want("", all, "keys", PQ_AWS_STEP_KEYS, "profile keys");
    want("", all, "empty", PQ_AWS_STEP_INSTANCE, "instance metadata");
    set("AWS_ACCESS_KEY_ID", ID);
    set("AWS_SECRET_ACCESS_KEY", SECRET);
    want("", all, NULL, PQ_AWS_STEP_KEYS, "AWS_ACCESS_KEY_ID");
    want("", all, "keys", PQ_AWS_STEP_KEYS, "profile keys"); /* the entry's profile switches them off, */
    set("AWS_PROFILE", "process");                           /* AWS_PROFILE does not */
    want("", all, NULL, PQ_AWS_STEP_KEYS, "AWS_ACCESS_KEY_ID");
    assert_int_equal(unsetenv("AWS_ACCESS_KEY_ID"), 0);
    want("", all, NULL, PQ_AWS_STEP_PROCESS, "profile process, credential_process");
    set("AWS_WEB_IDENTITY_TOKEN_FILE", "/token");
    set("AWS_ROLE_ARN", ROLE);
    want("", all, NULL, PQ_AWS_STEP_WEB_IDENTITY, "AWS_WEB_IDENTITY_TOKEN_FILE");
    want("", all, "process", PQ_AWS_STEP_PROCESS, "profile process, credential_process");
    (void)clean(state);
    set("AWS_WEB_IDENTITY_TOKEN_FILE", "/token");
    set("AWS_ROLE_ARN", ROLE);
    want("", "", NULL, PQ_AWS_STEP_WEB_IDENTITY, "AWS_WEB_IDENTITY_TOKEN_FILE");
    (void)clean(state);
    set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1/x");
    want("", "", NULL, PQ_AWS_STEP_CONTAINER, "container credentials");
    want("[default]\n" KEYS, "", NULL, PQ_AWS_STEP_KEYS, "profile default");
}

static void roles_are_chained_over_profiles(void **state)
{
    (void)clean(state);
    PQ_AUTO_ERRORS errors = {0};
    PQ_AUTO_AWS_STEP *step =
        plan("[base]\n" KEYS "[top]\nregion = x\n",
             "[profile top]\nrole_arn = " ROLE "\nsource_profile = middle\nexternal_id = e\nrole_session_name = me\n"
             "duration_seconds = 3600\n[profile middle]\nrole_arn = " OTHER "\nsource_profile = base\n",
             "top", &errors);
    assert_non_null(step);
    assert_string_equal(step->role_arn, ROLE);
    assert_string_equal(step->external_id, "e");
    assert_string_equal(step->session_name, "me");
    assert_int_equal(step->duration, 3600);
    assert_int_equal(step->source->kind, PQ_AWS_STEP_ROLE);
    assert_string_equal(step->source->role_arn, OTHER);
    assert_string_equal(step->source->session_name, "pratique");
    assert_int_equal(step->source->source->kind, PQ_AWS_STEP_KEYS);
    assert_ptr_equal(pq_aws_step_origin(step), step->source->source);
}

static void a_profile_may_be_its_own_source_when_it_has_keys(void **state)
{
    (void)clean(state);
    PQ_AUTO_ERRORS errors = {0};
    PQ_AUTO_AWS_STEP *step = plan("[a]\n" KEYS, "[profile a]\nrole_arn = " ROLE "\nsource_profile = a\n", "a", &errors);
    assert_non_null(step);
    assert_int_equal(step->kind, PQ_AWS_STEP_ROLE);
    assert_int_equal(step->source->kind, PQ_AWS_STEP_KEYS);
}

static void each_mistake_has_its_words(void **state)
{
    (void)clean(state);
    want_problem("", "[profile a]\n", "b", "factory-config.yml:7", "no profile b; there are: a");
    want_problem("", "[profile a]\nrole_arn = " ROLE "\nsource_profile = a\n", "a", "config:3",
                 "profiles lead in a circle: a -> a");
    want_problem("",
                 "[profile a]\nrole_arn = " ROLE "\nsource_profile = b\n[profile b]\nrole_arn = " ROLE
                 "\nsource_profile = c\n[profile c]\nrole_arn = " ROLE "\nsource_profile = a\n",
                 "a", "config:9", "profiles lead in a circle: a -> b -> c -> a");
    want_problem("", "[profile a]\nrole_arn = " ROLE "\n", "a", "config:2", "without a source_profile");
    want_problem("", "[profile a]\nrole_arn = " ROLE "\nsource_profile = b\ncredential_source = Environment\n", "a",
                 "config:4", "exclude each other");
    want_problem("", "[profile a]\nrole_arn = " ROLE "\nsource_profile = b\n", "a", "config:3", "no profile b");
    want_problem("", "[profile a]\nrole_arn = " ROLE "\nsource_profile = b\n[profile b]\nregion = x\n", "a", "config:3",
                 "profile b holds no identity");
    want_problem("", "[profile a]\nrole_arn = " ROLE "\ncredential_source = Moon\n", "a", "config:3",
                 "names no source");
    want_problem("", "[profile a]\nrole_arn = " ROLE "\ncredential_source = EcsContainer\n", "a", "config:3",
                 "credential_source: EcsContainer has no keys here");
    want_problem("", "[profile a]\nrole_arn = " ROLE "\nsource_profile = a\nmfa_serial = arn:aws:iam::1:mfa/x\n" KEYS,
                 "a", "config:4", "a code that a person reads");
    want_problem("", "[profile a]\nrole_arn = role/pull\nsource_profile = a\n" KEYS, "a", "config:2",
                 "role_arn has not");
    want_problem("", "[profile a]\nrole_arn = " ROLE "\nsource_profile = a\nduration_seconds = 100\n" KEYS, "a",
                 "config:4", "duration_seconds must be 900 to 43200");
    want_problem("", "[profile a]\nrole_arn = " ROLE "\nsource_profile = a\nrole_session_name = a b\n" KEYS, "a",
                 "config:4", "role_session_name has not");
    want_problem("", "[profile a]\nweb_identity_token_file = /x\n", "a", "config:1", "without a role");
    want_problem("", "[profile a]\nsso_session = s\nsso_account_id = 1\nsso_role_name = r\n", "a", "config:2",
                 "there is no [sso-session s]");
    want_problem("", "[profile a]\nsso_account_id = 1\nsso_role_name = r\nsso_region = x\n", "a", "config:1",
                 "profile a has no sso_start_url");
    /* It becomes a part of the host that the login's token goes to. */
    static const char *const regions[] = {"example.com/", "example.com#", "x@example.com", "x.example.com:443/", "a b"};
    for (size_t i = 0; i < sizeof regions / sizeof *regions; i++) {
        PQ_AUTO_FREE char *config = pq_asprintf("[profile a]\nsso_account_id = 1\nsso_role_name = r\n"
                                                "sso_start_url = https://x\nsso_region = %s\n",
                                                regions[i]);
        want_problem("", config, "a", "config:5", "sso_region has not the form that AWS takes");
        PQ_AUTO_FREE char *session = pq_asprintf("[profile a]\nsso_account_id = 1\nsso_role_name = r\nsso_session = s\n"
                                                 "[sso-session s]\nsso_start_url = https://x\nsso_region = %s\n",
                                                 regions[i]);
        want_problem("", session, "a", "config:7", "sso_region has not the form that AWS takes");
    }
    want_problem("[profile a]\n" KEYS, "", "a", "credentials:1", "is the form of ~/.aws/config");
    want_problem("[a]\naws_access_key_id = " ID "\n", "", "a", "credentials:1", "has no aws_secret_access_key");
    set("AWS_PROFILE", "nosuch");
    want_problem("", "[profile a]\n", NULL, "AWS_PROFILE", "no profile nosuch");
    (void)clean(state);
    set("AWS_ACCESS_KEY_ID", ID);
    want_problem("", "", NULL, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY is not set");
    set("AWS_ACCESS_KEY_ID", "ASIAIOSFODNN7EXAMPLE");
    set("AWS_SECRET_ACCESS_KEY", SECRET);
    want_problem("", "", NULL, "AWS_ACCESS_KEY_ID", "without its session token");
    (void)clean(state);
    set("AWS_WEB_IDENTITY_TOKEN_FILE", "/token");
    want_problem("", "", NULL, "AWS_WEB_IDENTITY_TOKEN_FILE", "without a role");
    set("AWS_ROLE_ARN", "pull");
    want_problem("", "", NULL, "AWS_ROLE_ARN", "role_arn has not the form");
    (void)clean(state);
    set("AWS_EC2_METADATA_DISABLED", "TRUE");
    want_problem("", "", NULL, "factory-config.yml:7", "no AWS identity is to be found");
}

static void sso_names_its_cache_and_its_login(void **state)
{
    (void)clean(state);
    PQ_AUTO_ERRORS errors = {0};
    PQ_AUTO_AWS_STEP *step = plan("",
                                  "[profile \"a b\"]\nsso_session = abc\nsso_account_id = 1\nsso_role_name = r\n"
                                  "[sso-session abc]\nsso_region = eu-west-1\nsso_start_url = https://x\n",
                                  "a b", &errors);
    assert_non_null(step);
    assert_string_equal(step->sso_region, "eu-west-1");
    /* SHA-1 of "abc": FIPS 180-4 */
    assert_string_equal(step->sso_cache, "/home/x/.aws/sso/cache/a9993e364706816aba3e25717850c26c9cd0d89d.json");
    assert_string_equal(step->sso_login, "aws sso login --sso-session abc");
}

/* A secret is not code: each of these leads somewhere else. */
static void a_secret_leads_nowhere_else(void **state)
{
    (void)clean(state);
    static const struct {
        const char *text, *where, *message;
    } refused[] = {
        {"[default]\ncredential_process = /bin/true\n", "secret s:2", "credential_process is not followed"},
        {"[default]\ncredential_source = Environment\nrole_arn = " ROLE "\n", "secret s:2",
         "credential_source is not followed"},
        {"[default]\nweb_identity_token_file = /etc/shadow\nrole_arn = " ROLE "\n", "secret s:2",
         "web_identity_token_file is not followed"},
        {"[default]\nsso_session = x\nsso_account_id = 1\nsso_role_name = r\n", "secret s:2",
         "sso_session is not followed"},
        {"[default]\nsso_start_url = https://x\nsso_account_id = 1\n", "secret s:2", "sso_start_url is not followed"},
        {"[default]\nrole_arn = " ROLE "\nsource_profile = p\n[p]\ncredential_process = /bin/true\n", "secret s:5",
         "credential_process is not followed"},
        {"[default]\nrole_arn = " ROLE "\nsource_profile = p\n[p]\nweb_identity_token_file = /x\nrole_arn = " ROLE "\n",
         "secret s:5", "web_identity_token_file is not followed"},
        {"[default]\nrole_arn = " ROLE "\nsource_profile = elsewhere\n", "secret s:3", "there is no profile elsewhere"},
        {"[default]\nrole_arn = " ROLE "\nsource_profile = default\n", "secret s:3", "circle: default -> default"},
    };
    /* What lies beside it must not be looked at either. */
    set("AWS_ACCESS_KEY_ID", ID);
    set("AWS_SECRET_ACCESS_KEY", SECRET);
    set("AWS_WEB_IDENTITY_TOKEN_FILE", "/token");
    set("AWS_ROLE_ARN", ROLE);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        PQ_AUTO_SECRET *secret = pq_secret_new(refused[i].text, strlen(refused[i].text));
        PQ_AUTO_ERRORS errors = {0};
        PQ_AUTO_AWS_STEP *step = pq_aws_plan_secret(secret, "secret s", NULL, &errors);
        if (step)
            fail_msg("taken: %s", refused[i].text);
        if (!strstr(errors.at[0].message, refused[i].message) || !pq_streq(errors.at[0].where, refused[i].where))
            fail_msg("case %zu: %s: %s", i, errors.at[0].where, errors.at[0].message);
    }
    static const char chain[] =
        "[default]\nrole_arn = " ROLE "\nsource_profile = b\n[b]\nrole_arn = " OTHER "\nsource_profile = c\n[c]\n" KEYS;
    PQ_AUTO_SECRET *secret = pq_secret_new(chain, strlen(chain));
    PQ_AUTO_ERRORS errors = {0};
    PQ_AUTO_AWS_STEP *step = pq_aws_plan_secret(secret, "secret s", NULL, &errors);
    assert_non_null(step);
    assert_string_equal(step->source->role_arn, OTHER);
    assert_int_equal(step->source->source->kind, PQ_AWS_STEP_KEYS);
}

/* Whatever decides who it is makes another key, and no secret stands in it. */
static void a_key_tells_identities_apart(void **state)
{
    (void)clean(state);
    static const char *const configs[] = {
        "[profile a]\n" KEYS,
        "[profile a]\naws_session_token = t\n" KEYS,
        "[profile a]\naws_access_key_id = " ID "\naws_secret_access_key = another\n",
        "[profile a]\nrole_arn = " ROLE "\nsource_profile = a\n" KEYS,
        "[profile a]\nrole_arn = " OTHER "\nsource_profile = a\n" KEYS,
        "[profile a]\nrole_arn = " ROLE "\nsource_profile = a\nexternal_id = e\n" KEYS,
        "[profile a]\nrole_arn = " ROLE "\nsource_profile = a\nrole_session_name = me\n" KEYS,
        "[profile a]\nrole_arn = " ROLE "\nsource_profile = a\nduration_seconds = 900\n" KEYS,
        "[profile a]\nrole_arn = " ROLE "\nweb_identity_token_file = /x\n",
        "[profile a]\nrole_arn = " ROLE "\nweb_identity_token_file = /y\n",
        "[profile a]\ncredential_process = x\n",
        "[profile a]\ncredential_process = y\n",
        "[profile a]\nsso_account_id = 1\nsso_role_name = r\nsso_start_url = https://x\nsso_region = eu-west-1\n",
        "[profile a]\nsso_account_id = 2\nsso_role_name = r\nsso_start_url = https://x\nsso_region = eu-west-1\n",
        "[profile a]\nsso_account_id = 1\nsso_role_name = r\nsso_start_url = https://y\nsso_region = eu-west-1\n",
        "[profile a]\n",
    };
    PQ_AUTO_STRINGS keys = {0};
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        PQ_AUTO_ERRORS errors = {0};
        PQ_AUTO_AWS_STEP *step = plan("", configs[i], "a", &errors), *again = plan("", configs[i], "a", &errors);
        assert_non_null(step);
        PQ_AUTO_FREE char *key = pq_aws_step_key(step);
        PQ_AUTO_FREE char *same = pq_aws_step_key(again);
        assert_string_equal(key, same);
        assert_null(strstr(key, SECRET));
        if (!pq_strings_add_once(&keys, key))
            fail_msg("the key of %zu is that of another", i);
    }
    set("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1");
    PQ_AUTO_ERRORS errors = {0};
    PQ_AUTO_AWS_STEP *step = plan("", "[profile a]\n", "a", &errors);
    PQ_AUTO_FREE char *key = pq_aws_step_key(step);
    assert_true(pq_strings_add_once(&keys, key));
    assert_int_equal(unsetenv("AWS_EC2_METADATA_SERVICE_ENDPOINT"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_order_is_that_of_the_aws_cli),
        cmocka_unit_test(roles_are_chained_over_profiles),
        cmocka_unit_test(a_profile_may_be_its_own_source_when_it_has_keys),
        cmocka_unit_test(each_mistake_has_its_words),
        cmocka_unit_test(sso_names_its_cache_and_its_login),
        cmocka_unit_test(a_secret_leads_nowhere_else),
        cmocka_unit_test(a_key_tells_identities_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
