#include "pq_cmocka.h"

#include "auth/auth.h"
#include "base/file.h"
#include "base/log.h"
#include "fake_aws.h"

#define KEYS                                                                                                           \
    "aws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n"
#define ECR_A "123456789012.dkr.ecr.us-east-2.amazonaws.com"
#define ECR_B "210987654321.dkr.ecr.us-east-2.amazonaws.com"
#define ECR_C "210987654321.dkr.ecr.eu-west-1.amazonaws.com"

static const char three_kinds[] = "container_registries:\n"
                                  "- {type: aws, url: " ECR_A ", aws_creds_secret_name: aws_creds}\n"
                                  "- {type: aws, url: " ECR_B ", aws_creds_secret_name: aws_creds}\n"
                                  "- {type: aws, url: " ECR_C ", aws_creds_secret_name: aws_creds}\n"
                                  "- {type: azure, url: acme.azurecr.io, azure_principal_secret_name: azprincipal}\n"
                                  "- {type: generic, url: \"ghcr.example:5000\", generic_secret_name: ghcr_creds}\n"
                                  "hub: {url: hub.example.com/acme}\n";

static const fake_answer good_answer = {200, NULL, FAKE_ANSWER};

/* A configuration, a store of secrets of its own, and a stand-in for AWS. */
typedef struct house {
    char *folder;
    pq_config config;
    pq_store *store;
    pq_secrets *secrets;
    fake_aws fake;
    pq_auth *auth;
} house;

static void must(bool good, const pq_error *err)
{
    if (!good)
        fail_msg("%s: %s", err->where ? err->where : "", err->message);
}

static void build(house *h, const char *yaml, const fake_answer *answers, size_t count)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_ERRORS errors = {0};
    *h = (house){.fake = {.answers = answers, .count = count}};
    pq_log_setup(PQ_QUIET, false);
    if (!pq_config_parse(yaml, strlen(yaml), "factory-config.yml", &h->config, &errors))
        fail_msg("%s: %s", errors.at[0].where, errors.at[0].message);
    must(pq_make_temp_dir("pq-auth-", &h->folder, &err), &err);
    PQ_AUTO_FREE char *store = pq_path_join(h->folder, "secrets.db");
    PQ_AUTO_FREE char *key = pq_path_join(h->folder, "store.key");
    const pq_secret_environment environment = {.store = store, .store_key_file = key, .home = h->folder};
    must(pq_store_open_default(&environment, true, &h->store, &err), &err);
    must(pq_secrets_open(&environment, &h->secrets, &err), &err);
    const pq_auth_options options = {
        .config = &h->config, .secrets = h->secrets, .send = fake_aws_send, .send_context = &h->fake};
    h->auth = pq_auth_new(&options);
}

static void pull_down(house *h)
{
    PQ_AUTO_ERROR err = {0};
    pq_auth_free(h->auth);
    pq_secrets_close(h->secrets);
    pq_store_close(h->store);
    pq_config_clear(&h->config);
    fake_aws_clear(&h->fake);
    must(pq_remove_tree(h->folder, &err), &err);
    free(h->folder);
}

static void put_bytes(house *h, const char *name, const char *value, size_t length, const char *host)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_STRINGS hosts = {0};
    if (host)
        pq_strings_add(&hosts, host);
    PQ_AUTO_SECRET *secret = pq_secret_new(value, length);
    must(pq_store_put(h->store, name, secret, &hosts, &err), &err);
}

static void put(house *h, const char *name, const char *value, const char *host)
{
    put_bytes(h, name, value, strlen(value), host);
}

static void want(house *h, const char *host, const char *user, const char *secret, const char *source)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_CREDENTIAL credential = {0};
    must(pq_auth_get(h->auth, host, "team/image", &credential, &err), &err);
    assert_non_null(credential.secret);
    assert_string_equal(credential.username, user);
    assert_string_equal(pq_secret_bytes(credential.secret), secret);
    assert_string_equal(credential.source, source);
}

static void want_failure(house *h, const char *host, pq_code code, const char *where, const char *message)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_CREDENTIAL credential = {0};
    assert_false(pq_auth_get(h->auth, host, NULL, &credential, &err));
    if (err.code != code || !pq_streq(err.where, where) || !strstr(err.message, message))
        fail_msg("%s: %s: %s (%s)", pq_code_name(err.code), err.where, err.message, err.hint);
    assert_null(credential.secret);
}

