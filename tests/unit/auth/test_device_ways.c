#include "pq_cmocka.h"

#include "auth/auth.h"
#include "auth/common/kind.h"
#include "base/log.h"
#include "config/device.h"
#include "device_pem.h"
#include "fake_aws.h"

#define ECR "123456789012.dkr.ecr.us-east-2.amazonaws.com"
#define AUDIENCE "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/r"
/* {"alg":"none"}.{"exp":4102444800} */
#define REFRESH_TOKEN "eyJhbGciOiJub25lIn0.eyJleHAiOjQxMDI0NDQ4MDB9.c2ln"
#define KEYS                                                                                                           \
    "{\"accessKeyId\":\"ASIA\",\"secretAccessKey\":\"S\",\"sessionToken\":\"T\",\"expiration\":\"2100-01-01T00:00:"    \
    "00Z\"}"

/* A device.yml, its identity, and a stand-in for every cloud. */
typedef struct house {
    const char *folder;
    pq_config config;
    pq_secrets *secrets;
    fake_aws fake;
    pq_auth *auth;
} house;

static char *place(const char *folder, const char *name, const char *text, mode_t mode)
{
    PQ_AUTO_ERROR err = {0};
    char *path = pq_path_join(folder, name);
    assert_true(pq_write_file(path, mode, text, strlen(text), &err));
    return path;
}

static void build(house *h, const char *folder, const char *certificate, const char *key, const char *entry,
                  const fake_answer *answers, size_t count)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_ERRORS errors = {0};
    PQ_AUTO_FREE char *certificate_path = place(folder, "client.pem", certificate, 0644);
    PQ_AUTO_FREE char *key_path = place(folder, "pkey.pem", key, 0600);
    PQ_AUTO_FREE char *ca = place(folder, "root.crt", DEVICE_AUTHORITY, 0644);
    PQ_AUTO_FREE char *yaml = pq_asprintf("identity:\n  certificate: %s\n  key: %s\n  ca: %s\nregistries:\n- {%s}\n",
                                          certificate_path, key_path, ca, entry);
    pq_log_setup(PQ_QUIET, false);
    *h = (house){.folder = folder, .fake = {.answers = answers, .count = count}};
    if (!pq_config_parse_device(yaml, strlen(yaml), "device.yml", &h->config, &errors))
        fail_msg("%s: %s", errors.at[0].where, errors.at[0].message);
    const pq_secret_environment environment = {.home = folder};
    assert_true(pq_secrets_open(&environment, &h->secrets, &err));
    const pq_auth_options options = {
        .config = &h->config, .secrets = h->secrets, .send = fake_aws_send, .send_context = &h->fake};
    h->auth = pq_auth_new(&options);
}

static void pull_down(house *h)
{
    pq_auth_free(h->auth);
    pq_secrets_close(h->secrets);
    pq_config_clear(&h->config);
    fake_aws_clear(&h->fake);
}

static void want(house *h, const char *host, const char *user, const char *secret, const char *source)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_ERRORS errors = {0};
    PQ_AUTO_CREDENTIAL credential = {0};
    assert_true(pq_auth_check(h->auth, &errors));
    if (!pq_auth_get(h->auth, host, NULL, &credential, &err))
        fail_msg("%s: %s (%s)", err.where, err.message, err.hint);
    assert_string_equal(credential.username, user);
    assert_string_equal(pq_secret_bytes(credential.secret), secret);
    if (!strstr(credential.source, source))
        fail_msg("%s", credential.source);
}

/* Found offline, and again when it is asked for. */
static void want_problem(house *h, const char *host, const char *message)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_ERRORS errors = {0};
    PQ_AUTO_CREDENTIAL credential = {0};
    assert_false(pq_auth_check(h->auth, &errors));
    assert_false(pq_auth_get(h->auth, host, NULL, &credential, &err));
    if (errors.at[0].code != PQ_ECONFIG || err.code != PQ_ECONFIG || !strstr(errors.at[0].message, message) ||
        !strstr(err.message, message))
        fail_msg("%s: %s; %s", errors.at[0].where, errors.at[0].message, err.message);
    assert_int_equal(h->fake.calls, 0);
}

