#include "pq_cmocka.h"

#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "config/config.h"
#include "config/device.h"

#define NAME "device.yml"
#define ECR "123456789012.dkr.ecr.us-east-2.amazonaws.com"
#define IDENTITY "identity: {certificate: /c.pem, key: /k.pem}\nregistries:\n"
#define IOT "iot: {endpoint: c2x.credentials.iot.us-east-2.amazonaws.com, role_alias: ecr-pull"

static void load(const char *text, pq_config *out)
{
    PQ_AUTO_ERRORS errs = {0};
    if (!pq_config_parse_device(text, strlen(text), NAME, out, &errs))
        fail_msg("%s: %s (%s)", errs.at[0].where, errs.at[0].message, errs.at[0].hint ? errs.at[0].hint : "");
    assert_int_equal(errs.count, 0);
    assert_true(out->device.is_device);
}

/* All the errors, each as `LINE:COLUMN: message (hint)`, one on a line, must be `expected`. */
static void refuse(const char *text, const char *expected)
{
    PQ_AUTO_ERRORS errs = {0};
    pq_config config = {0};
    assert_false(pq_config_parse_device(text, strlen(text), NAME, &config, &errs));
    assert_null(config.name);
    PQ_AUTO_BUF told = PQ_BUF(PQ_MAX_TEXT);
    for (size_t i = 0; i < errs.count; i++) {
        const pq_error *err = &errs.at[i];
        const char *where = err->where;
        if (pq_starts_with(where, NAME ":"))
            where += strlen(NAME ":");
        pq_buf_addf(&told, "%s: %s", where, err->message);
        if (err->hint)
            pq_buf_addf(&told, " (%s)", err->hint);
        pq_buf_adds(&told, "\n");
        assert_true(err->code == PQ_ECONFIG || err->code == PQ_EINPUT);
    }
    if (strcmp(pq_buf_text(&told), expected) != 0)
        fail_msg("for\n%s\ntold\n%s\nnot\n%s", text, pq_buf_text(&told), expected);
}

/* The example that devices.md and the programme's plan began with, its ellipses filled in. */
static const char example[] =
    "identity:\n"
    "  certificate: /var/sota/client.pem        # or pkcs11:token=…;object=…\n"
    "  key: /var/sota/pkey.pem                  # or pkcs11:…, the PIN from pin-source, never inline\n"
    "  ca: /var/sota/root.crt                   # trust for the gateway\n"
    "registries:\n"
    "- type: aws                                # AWS IoT credentials provider\n"
    "  url: 123456789012.dkr.ecr.us-east-2.amazonaws.com\n"
    "  iot: {endpoint: c2example.credentials.iot.us-east-2.amazonaws.com, role_alias: ecr-pull, thing_name: dev-7}\n"
    "- type: aws                                # IAM Roles Anywhere, the same certificate\n"
    "  url: 210987654321.dkr.ecr.eu-west-1.amazonaws.com\n"
    "  roles_anywhere: {profile_arn: \"arn:aws:rolesanywhere:eu-west-1:210987654321:profile/p\", role_arn: "
    "\"arn:aws:iam::210987654321:role/pull\", trust_anchor_arn: "
    "\"arn:aws:rolesanywhere:eu-west-1:210987654321:trust-anchor/t\"}\n"
    "- type: azure                              # Entra ID, certificate assertion\n"
    "  url: acme.azurecr.io\n"
    "  entra: {tenant: contoso.onmicrosoft.com, client_id: 11111111-2222-3333-4444-555555555555}\n"
    "- type: gar                                # workload identity federation, X.509\n"
    "  federation: {audience: "
    "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q}\n"
    "- type: gateway                            # a device gateway that hands out registry credentials (hub-creds)\n"
    "  url: hub.example.com\n"
    "  gateway: https://gateway.example.com:8443\n"
    "- type: aws                                # while bootstrapping only: a copied file; every use warns\n"
    "  url: 333333333333.dkr.ecr.us-east-2.amazonaws.com\n"
    "  credentials_file: /etc/pratique/aws-credentials\n";