static void each_kind_gives_its_credential(void **state)
{
    (void)state;
    house h;
    build(&h, three_kinds, &good_answer, 1);
    put(&h, "aws_creds", "[default]\n" KEYS, NULL);
    put(&h, "azprincipal", "11111111-2222-3333-4444-555555555555:p~w:d\n", NULL);
    put(&h, "ghcr_creds", "bot:ghp_token\r\n", NULL);
    put(&h, "hub_creds", "pusher:hubtoken", NULL);
    want(&h, ECR_A, "AWS", "pass:word", "secret aws_creds, profile default");
    want(&h, "acme.azurecr.io", "11111111-2222-3333-4444-555555555555", "p~w:d", "secret azprincipal");
    want(&h, "ACME.azurecr.io:443", "11111111-2222-3333-4444-555555555555", "p~w:d", "secret azprincipal");
    want(&h, "ghcr.example:5000", "bot", "ghp_token", "secret ghcr_creds");
    want(&h, "hub.example.com", "pusher", "hubtoken", "secret hub_creds");
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_CREDENTIAL credential = {0};
    must(pq_auth_get(h.auth, "docker.io", "library/busybox", &credential, &err), &err);
    assert_null(credential.secret);
    assert_null(credential.username);
    must(pq_auth_get(h.auth, "ghcr.example", NULL, &credential, &err), &err); /* another port is another registry */
    assert_null(credential.secret);
    assert_string_equal(pq_auth_access(h.auth, ECR_A), "aws");
    assert_string_equal(pq_auth_access(h.auth, "acme.azurecr.io"), "azure");
    assert_string_equal(pq_auth_access(h.auth, "Hub.example.com"), "hub");
    assert_string_equal(pq_auth_access(h.auth, "docker.io"), "anonymous");
    pull_down(&h);
}

static void one_call_serves_a_region(void **state)
{
    (void)state;
    house h;
    build(&h, three_kinds, &good_answer, 1);
    put(&h, "aws_creds", "[default]\n" KEYS, NULL);
    for (int i = 0; i < 3; i++) {
        want(&h, ECR_A, "AWS", "pass:word", "secret aws_creds, profile default");
        want(&h, ECR_B, "AWS", "pass:word", "secret aws_creds, profile default");
    }
    assert_int_equal(h.fake.calls, 1);
    want(&h, ECR_C, "AWS", "pass:word", "secret aws_creds, profile default");
    assert_int_equal(h.fake.calls, 2);
    assert_string_equal(h.fake.urls.at[1], "https://api.ecr.eu-west-1.amazonaws.com/");
    pq_auth_forget(h.auth, ECR_B);
    want(&h, ECR_B, "AWS", "pass:word", "secret aws_creds, profile default");
    want(&h, ECR_C, "AWS", "pass:word", "secret aws_creds, profile default");
    assert_int_equal(h.fake.calls, 3);
    pull_down(&h);
}

static void a_token_about_to_end_is_not_served(void **state)
{
    (void)state;
    PQ_AUTO_FREE char *soon = pq_asprintf(
        "{\"authorizationData\":[{\"authorizationToken\":\"" FAKE_TOKEN "\",\"expiresAt\":%ld}]}", (long)pq_now() + 60);
    const fake_answer ending = {200, NULL, soon};
    house h;
    build(&h, three_kinds, &ending, 1);
    put(&h, "aws_creds", "[default]\n" KEYS, NULL);
    want(&h, ECR_A, "AWS", "pass:word", "secret aws_creds, profile default");
    want(&h, ECR_A, "AWS", "pass:word", "secret aws_creds, profile default");
    assert_int_equal(h.fake.calls, 2);
    pull_down(&h);
}

static void a_refusal_is_asked_for_once_and_names_each_host(void **state)
{
    (void)state;
    static const fake_answer denied = {400, NULL, "{\"__type\":\"AccessDeniedException\"}"};
    house h;
    build(&h, three_kinds, &denied, 1);
    put(&h, "aws_creds", "[default]\n" KEYS, NULL);
    static const char words[] = "secret aws_creds, profile default: this identity may not get a registry password";
    want_failure(&h, ECR_A, PQ_EDENIED, ECR_A, words);
    want_failure(&h, ECR_B, PQ_EDENIED, ECR_B, words);
    want_failure(&h, ECR_A, PQ_EDENIED, ECR_A, words);
    assert_int_equal(h.fake.calls, 2); /* the second asks who that is */
    pull_down(&h);
}