static void aws_by_iot(void **state)
{
    static const fake_answer answers[] = {{200, NULL, "{\"credentials\":" KEYS "}"}, {200, NULL, FAKE_ANSWER}};
    house h;
    build(&h, *state, DEVICE_EC, DEVICE_EC_KEY,
          "type: aws, url: " ECR ", iot: {endpoint: c2.credentials.iot.eu-west-1.amazonaws.com, role_alias: ecr-pull}",
          answers, 2);
    want(&h, ECR, "AWS", "pass:word", "iot, thing dev-7, role alias ecr-pull");
    assert_string_equal(h.fake.urls.at[1], "https://api.ecr.us-east-2.amazonaws.com/");
    assert_non_null(strstr(fake_aws_header(&h.fake, "Authorization"), "Credential=ASIA/"));
    assert_null(h.fake.shown); /* the certificate is for AWS IoT only */
    pull_down(&h);
}

static void aws_by_roles_anywhere(void **state)
{
    static const fake_answer answers[] = {{201, NULL,
                                           "{\"credentialSet\":[{\"assumedRoleUser\":{\"arn\":\"arn:aws:sts::1:assumed-"
                                           "role/pull/12\"},\"credentials\":" KEYS "}]}"},
                                          {200, NULL, FAKE_ANSWER}};
    static const char entry[] =
        "type: aws, url: " ECR ", roles_anywhere: {role_arn: \"arn:aws:iam::123456789012:role/pull\", profile_arn: "
        "\"arn:aws:rolesanywhere:eu-west-1:123456789012:profile/a\", trust_anchor_arn: "
        "\"arn:aws:rolesanywhere:eu-west-1:123456789012:trust-anchor/b\"}";
    house h;
    build(&h, *state, DEVICE_RSA, DEVICE_RSA_KEY, entry, answers, 2);
    want(&h, ECR, "AWS", "pass:word", "roles_anywhere, certificate dev-8, as arn:aws:sts::1:assumed-role/pull/12");
    assert_non_null(strstr(h.fake.urls.at[0], "https://rolesanywhere.eu-west-1.amazonaws.com/sessions?"));
    assert_string_equal(h.fake.urls.at[1], "https://api.ecr.us-east-2.amazonaws.com/");
    pull_down(&h);
}

static void azure_by_an_assertion(void **state)
{
    static const fake_answer answers[] = {{200, NULL, "{\"access_token\":\"entra\",\"expires_in\":3600}"},
                                          {200, NULL, "{\"refresh_token\":\"" REFRESH_TOKEN "\"}"}};
    static const char entry[] = "type: azure, url: acme.azurecr.io, entra: {tenant: contoso.example, client_id: "
                                "11111111-2222-3333-4444-555555555555}";
    house h;
    build(&h, *state, DEVICE_RSA, DEVICE_RSA_KEY, entry, answers, 2);
    want(&h, "acme.azurecr.io", "00000000-0000-0000-0000-000000000000", REFRESH_TOKEN, "entra, tenant contoso.example");
    assert_string_equal(h.fake.urls.at[0], "https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token");
    assert_non_null(strstr(h.fake.bodies.at[0], "client_id=11111111-2222-3333-4444-555555555555"));
    assert_non_null(strstr(h.fake.bodies.at[0], "client_assertion=ey"));
    pull_down(&h);
    build(&h, *state, DEVICE_EC, DEVICE_EC_KEY, entry, NULL, 0);
    want_problem(&h, "acme.azurecr.io",
                 "Entra ID takes assertions of RSA keys only, and the device's key is one of P-256");
    pull_down(&h);
}

/* Google's bound for a certificate's life, 390 days, is one that the clock of this machine will pass: not by pq_auth,
 * which looks at dates. */
static bool ask_google(house *h, pq_identity *identity, bool check, pq_credential *out, pq_error *err)
{
    pq_auth_run run = {.config = &h->config, .send = fake_aws_send, .send_context = &h->fake};
    const pq_auth_ask ask = {.entry = &h->config.registries[0],
                             .identity = identity,
                             .secret_name = "federation",
                             .where = "device.yml:5",
                             .host = "us-docker.pkg.dev",
                             .run = &run};
    PQ_AUTO_ERRORS errors = {0};
    if (!check)
        return pq_auth_kind_gar.get(&ask, out, err);
    if (pq_auth_kind_gar.check(&ask, &errors))
        return true;
    pq_error_move(err, &errors.at[0]);
    return false;
}