static void the_example(void **state)
{
    (void)state;
    PQ_AUTO_CONFIG config = {0};
    load(example, &config);
    assert_string_equal(config.device.certificate.text, "/var/sota/client.pem");
    assert_int_equal(config.device.certificate.line, 2);
    assert_string_equal(config.device.key.text, "/var/sota/pkey.pem");
    assert_string_equal(config.device.ca.text, "/var/sota/root.crt");
    assert_int_equal(config.device.line, 1);
    static const pq_config_auth ways[] = {PQ_AUTH_IOT,        PQ_AUTH_ROLES_ANYWHERE, PQ_AUTH_ENTRA,
                                          PQ_AUTH_FEDERATION, PQ_AUTH_GATEWAY,        PQ_AUTH_FILE};
    static const char *const names[] = {"iot", "roles_anywhere", "entra", "federation", "gateway", "credentials_file"};
    assert_int_equal(config.registry_count, 6);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(config.registries[i].auth, ways[i]);
        assert_string_equal(pq_config_device_way(ways[i]), names[i]);
    }
    const pq_config_registry *iot = &config.registries[0], *anywhere = &config.registries[1],
                             *entra = &config.registries[2], *google = &config.registries[3],
                             *gateway = &config.registries[4], *file = &config.registries[5];
    assert_string_equal(iot->iot_endpoint.text, "c2example.credentials.iot.us-east-2.amazonaws.com");
    assert_string_equal(iot->iot_role_alias.text, "ecr-pull");
    assert_string_equal(iot->iot_thing_name.text, "dev-7");
    assert_string_equal(iot->region.text, "us-east-2");
    assert_int_equal(iot->auth_line, 8);
    assert_string_equal(anywhere->profile_arn.text, "arn:aws:rolesanywhere:eu-west-1:210987654321:profile/p");
    assert_string_equal(anywhere->anywhere_role_arn.text, "arn:aws:iam::210987654321:role/pull");
    assert_null(anywhere->role_arn.text);
    assert_string_equal(anywhere->trust_anchor_arn.text, "arn:aws:rolesanywhere:eu-west-1:210987654321:trust-anchor/t");
    assert_string_equal(entra->azure_tenant.text, "contoso.onmicrosoft.com");
    assert_string_equal(entra->azure_client_id.text, "11111111-2222-3333-4444-555555555555");
    assert_null(google->host.text);
    assert_non_null(google->audience.text);
    assert_int_equal(gateway->type, PQ_REGISTRY_GATEWAY);
    assert_string_equal(gateway->gateway.text, "https://gateway.example.com:8443");
    assert_string_equal(file->credentials_file.text, "/etc/pratique/aws-credentials");
    assert_null(pq_config_device_way(PQ_AUTH_SECRET));
    assert_ptr_equal(pq_config_registry_for_host(&config, "HUB.example.com"), gateway);
    assert_ptr_equal(pq_config_registry_for_host(&config, "eu-docker.pkg.dev"), google);
}

static void what_is_good(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "registries: []\n",
        "identity: {certificate: 'PKCS11:token=a;object=b', key: 'pkcs11:token=a;object=b?pin-source=file:/pin'}\n",
        "registries:\n- {type: generic, url: 'ghcr.io:443', credentials_file: /a}\n",
        "registries:\n- {type: gar, credentials_file: /a}\n",
        IDENTITY "- {type: aws, url: " ECR ", region: us-east-2, " IOT ", thing_name: 'a:b-c_1'}}\n",
        IDENTITY "- {type: gateway, url: hub.example.com, gateway: 'https://[fd00::1]:8443/below'}\n",
        IDENTITY "- {type: gar, url: us-docker.pkg.dev, federation: {audience: "
                 "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q, "
                 "service_account: a@b.iam.gserviceaccount.com}}\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        PQ_AUTO_CONFIG config = {0};
        load(texts[i], &config);
    }
}