static void a_secret_goes_only_where_it_is_bound_to(void **state)
{
    (void)state;
    house h;
    build(&h, three_kinds, &good_answer, 1);
    put(&h, "aws_creds", "[default]\n" KEYS, ECR_A);
    put(&h, "hub_creds", "u:t", "elsewhere.example");
    want(&h, ECR_A, "AWS", "pass:word", "secret aws_creds, profile default");
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_CREDENTIAL credential = {0};
    /* although the same region's token lies ready */
    assert_false(pq_auth_get(h.auth, ECR_B, NULL, &credential, &err));
    assert_int_equal(err.code, PQ_ECONFIG);
    assert_false(pq_auth_get(h.auth, "hub.example.com", NULL, &credential, &err));
    assert_int_equal(err.code, PQ_ECONFIG);
    assert_int_equal(h.fake.calls, 1);
    pull_down(&h);
}

static void wrong_secrets_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        size_t length;
        const char *message;
    } wrong[] = {
        {"token-only", 0, "no colon"},
        {"\n", 0, "empty"},
        {"user:", 0, "nothing follows the colon"},
        {":token", 0, "nothing stands before the colon"},
        {"user:token\nmore\n", 0, "more than one line"},
        {"user:token\n\n", 0, "more than one line"},
        {"a\tb:token", 0, "control bytes"},
        {"user:to\0ken", 11, "control bytes"},
        {"{\"auths\": {}}", 0, "docker's config.json"},
        {"{\"appId\": \"x\", \"password\": \"y\"}", 0, "az ad sp create-for-rbac"},
        {"{}", 0, "this is JSON"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        house h;
        build(&h, three_kinds, &good_answer, 1);
        size_t length = wrong[i].length ? wrong[i].length : strlen(wrong[i].value);
        put_bytes(&h, "ghcr_creds", wrong[i].value, length, NULL);
        put_bytes(&h, "azprincipal", wrong[i].value, length, NULL);
        want_failure(&h, "ghcr.example:5000", PQ_ECONFIG, "secret ghcr_creds", wrong[i].message);
        want_failure(&h, "acme.azurecr.io", PQ_ECONFIG, "secret azprincipal", wrong[i].message);
        pull_down(&h);
    }
    house h;
    build(&h, three_kinds, &good_answer, 1);
    put(&h, "aws_creds", "[ci]\n" KEYS, NULL);
    want_failure(&h, ECR_A, PQ_ECONFIG, "secret aws_creds", "no profile default; there are: ci");
    want_failure(&h, "acme.azurecr.io", PQ_ECONFIG, "factory-config.yml:5", "azprincipal");
    put(&h, "ghcr_creds", "_json_key:{\n \"type\": \"service_account\"\n}\n", NULL);
    want(&h, "ghcr.example:5000", "_json_key", "{\n \"type\": \"service_account\"\n}", "secret ghcr_creds");
    assert_int_equal(h.fake.calls, 0);
    pull_down(&h);
}

/* Claims {"exp":4102444800} without a signature: only the cloud proves one. */
#define CI_TOKEN "eyJhbGciOiJub25lIn0.eyJleHAiOjQxMDI0NDQ4MDB9."
#define PROVIDER "projects/1/locations/global/workloadIdentityPools/p/providers/r"

static void one_call_serves_all_of_google(void **state)
{
    (void)state;
    static const char yaml[] =
        "container_registries:\n"
        "- {type: gar, auth: oidc, workload_identity_provider: " PROVIDER ", oidc_token_env: CI}\n"
        "- {type: gar, url: eu.gcr.io, auth: oidc, workload_identity_provider: " PROVIDER "2, oidc_token_env: CI}\n";
    static const fake_answer token = {200, NULL, "{\"access_token\":\"ya29.x\",\"expires_in\":3599}"};
    static const char source[] = "oidc_token_env CI, workload identity pool p/providers/r";
    assert_int_equal(setenv("CI", CI_TOKEN, 1), 0);
    house h;
    build(&h, yaml, &token, 1);
    want(&h, "us-docker.pkg.dev", "oauth2accesstoken", "ya29.x", source);
    want(&h, "docker.us-central1.rep.pkg.dev", "oauth2accesstoken", "ya29.x", source);
    want(&h, "gcr.io", "oauth2accesstoken", "ya29.x", source);
    assert_int_equal(h.fake.calls, 1);
    assert_string_equal(h.fake.urls.at[0], "https://sts.googleapis.com/v1/token");
    /* Another provider is another identity. */
    want(&h, "eu.gcr.io", "oauth2accesstoken", "ya29.x", "oidc_token_env CI, workload identity pool p/providers/r2");
    assert_int_equal(h.fake.calls, 2);
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_CREDENTIAL credential = {0};
    must(pq_auth_get(h.auth, "us-docker.pkg.dev.example.com", NULL, &credential, &err), &err);
    assert_null(credential.secret);
    (void)unsetenv("CI");
    pull_down(&h);
}