static void google_by_federation(void **state)
{
    static const fake_answer answers[] = {
        {200, NULL, "{\"access_token\":\"federated\",\"expires_in\":3600}"},
        {200, NULL, "{\"accessToken\":\"account\",\"expireTime\":\"2100-01-01T00:00:00Z\"}"}};
    house h;
    build(&h, *state, DEVICE_YEAR DEVICE_AUTHORITY, DEVICE_EC_KEY,
          "type: gar, federation: {audience: " AUDIENCE ", service_account: pull@acme.iam.gserviceaccount.com}",
          answers, 2);
    PQ_AUTO_IDENTITY *identity = device_open(*state, DEVICE_YEAR DEVICE_AUTHORITY, DEVICE_EC_KEY);
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_CREDENTIAL credential = {0};
    assert_true(ask_google(&h, identity, true, NULL, &err));
    if (!ask_google(&h, identity, false, &credential, &err))
        fail_msg("%s", err.message);
    assert_string_equal(pq_secret_bytes(credential.secret), "account");
    assert_string_equal(credential.source, "federation, service account pull@acme.iam.gserviceaccount.com");
    assert_string_equal(h.fake.urls.at[0], "https://sts.mtls.googleapis.com/v1/token");
    const char *form = h.fake.bodies.at[0];
    assert_non_null(strstr(form, "subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Amtls"));
    assert_non_null(strstr(form, "subject_token=%5B%22MII"));
    assert_non_null(strstr(strstr(form, "%22%2C%22MII"), "%22%5D")); /* leaf and authority */
    assert_null(h.fake.shown);                                       /* by the second call */
    pull_down(&h);
    build(&h, *state, DEVICE_YEAR, DEVICE_EC_KEY, "type: gar, federation: {audience: " AUDIENCE "}", answers, 1);
    pq_credential_clear(&credential);
    assert_true(ask_google(&h, identity, false, &credential, &err));
    assert_string_equal(pq_secret_bytes(credential.secret), "federated");
    assert_string_equal(credential.source, "federation, workload identity pool p/providers/r");
    assert_ptr_equal(h.fake.shown, identity);
    pull_down(&h);
}

static void what_google_does_not_take_is_known_before(void **state)
{
    house h;
    PQ_AUTO_ERROR err = {0};
    build(&h, *state, DEVICE_EC, DEVICE_EC_KEY, "type: gar, federation: {audience: " AUDIENCE "}", NULL, 0);
    want_problem(&h, "us-docker.pkg.dev",
                 "Google takes no certificate that lives longer than 390 days, and this one is for 36525");
    pull_down(&h);
    PQ_AUTO_IDENTITY *identity = device_open(
        *state, DEVICE_YEAR DEVICE_AUTHORITY DEVICE_AUTHORITY DEVICE_AUTHORITY DEVICE_AUTHORITY DEVICE_AUTHORITY,
        DEVICE_EC_KEY);
    build(&h, *state, DEVICE_YEAR, DEVICE_EC_KEY, "type: gar, federation: {audience: " AUDIENCE "}", NULL, 0);
    assert_false(ask_google(&h, identity, true, NULL, &err));
    assert_non_null(strstr(err.message, "a chain of 5 certificates at most, and this one has 6"));
    pull_down(&h);
}

static void google_tells_why(void **state)
{
    static const char *const told[][3] = {
        {"The certificate is not of the trust store.", "Google does not take the certificate (invalid_grant)",
         "trust anchors of " AUDIENCE},
        {"The certificate has expired.", "not within its dates, by Google's clock", "a new one"},
        {"The certificate is not the one of the mutual TLS connection.", "saw in the TLS handshake is not the device's",
         "proxy"},
        {"The given credential is rejected by the attribute condition.", "condition does not let this certificate in",
         "which of its names"},
    };
    PQ_AUTO_IDENTITY *identity = device_open(*state, DEVICE_YEAR, DEVICE_EC_KEY);
    for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
        PQ_AUTO_FREE char *body = pq_asprintf("{\"error\":\"invalid_grant\",\"error_description\":\"%s\"}", told[i][0]);
        const fake_answer answer = {400, NULL, body};
        house h;
        PQ_AUTO_ERROR err = {0};
        PQ_AUTO_CREDENTIAL credential = {0};
        build(&h, *state, DEVICE_YEAR, DEVICE_EC_KEY, "type: gar, federation: {audience: " AUDIENCE "}", &answer, 1);
        assert_false(ask_google(&h, identity, false, &credential, &err));
        if (err.code != PQ_EDENIED || !strstr(err.message, told[i][1]) || !err.hint || !strstr(err.hint, told[i][2]))
            fail_msg("case %zu: %s (%s)", i, err.message, err.hint);
        pull_down(&h);
    }
}