static void the_form_of_the_file(void **state)
{
    (void)state;
    refuse("- x\n", "1:1: a mapping with `identity` and `registries` is needed, but this is a list (begin with "
                    "`identity:`)\n");
    refuse("registries: []\n---\nregistries: []\n", "3:1: a second YAML document (put all of it into one)\n");
    refuse("registries: {}\n",
           "1:13: `registries` must be a list, but this is a mapping (put `- ` before the first key of "
           "each entry)\n");
    refuse("container_registries: []\n", "1:1: unknown key (that is a factory-config.yml; a device.yml has "
                                         "`registries`)\n");
    refuse("registry: []\n", "1:1: unknown key (known are `identity`, `registries`)\n");
    refuse("registries: [x]\n", "1:14: registry 1: an entry must be a mapping, but this is a text (begin it with "
                                "`- type: …`)\n");
}

static void the_identity(void **state)
{
    (void)state;
    refuse("identity: x\n", "1:11: `identity` must be a mapping, but this is a text\n");
    refuse("identity: {}\n", "1:1: identity: `certificate` is missing\n1:1: identity: `key` is missing\n");
    refuse("identity:\n  certificate: client.pem\n  key: 7\n  ca: x\n  cert: y\n",
           "2:16: identity: `certificate` must be an absolute path, or a URI that begins with pkcs11:\n"
           "3:8: identity: `key` must be a text, but this is a number (if it is meant, put it in quotes)\n"
           "4:7: identity: `ca` must be an absolute path\n"
           "5:3: identity: unknown key (known are `certificate`, `key`, `ca`)\n");
    refuse("identity: {certificate: /c, key: 'pkcs11:object=k?pin-value=1234'}\n",
           "1:35: identity: `key` must be without `pin-value`: put the PIN into a file (mode 0600) and name it, "
           "`pin-source=file:/etc/pratique/pin`\n");
    refuse("registries:\n- {type: aws, url: " ECR ", " IOT "}}\n",
           "1:1: `identity` is missing (add `identity:` with `certificate:` and `key:`)\n");
}

static void one_way_for_each_entry(void **state)
{
    (void)state;
    refuse(IDENTITY "- {type: aws, url: " ECR "}\n",
           "3:3: registry 1: it is not said how the device proves itself (say `iot` or `roles_anywhere` or "
           "`credentials_file`)\n");
    refuse(IDENTITY "- {type: generic, url: ghcr.io}\n",
           "3:3: registry 1: it is not said how the device proves itself (say `credentials_file`)\n");
    refuse(IDENTITY "- {type: gateway, url: hub.example.com}\n",
           "3:3: registry 1: it is not said how the device proves itself (say `gateway`)\n");
    refuse(IDENTITY "- type: aws\n  url: " ECR "\n  credentials_file: /a\n  " IOT "}\n",
           "5:3: registry 1: `credentials_file` and `iot` exclude each other (remove one)\n");
    refuse(IDENTITY "- type: azure\n  url: a.azurecr.io\n  " IOT "}\n",
           "5:3: registry 1: `iot` belongs to entries of type aws, not azure\n");
    refuse(IDENTITY "- {type: gcr, url: gcr.io, credentials_file: /a}\n",
           "3:10: registry 1: `type` must be aws, azure, gar, generic or gateway (did you mean `gar`?)\n");
    refuse(IDENTITY "- {type: generic, credentials_file: /a}\n",
           "3:3: registry 1: `url` is missing (add the registry's host, such as `url: registry.example.com`)\n");
    refuse(IDENTITY "- {type: generic, url: ghcr.io, credentials_file: a}\n",
           "3:51: registry 1: `credentials_file` must be an absolute path\n");
}

