#include "pq_cmocka.h"

#include "auth/common/kind.h"
#include "base/file.h"
#include "base/log.h"
#include "fake_aws.h"

#define PAIR "11111111-2222-3333-4444-555555555555:p~w:d"

static int clean(void **state)
{
    (void)state;
    static const char *const names[] = {"AZURE_TENANT_ID",
                                        "AZURE_CLIENT_ID",
                                        "AZURE_CLIENT_SECRET",
                                        "AZURE_CLIENT_CERTIFICATE_PATH",
                                        "AZURE_FEDERATED_TOKEN_FILE",
                                        "AZURE_AUTHORITY_HOST",
                                        "IDENTITY_ENDPOINT",
                                        "IDENTITY_HEADER",
                                        "AZURE_POD_IDENTITY_AUTHORITY_HOST",
                                        "CI_TOKEN",
                                        "OTHER_TOKEN",
                                        "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
                                        "ACTIONS_ID_TOKEN_REQUEST_URL"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        (void)unsetenv(names[i]);
    return 0;
}

static void set(const char *name, const char *value)
{
    assert_int_equal(setenv(name, value, 1), 0);
}

/* One entry of a configuration, with a folder of secrets of its own. */
typedef struct house {
    char *folder;
    pq_config config;
    pq_secrets *secrets;
    pq_secret *secret;
} house;

static void build(house *h, const char *settings)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_ERRORS errors = {0};
    PQ_AUTO_FREE char *yaml = pq_asprintf("container_registries:\n- {type: azure, %s}\n", settings);
    *h = (house){.secret = pq_secret_new(PAIR, strlen(PAIR))};
    pq_log_setup(PQ_QUIET, false);
    if (!pq_config_parse(yaml, strlen(yaml), "factory-config.yml", &h->config, &errors))
        fail_msg("%s", errors.at[0].message);
    assert_true(pq_make_temp_dir("pq-azure-", &h->folder, &err));
    PQ_AUTO_FREE char *path = pq_path_join(h->folder, "azprincipal");
    assert_true(pq_write_file(path, 0600, PAIR, strlen(PAIR), &err));
    const pq_secret_environment environment = {.secrets_dir = h->folder, .home = h->folder};
    assert_true(pq_secrets_open(&environment, &h->secrets, &err));
}

static void pull_down(house *h)
{
    PQ_AUTO_ERROR err = {0};
    pq_secrets_close(h->secrets);
    pq_secret_free(h->secret);
    pq_config_clear(&h->config);
    assert_true(pq_remove_tree(h->folder, &err));
    free(h->folder);
}

/* Owned. */
static char *key_of(const char *settings)
{
    house h;
    build(&h, settings);
    const pq_config_registry *entry = &h.config.registries[0];
    pq_auth_run run = {.config = &h.config, .secrets = h.secrets};
    const pq_auth_ask ask = {.entry = entry,
                             .secret = entry->auth == PQ_AUTH_SECRET ? h.secret : NULL,
                             .secret_name = entry->auth == PQ_AUTH_SECRET ? "secret azprincipal" : "auth",
                             .where = "factory-config.yml:2",
                             .host = entry->host.text,
                             .run = &run};
    char *key = pq_auth_kind_azure.share_key(&ask);
    pull_down(&h);
    return key;
}

static void want_other(pq_strings *seen, const char *settings)
{
    PQ_AUTO_FREE char *key = key_of(settings);
    PQ_AUTO_FREE char *again = key_of(settings);
    assert_string_equal(key, again);
    assert_null(strstr(key, "p~w:d"));
    assert_null(strstr(key, "hush"));
    if (!pq_strings_add_once(seen, key))
        fail_msg("the same again: %s", key);
}

/* Whatever says who we are, or where that is proved, makes another key: a cache over many runs stands on it. */
static void each_identity_has_a_key_of_its_own(void **state)
{
    (void)state;
    PQ_AUTO_STRINGS seen = {0};
    want_other(&seen, "url: acme.azurecr.io, azure_principal_secret_name: azprincipal");
    want_other(&seen, "url: other.azurecr.io, azure_principal_secret_name: azprincipal");
    want_other(&seen, "url: acme.azurecr.io, azure_principal_secret_name: azprincipal, azure_tenant: a");
    want_other(&seen, "url: acme.azurecr.io, azure_principal_secret_name: azprincipal, azure_tenant: b");
    set("AZURE_AUTHORITY_HOST", "login.example.com");
    want_other(&seen, "url: acme.azurecr.io, azure_principal_secret_name: azprincipal, azure_tenant: a");
    (void)clean(NULL);
    static const char environment[] = "url: acme.azurecr.io, auth: environment";
    want_other(&seen, environment);
    want_other(&seen, "url: acme.azurecr.io, auth: environment, azure_client_id: c1");
    set("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1");
    want_other(&seen, environment);
    set("AZURE_TENANT_ID", "a");
    set("AZURE_CLIENT_ID", "c");
    set("AZURE_CLIENT_SECRET", "hush hush");
    want_other(&seen, environment);
    set("AZURE_CLIENT_SECRET", "hush again");
    want_other(&seen, environment);
    set("AZURE_CLIENT_ID", "d");
    want_other(&seen, environment);
}

static void each_job_has_a_key_of_its_own(void **state)
{
    (void)state;
    PQ_AUTO_STRINGS seen = {0};
    static const char variable[] =
        "url: acme.azurecr.io, auth: oidc, azure_tenant: a, azure_client_id: c, oidc_token_env: CI_TOKEN";
    static const char github[] = "url: acme.azurecr.io, auth: oidc, azure_tenant: a, azure_client_id: c";
    set("CI_TOKEN", "hush.job.one");
    want_other(&seen, variable);
    set("CI_TOKEN", "hush.job.two");
    want_other(&seen, variable);
    set("ACTIONS_ID_TOKEN_REQUEST_URL", "https://x");
    set("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "hush one");
    want_other(&seen, github);
    set("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "hush two");
    want_other(&seen, github);
    want_other(&seen, "url: acme.azurecr.io, auth: oidc, azure_tenant: a, azure_client_id: c, oidc_audience: x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_identity_has_a_key_of_its_own, clean),
        cmocka_unit_test_setup(each_job_has_a_key_of_its_own, clean),
    };
    return cmocka_run_group_tests(tests, NULL, clean);
}