static void anything_by_a_gateway(void **state)
{
    static const fake_answer answer = {200, NULL, "{\"Username\":\"u\",\"Secret\":\"s\"}"};
    static const char entry[] = "type: gateway, url: hub.example.com, gateway: \"https://gateway.example.com:8443\"";
    house h;
    build(&h, *state, DEVICE_EC, DEVICE_EC_KEY, entry, &answer, 1);
    want(&h, "hub.example.com", "u", "s", "gateway https://gateway.example.com:8443, certificate dev-7");
    assert_string_equal(pq_auth_access(h.auth, "hub.example.com"), "gateway");
    assert_non_null(h.fake.shown);
    assert_true(h.fake.alone && pq_ends_with(h.fake.ca_file, "/root.crt"));
    /* Never for another host. */
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_CREDENTIAL other = {0};
    assert_true(pq_auth_get(h.auth, "gateway.example.com:8443", NULL, &other, &err));
    assert_null(other.secret);
    pull_down(&h);
    build(&h, *state, DEVICE_EC, DEVICE_EC_KEY, entry, &answer, 1);
    free(place(*state, "root.crt", "nonsense", 0644));
    PQ_AUTO_ERRORS errors = {0};
    assert_false(pq_auth_check(h.auth, &errors));
    assert_non_null(strstr(errors.at[0].message, "identity.ca, which the gateway is trusted by: holds no certificate"));
    pull_down(&h);
}

/* --- the static file ---------------------------------------------------------------------------------------------- */

static size_t warnings_of(const char *text)
{
    size_t count = 0;
    for (size_t i = 0; i < pq_warnings()->count; i++)
        count += strstr(pq_warnings()->at[i].message, text) != NULL;
    return count;
}