static void settings_of_iot(void **state)
{
    (void)state;
    refuse(IDENTITY "- type: aws\n  url: " ECR "\n  iot: {}\n",
           "5:3: registry 1: `iot.endpoint` is missing\n5:3: registry 1: `iot.role_alias` is missing\n");
    refuse(IDENTITY "- type: aws\n  url: " ECR "\n  iot: yes\n",
           "5:8: registry 1: `iot` must be a mapping, but this is true or false\n");
    refuse(IDENTITY "- type: aws\n  url: " ECR "\n  iot:\n    endpoint: https://x.y/\n    role_alias: a/b\n"
                    "    thing_name: a b\n    thing: x\n",
           "6:15: registry 1: `iot.endpoint` must be the host that `aws iot describe-endpoint --endpoint-type "
           "iot:CredentialProvider` prints, without https:// and path\n"
           "7:17: registry 1: `iot.role_alias` must be the name of a role alias: letters, digits and _=,@-\n"
           "8:17: registry 1: `iot.thing_name` must be the name of a thing: letters, digits and :_-\n"
           "9:5: registry 1: unknown key in `iot` (known are `endpoint`, `role_alias`, `thing_name`)\n");
}

#define ANYWHERE(profile, role, anchor)                                                                                \
    IDENTITY "- type: aws\n  url: " ECR "\n  roles_anywhere:\n    profile_arn: " profile "\n    role_arn: " role       \
             "\n    trust_anchor_arn: " anchor "\n"
#define OF "arn:aws:rolesanywhere:us-east-2:123456789012:"

static void settings_of_roles_anywhere(void **state)
{
    (void)state;
    PQ_AUTO_CONFIG config = {0};
    load(ANYWHERE(OF "profile/a", "arn:aws:iam::123456789012:role/x/y", OF "trust-anchor/b"), &config);
    refuse(ANYWHERE(OF "trust-anchor/a", "device-pull", OF "profile/b"),
           "6:18: registry 1: `roles_anywhere.profile_arn` must be a profile such as "
           "arn:aws:rolesanywhere:eu-west-1:123456789012:profile/ID\n"
           "7:15: registry 1: `roles_anywhere.role_arn` must be a role such as "
           "arn:aws:iam::123456789012:role/pull\n"
           "8:23: registry 1: `roles_anywhere.trust_anchor_arn` must be a trust anchor such as "
           "arn:aws:rolesanywhere:eu-west-1:123456789012:trust-anchor/ID\n");
    refuse(ANYWHERE("arn:aws:rolesanywhere:eu-west-1:123456789012:profile/a", "arn:aws:iam::210987654321:role/x",
                    OF "trust-anchor/b"),
           "6:18: registry 1: the profile is not of the account and region of the trust anchor\n"
           "7:15: registry 1: the role is not of the account of the trust anchor (a role of another account is assumed "
           "from a role of this one)\n");
    static const char *const wrong[] = {
        "arn:aws:rolesanywhere:us-east-2:12345678901:profile/a", "arn:aws:rolesanywhere::123456789012:profile/a",
        "arn:aws:rolesanywhere:us-east-2:123456789012:profile/", "arn:aws:iam:us-east-2:123456789012:profile/a",
        "arn:aws:rolesanywhere:us-east-2:123456789012:profile/a b"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        PQ_AUTO_FREE char *text = pq_asprintf(
            IDENTITY "- type: aws\n  url: " ECR "\n  roles_anywhere: {profile_arn: '%s', "
                     "role_arn: arn:aws:iam::123456789012:role/x, trust_anchor_arn: " OF "trust-anchor/b}\n",
            wrong[i]);
        refuse(text, "5:34: registry 1: `roles_anywhere.profile_arn` must be a profile such as "
                     "arn:aws:rolesanywhere:eu-west-1:123456789012:profile/ID\n");
    }
}