static void the_check_finds_all_problems_offline(void **state)
{
    (void)state;
    house h;
    build(&h, three_kinds, &good_answer, 1);
    put(&h, "azprincipal", "id:secret", NULL);
    put(&h, "ghcr_creds", "oops", NULL);
    put(&h, "osftok", "", NULL);
    PQ_AUTO_ERRORS errors = {0};
    assert_false(pq_auth_check(h.auth, &errors));
    assert_int_equal(errors.count, 5); /* aws_creds thrice, ghcr_creds, osftok */
    assert_string_equal(errors.at[0].where, "factory-config.yml:2");
    assert_string_equal(errors.at[3].where, "secret ghcr_creds");
    assert_string_equal(errors.at[4].where, "secret osftok");
    put(&h, "aws_creds", "[default]\n" KEYS, NULL);
    put(&h, "ghcr_creds", "u:t", NULL);
    put(&h, "osftok", "t", NULL);
    pq_errors_clear(&errors);
    assert_true(pq_auth_check(h.auth, &errors));
    assert_int_equal(h.fake.calls, 0);
    pull_down(&h);
}

static void the_hub_has_its_own_secret(void **state)
{
    (void)state;
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_CREDENTIAL credential = {0};
    house h;
    build(&h, three_kinds, &good_answer, 1);
    assert_false(pq_auth_get_hub(h.auth, &credential, &err));
    assert_int_equal(err.code, PQ_ECONFIG);
    assert_string_equal(err.where, "hub.example.com");
    must(pq_auth_get(h.auth, "hub.example.com", NULL, &credential, &err), &err); /* pulling may be open to all */
    assert_null(credential.secret);
    put(&h, "osftok", "0123456789abcdef\n", NULL);
    must(pq_auth_get_hub(h.auth, &credential, &err), &err);
    assert_string_equal(credential.username, "doesntmatter");
    assert_string_equal(pq_secret_bytes(credential.secret), "0123456789abcdef");
    put(&h, "osftok", "me:0123456789abcdef\n", NULL);
    must(pq_auth_get_hub(h.auth, &credential, &err), &err);
    assert_string_equal(credential.username, "me");
    put(&h, "hub_creds", "pusher:t", NULL);
    must(pq_auth_get_hub(h.auth, &credential, &err), &err);
    assert_string_equal(credential.username, "pusher");
    const pq_auth_options options = {.config = &h.config,
                                     .secrets = h.secrets,
                                     .hub_host = "Other.example:443",
                                     .hub_secret = "other",
                                     .send = fake_aws_send,
                                     .send_context = &h.fake};
    PQ_AUTO_AUTH *other = pq_auth_new(&options);
    assert_false(pq_auth_get_hub(other, &credential, &err));
    assert_string_equal(err.where, "--hub-secret");
    put(&h, "other", "o:t", "other.example");
    must(pq_auth_get_hub(other, &credential, &err), &err);
    assert_string_equal(credential.username, "o");
    assert_string_equal(pq_auth_access(other, "hub.example.com"), "anonymous");
    pull_down(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_gives_its_credential),
        cmocka_unit_test(one_call_serves_a_region),
        cmocka_unit_test(a_token_about_to_end_is_not_served),
        cmocka_unit_test(a_refusal_is_asked_for_once_and_names_each_host),
        cmocka_unit_test(a_secret_goes_only_where_it_is_bound_to),
        cmocka_unit_test(wrong_secrets_are_named),
        cmocka_unit_test(one_call_serves_all_of_google),
        cmocka_unit_test(the_check_finds_all_problems_offline),
        cmocka_unit_test(the_hub_has_its_own_secret),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