static void a_copied_file_is_a_secret_and_warned_of(void **state)
{
    static const fake_answer answer = {200, NULL, FAKE_ANSWER};
    static const struct {
        const char *entry, *text, *host, *user, *secret;
    } cases[] = {
        {"type: aws, url: " ECR,
         "[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = "
         "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n",
         ECR, "AWS", "pass:word"},
        {"type: azure, url: acme.azurecr.io", "11111111-2222-3333-4444-555555555555:p~w:d\n", "acme.azurecr.io",
         "11111111-2222-3333-4444-555555555555", "p~w:d"},
        {"type: generic, url: ghcr.example", "bot:token\n", "ghcr.example", "bot", "token"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        PQ_AUTO_FREE char *name = pq_asprintf("static-%zu", i);
        PQ_AUTO_FREE char *path = place(*state, name, cases[i].text, 0600);
        PQ_AUTO_FREE char *entry = pq_asprintf("%s, credentials_file: %s", cases[i].entry, path);
        house h;
        build(&h, *state, DEVICE_EC, DEVICE_EC_KEY, entry, &answer, 1);
        want(&h, cases[i].host, cases[i].user, cases[i].secret, path);
        assert_int_equal(warnings_of(path), 1);
        pull_down(&h);
    }
}

static void a_copied_file_leads_nowhere_and_is_for_nobody_else(void **state)
{
    PQ_AUTO_FREE char *program = place(*state, "program", "[default]\ncredential_process = /bin/echo LEAK\n", 0600);
    PQ_AUTO_FREE char *open = place(*state, "open", "bot:token\n", 0640);
    const struct {
        const char *type, *path, *message;
    } cases[] = {{"type: aws, url: " ECR, program, "credential_process"},
                 {"type: generic, url: ghcr.example", open, "can be read by others (mode 0640)"},
                 {"type: generic, url: ghcr.example", "/nonexistent", "no such file"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        PQ_AUTO_FREE char *entry = pq_asprintf("%s, credentials_file: %s", cases[i].type, cases[i].path);
        house h;
        build(&h, *state, DEVICE_EC, DEVICE_EC_KEY, entry, NULL, 0);
        want_problem(&h, i ? "ghcr.example" : ECR, cases[i].message);
        pull_down(&h);
    }
}

/* --- keys -----------------------------------------------------------------------------------------------------------
 */

static char *key_of(const char *folder, const char *certificate, const char *key, const char *text)
{
    house h;
    build(&h, folder, certificate, key, text, NULL, 0);
    PQ_AUTO_IDENTITY *identity = device_open(folder, certificate, key);
    const pq_config_registry *entry = &h.config.registries[0];
    pq_auth_run run = {.config = &h.config, .secrets = h.secrets};
    const pq_auth_ask ask = {.entry = entry,
                             .identity = identity,
                             .secret_name = pq_config_device_way(entry->auth),
                             .where = "device.yml:5",
                             .host = entry->host.text ? entry->host.text : "us-docker.pkg.dev",
                             .run = &run};
    const pq_auth_kind *const kinds[] = {[PQ_REGISTRY_AZURE] = &pq_auth_kind_azure,
                                         [PQ_REGISTRY_GAR] = &pq_auth_kind_gar,
                                         [PQ_REGISTRY_GATEWAY] = &pq_auth_kind_gateway};
    char *made = kinds[entry->type]->share_key(&ask);
    pull_down(&h);
    return made;
}

static void each_identity_has_a_key_of_its_own(void **state)
{
    static const char *const entries[] = {
        "type: azure, url: acme.azurecr.io, entra: {tenant: a, client_id: 11111111-2222-3333-4444-55555555555c}",
        "type: azure, url: acme.azurecr.io, entra: {tenant: b, client_id: 11111111-2222-3333-4444-55555555555c}",
        "type: azure, url: acme.azurecr.io, entra: {tenant: a, client_id: 11111111-2222-3333-4444-55555555555d}",
        "type: azure, url: other.azurecr.io, entra: {tenant: a, client_id: 11111111-2222-3333-4444-55555555555c}",
        "type: gar, federation: {audience: " AUDIENCE "}",
        "type: gar, federation: {audience: " AUDIENCE "2}",
        "type: gar, federation: {audience: " AUDIENCE ", service_account: x@p.iam.gserviceaccount.com}",
        "type: gateway, url: hub.example.com, gateway: \"https://a.example.com\"",
        "type: gateway, url: hub.example.com, gateway: \"https://b.example.com\"",
        "type: gateway, url: other.example.com, gateway: \"https://a.example.com\"",
    };
    PQ_AUTO_STRINGS seen = {0};
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        PQ_AUTO_FREE char *key = key_of(*state, DEVICE_RSA, DEVICE_RSA_KEY, entries[i]);
        PQ_AUTO_FREE char *again = key_of(*state, DEVICE_RSA, DEVICE_RSA_KEY, entries[i]);
        assert_string_equal(key, again);
        if (!pq_strings_add_once(&seen, key))
            fail_msg("the same again: %s", key);
        PQ_AUTO_FREE char *other = key_of(*state, DEVICE_EC, DEVICE_EC_KEY, entries[i]);
        if (!pq_strings_add_once(&seen, other) && !strstr(entries[i], "azure"))
            fail_msg("the same again with another certificate: %s", other);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(aws_by_iot, pq_folder_make, pq_folder_remove),
        cmocka_unit_test_setup_teardown(aws_by_roles_anywhere, pq_folder_make, pq_folder_remove),
        cmocka_unit_test_setup_teardown(azure_by_an_assertion, pq_folder_make, pq_folder_remove),
        cmocka_unit_test_setup_teardown(google_by_federation, pq_folder_make, pq_folder_remove),
        cmocka_unit_test_setup_teardown(what_google_does_not_take_is_known_before, pq_folder_make, pq_folder_remove),
        cmocka_unit_test_setup_teardown(google_tells_why, pq_folder_make, pq_folder_remove),
        cmocka_unit_test_setup_teardown(anything_by_a_gateway, pq_folder_make, pq_folder_remove),
        cmocka_unit_test_setup_teardown(a_copied_file_is_a_secret_and_warned_of, pq_folder_make, pq_folder_remove),
        cmocka_unit_test_setup_teardown(a_copied_file_leads_nowhere_and_is_for_nobody_else, pq_folder_make,
                                        pq_folder_remove),
        cmocka_unit_test_setup_teardown(each_identity_has_a_key_of_its_own, pq_folder_make, pq_folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