static void wrong_indentation_is_told_as_that(void **state)
{
#define LOOK                                                                                                           \
    " (look at the indentation, of the line before too: entries of one list or mapping begin in the same column)\n"
    (void)state;
    refuse("identity:\n    certificate: /c.pem\n  key: /k.pem\n", "3:3: YAML: a key begins in the wrong column" LOOK);
    refuse("registries:\n- type: aws\n  url: x\n  - type: azure\n", "4:3: YAML: a key was expected here" LOOK);
    refuse("registries:\n - type: aws\n  - type: azure\n",
           "3:3: YAML: an entry of a list begins in the wrong column" LOOK);
    refuse("registries:\n  - type: aws\n - type: azure\n",
           "3:2: YAML: an entry of a list begins in the wrong column" LOOK);
#undef LOOK
}

static void settings_of_the_others(void **state)
{
    (void)state;
    refuse(
        IDENTITY "- {type: azure, url: a.azurecr.io, entra: {tenant: 'a b'}}\n",
        "3:36: registry 1: `entra.client_id` is missing\n"
        "3:53: registry 1: `entra.tenant` must be an id such as 72f988bf-86f1-41af-91ab-2d7cd011db47, or a domain of "
        "the tenant\n");
    static const char *const names_of_it[] = {"device-pull", "72f988bf-86f1-41af-91ab-2d7cd011db4",
                                              "72f988bf-86f1-41af-91ab-2d7cd011db477", "api://device-pull"};
    for (size_t i = 0; i < sizeof names_of_it / sizeof *names_of_it; i++) {
        PQ_AUTO_FREE char *text = pq_asprintf(
            IDENTITY "- {type: azure, url: a.azurecr.io, entra: {client_id: %s, tenant: a}}\n", names_of_it[i]);
        refuse(text, "3:55: registry 1: `entra.client_id` must be the application's (client) id, such as "
                     "72f988bf-86f1-41af-91ab-2d7cd011db47\n");
    }
    refuse(IDENTITY "- {type: gateway, url: hub.example.com, gateway: 'https://gateway.example.com:8443/hub-creds/'}\n",
           "3:51: registry 1: `gateway` must be without /hub-creds/, which is added to it\n");
    refuse(IDENTITY
           "- {type: gar, federation: {audience: projects/1/locations/global/workloadIdentityPools/p/providers/q}}\n",
           "3:38: registry 1: `federation.audience` must be "
           "//iam.googleapis.com/projects/N/locations/global/workloadIdentityPools/POOL/providers/PROVIDER\n");
    static const char *const gateways[] = {"http://gateway.example.com",
                                           "https://",
                                           "https:///x",
                                           "gateway.example.com",
                                           "https://user@gateway.example.com",
                                           "https://gateway.example.com/?a",
                                           "https://gateway example.com"};
    for (size_t i = 0; i < sizeof gateways / sizeof *gateways; i++) {
        PQ_AUTO_FREE char *text =
            pq_asprintf(IDENTITY "- {type: gateway, url: hub.example.com, gateway: '%s'}\n", gateways[i]);
        refuse(text, "3:51: registry 1: `gateway` must be an https address such as https://gateway.example.com:8443\n");
    }
    refuse(IDENTITY "- {type: generic, url: ghcr.io, credentials_file: /a}\n- {type: gateway, url: GHCR.io, gateway: "
                    "'https://g'}\n",
           "4:24: registry 2: the same host as in registry 1, on line 3: ghcr.io (keep one entry for a host)\n");
}

int main(void)
{
    pq_log_setup(PQ_QUIET, false);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example),
        cmocka_unit_test(what_is_good),
        cmocka_unit_test(the_form_of_the_file),
        cmocka_unit_test(the_identity),
        cmocka_unit_test(one_way_for_each_entry),
        cmocka_unit_test(settings_of_iot),
        cmocka_unit_test(settings_of_roles_anywhere),
        cmocka_unit_test(wrong_indentation_is_told_as_that),
        cmocka_unit_test(settings_of_the_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
