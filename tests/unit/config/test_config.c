#include "pq_cmocka.h"

#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "config/config.h"

#define NAME "factory-config.yml"

static void load(const char *text, pq_config *out)
{
    PQ_AUTO_ERRORS errs = {0};
    if (!pq_config_parse(text, strlen(text), NAME, out, &errs))
        fail_msg("%s: %s (%s)", errs.at[0].where, errs.at[0].message, errs.at[0].hint ? errs.at[0].hint : "");
    assert_int_equal(errs.count, 0);
}

/* All the errors, each as `LINE:COLUMN: message (hint)`, one on a line, must be `expected`. */
static void refuse(const char *text, const char *expected)
{
    PQ_AUTO_ERRORS errs = {0};
    pq_config config = {0};
    assert_false(pq_config_parse(text, strlen(text), NAME, &config, &errs));
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

/* The example of interface.md, with the role and the ids filled in. */
static const char *const example = "container_registries:\n"
                                   "- type: aws\n"
                                   "  region: us-east-2                      # default: read from url\n"
                                   "  url: 123456789012.dkr.ecr.us-east-2.amazonaws.com\n"
                                   "  aws_creds_secret_name: aws_creds\n"
                                   "  profile: ci\n"
                                   "  role_arn: arn:aws:iam::123456789012:role/pull\n"
                                   "  external_id: x-1\n"
                                   "  role_session_name: ci@acme\n"
                                   "- type: azure\n"
                                   "  url: acme.azurecr.io\n"
                                   "  azure_principal_secret_name: azprincipal\n"
                                   "  azure_tenant: contoso.onmicrosoft.com\n"
                                   "- type: gar\n"
                                   "  gar_creds_secret_name: gcp_creds\n"
                                   "  service_account: pull@acme.iam.gserviceaccount.com\n"
                                   "- type: generic\n"
                                   "  url: GHCR.io:443\n"
                                   "  generic_secret_name: ghcr_creds\n"
                                   "- type: aws\n"
                                   "  url: 210987654321.dkr.ecr.eu-west-1.amazonaws.com\n"
                                   "  auth: oidc\n"
                                   "  role_arn: arn:aws:iam::210987654321:role/ci-pull\n"
                                   "  oidc_audience: sts.amazonaws.com\n"
                                   "  oidc_token_env: CI_TOKEN\n"
                                   "hub:\n"
                                   "  url: Hub.example.com/acme\n"
                                   "  hub_secret_name: hub_creds\n"
                                   "tuf:\n"
                                   "  targets_expire_after: 1Y3M5D\n"
                                   "lmp:\n"
                                   "  machines: [raspberrypi4-64]\n"
                                   "  something: {of: theirs}\n"
                                   "containers:\n"
                                   "  platforms: [arm, arm64, amd64]\n"
                                   "  docker_build_secrets: false\n"
                                   "  preloaded: 1\n"
                                   "mfg_tools:\n"
                                   "- machine: x\n";

static void the_example_of_the_contract_is_read(void **state)
{
    (void)state;
    PQ_AUTO_CONFIG config = {0};
    load(example, &config);
    assert_int_equal(config.registry_count, 5);
    const pq_config_registry *aws = &config.registries[0];
    assert_int_equal(aws->type, PQ_REGISTRY_AWS);
    assert_int_equal(aws->auth, PQ_AUTH_SECRET);
    assert_int_equal(aws->number, 1);
    assert_int_equal(aws->line, 2);
    assert_string_equal(aws->host.text, "123456789012.dkr.ecr.us-east-2.amazonaws.com");
    assert_int_equal(aws->host.line, 4);
    assert_string_equal(aws->secret.text, "aws_creds");
    assert_int_equal(aws->secret.line, 5);
    assert_string_equal(aws->region.text, "us-east-2");
    assert_string_equal(aws->profile.text, "ci");
    assert_string_equal(aws->role_arn.text, "arn:aws:iam::123456789012:role/pull");
    assert_string_equal(aws->external_id.text, "x-1");
    assert_string_equal(aws->role_session_name.text, "ci@acme");
    const pq_config_registry *azure = &config.registries[1];
    assert_string_equal(azure->secret.text, "azprincipal");
    assert_string_equal(azure->azure_tenant.text, "contoso.onmicrosoft.com");
    const pq_config_registry *gar = &config.registries[2];
    assert_null(gar->host.text);
    assert_string_equal(gar->service_account.text, "pull@acme.iam.gserviceaccount.com");
    assert_string_equal(config.registries[3].host.text, "ghcr.io");
    assert_string_equal(config.registries[3].secret.text, "ghcr_creds");
    const pq_config_registry *oidc = &config.registries[4];
    assert_int_equal(oidc->auth, PQ_AUTH_OIDC);
    assert_int_equal(oidc->auth_line, 22);
    assert_null(oidc->secret.text);
    assert_string_equal(oidc->region.text, "eu-west-1");
    assert_int_equal(oidc->region.line, 0);
    assert_string_equal(oidc->oidc_token_env.text, "CI_TOKEN");
    assert_string_equal(config.hub.host.text, "hub.example.com");
    assert_string_equal(config.hub.factory.text, "acme");
    assert_string_equal(config.hub.secret.text, "hub_creds");
    assert_int_equal(config.hub.secret.line, 28);
    assert_string_equal(config.targets_expire_after.text, "1Y3M5D");
    assert_int_equal(config.machines.count, 1);
    assert_string_equal(config.machines.at[0], "raspberrypi4-64");
    assert_int_equal(config.platforms.count, 3);
    assert_false(config.docker_build_secrets);
    PQ_AUTO_FREE char *where = pq_config_where(&config, aws->secret.line);
    assert_string_equal(where, "factory-config.yml:5");
    assert_string_equal(pq_registry_secret_key(PQ_REGISTRY_AZURE), "azure_principal_secret_name");
    assert_string_equal(pq_registry_type_name(PQ_REGISTRY_GAR), "gar");
}

static void files_of_foundries_are_valid(void **state)
{
    (void)state;
    /* In the shape of the FoundriesFactory manual; line ends of Windows, a byte order mark, a document marker. */
    PQ_AUTO_CONFIG config = {0};
    load("\xef\xbb\xbf---\r\n"
         "notify:\r\n"
         "  email:\r\n"
         "    users: admin@example.com\r\n"
         "lmp:\r\n"
         "  params:\r\n"
         "    EULA: 1\r\n"
         "  machines:\r\n"
         "  - imx8mmevk\r\n"
         "  - intel-corei7-64\r\n"
         "containers:\r\n"
         "  platforms:\r\n"
         "  - arm64\r\n"
         "  docker_build_secrets: yes\r\n"
         "  tagging:\r\n"
         "    refs/heads/main:\r\n"
         "    - tag: main\r\n",
         &config);
    assert_int_equal(config.registry_count, 0);
    assert_int_equal(config.hub.line, 0);
    assert_string_equal(config.targets_expire_after.text, "1Y");
    assert_int_equal(config.machines.count, 2);
    assert_string_equal(config.platforms.at[0], "arm64");
    assert_true(config.docker_build_secrets);
    pq_config_clear(&config);
    /* All entries commented out. */
    load("container_registries:\n#- type: aws\nlmp:\ncontainers:\ntuf:\nhub:\n", &config);
    assert_int_equal(config.registry_count, 0);
    pq_config_clear(&config);
    load("container_registries: []\n", &config);
}

static void a_bare_list_of_entries_is_read(void **state)
{
    (void)state;
    PQ_AUTO_CONFIG config = {0};
    load("[{\"type\": \"aws\", \"region\": \"us-east-2\",\n"
         "\t\"url\": \"123456789012.dkr.ecr.us-east-2.amazonaws.com\", \"aws_creds_secret_name\": \"aws_creds\"},\n"
         "\t{\"type\": \"generic\", \"url\": \"ghcr.io\", \"generic_secret_name\": \"ghcr\"}\n"
         "]\n",
         &config);
    assert_int_equal(config.registry_count, 2);
    assert_string_equal(config.registries[1].host.text, "ghcr.io");
    assert_int_equal(config.registries[1].line, 3);
    assert_string_equal(config.targets_expire_after.text, "1Y");
    pq_config_clear(&config);
    load("[]", &config);
    assert_int_equal(config.registry_count, 0);
}

static void entries_may_share_by_anchor(void **state)
{
    (void)state;
    PQ_AUTO_CONFIG config = {0};
    load("x-aws: &aws {type: aws, aws_creds_secret_name: creds}\n"
         "container_registries:\n"
         "- <<: *aws\n"
         "  url: 123456789012.dkr.ecr.us-east-2.amazonaws.com\n"
         "- <<: *aws\n"
         "  url: 123456789012.dkr.ecr.us-east-1.amazonaws.com\n"
         "  aws_creds_secret_name: other\n",
         &config);
    assert_string_equal(config.registries[0].secret.text, "creds");
    assert_int_equal(config.registries[0].secret.line, 1);
    assert_string_equal(config.registries[1].secret.text, "other");
}

static void unknown_keys_name_the_nearest(void **state)
{
    (void)state;
    refuse("container_registries:\n"
           "- type: aws\n"
           "  regoin: us-east-2\n"
           "  url: 123456789012.dkr.ecr.us-east-2.amazonaws.com\n"
           "  aws_cred_secret_name: c\n"
           "- type: generic\n"
           "  url: ghcr.io\n"
           "  generic_secret_name: g\n"
           "  azure_tenant: t\n"
           "  zzz: 1\n"
           "  auth: oidc\n"
           "hub:\n"
           "  ulr: hub.example.com/acme\n"
           "tuf:\n"
           "  target_expire_after: 1Y\n",
           "3:3: registry 1: unknown key in an entry of type aws (did you mean `region`?)\n"
           "5:3: registry 1: unknown key in an entry of type aws (did you mean `aws_creds_secret_name`?)\n"
           "9:3: registry 2: `azure_tenant` belongs to entries of type azure, not generic\n"
           "10:3: registry 2: unknown key in an entry of type generic (known are `type`, `url`, `auth`, "
           "`generic_secret_name`)\n"
           "11:3: registry 2: `auth` and a secret exclude each other: remove one\n"
           "11:9: registry 2: `auth` must be environment in an entry of type generic\n"
           "13:3: hub: unknown key (known are `url`, `hub_secret_name`)\n"
           "15:3: tuf: unknown key (did you mean `targets_expire_after`?)\n");
}

static void urls_show_the_right_form(void **state)
{
    (void)state;
    refuse("container_registries:\n"
           "- {type: generic, generic_secret_name: g, url: 'https://GHCR.io/v2/'}\n"
           "- {type: generic, generic_secret_name: g, url: quay.io/}\n"
           "- {type: generic, generic_secret_name: g, url: quay.io/acme}\n"
           "- {type: azure, azure_principal_secret_name: g, url: acme}\n"
           "- {type: generic, generic_secret_name: g, url: 123}\n"
           "- {type: generic, generic_secret_name: g, url: }\n"
           "- {type: generic, generic_secret_name: g, url: [a]}\n"
           "- {type: generic, generic_secret_name: g}\n"
           "- {type: generic, generic_secret_name: g, url: 'https://me:secret@index.docker.io/v1/'}\n",
           "2:49: registry 1: `url` has a scheme (write `url: ghcr.io`)\n"
           "3:48: registry 2: `url` ends in a slash (write `url: quay.io`)\n"
           "4:48: registry 3: `url` has a path (write `url: quay.io`)\n"
           "5:54: registry 4: `url` is not a host name with an optional port (write the host only, such as "
           "`url: acme.azurecr.io`)\n"
           "6:48: registry 5: `url` must be a text, but this is a number (if it is meant, put it in quotes)\n"
           "7:43: registry 6: `url` has no value (give it a value or remove it)\n"
           "8:48: registry 7: `url` must be a text, but this is a list\n"
           "9:3: registry 8: `url` is missing (add the registry's host, such as `url: registry.example.com`)\n"
           "10:49: registry 9: `url` has a scheme (write `url: docker.io`)\n");
}

static void a_host_stands_once(void **state)
{
    (void)state;
    refuse("container_registries:\n"
           "- {type: generic, generic_secret_name: g, url: ghcr.io}\n"
           "- {type: generic, generic_secret_name: h, url: 'GHCR.IO:443'}\n"
           "- {type: gar, gar_creds_secret_name: g}\n"
           "- {type: gar, gar_creds_secret_name: g, url: gcr.io}\n"
           "- {type: gar, gar_creds_secret_name: h}\n",
           "3:49: registry 2: the same host as in registry 1, on line 2: ghcr.io (keep one entry for a host)\n"
           "6:3: registry 5: a second entry for all registries of Google, after registry 3 on line 4 (give one of them "
           "a `url`)\n");
}

static void aws_hosts_agree_with_themselves(void **state)
{
    (void)state;
    refuse("container_registries:\n"
           "- type: aws\n"
           "  aws_creds_secret_name: c\n"
           "  url: XXXXXXXXXX.dkr.ecr.us-east-2.amazonaws.com\n"
           "- type: aws\n"
           "  aws_creds_secret_name: c\n"
           "  url: 123456789012.dkr.ecr.cn-north-1.amazonaws.com\n"
           "- type: aws\n"
           "  aws_creds_secret_name: c\n"
           "  region: us-east-1\n"
           "  url: 123456789012.dkr.ecr.us-east-2.amazonaws.com\n"
           "- type: aws\n"
           "  aws_creds_secret_name: c\n"
           "  url: 123456789012.dkr.ecr.us-east-2.amazonaws.com.evil.example\n"
           "- type: aws\n"
           "  aws_creds_secret_name: c\n"
           "  region: us-east-2\n"
           "  url: public.ecr.aws\n",
           "4:8: registry 1: `url` is not the host of a private ECR registry (write "
           "ACCOUNT.dkr.ecr.REGION.amazonaws.com, the account with its 12 digits)\n"
           "7:8: registry 2: region cn-north-1 is not served under amazonaws.com (write `url: "
           "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn`)\n"
           "10:11: registry 3: `region` is not the one of `url`, which is us-east-2 (remove `region`: it is read from "
           "`url`)\n"
           "14:8: registry 4: `url` is not the host of a private ECR registry (write "
           "ACCOUNT.dkr.ecr.REGION.amazonaws.com, the account with its 12 digits)\n"
           "17:11: registry 5: `region` is not the one of `url`, which is us-east-1 (remove `region`: the public "
           "gallery's API is in us-east-1 only)\n");
}

#define AWS_URL "url: 123456789012.dkr.ecr.us-east-2.amazonaws.com"

static void identities_are_said_once_and_wholly(void **state)
{
    (void)state;
    refuse("container_registries:\n"
           "- {type: aws, " AWS_URL "}\n",
           "2:3: registry 1: `aws_creds_secret_name` is missing (or say `auth: oidc` or `auth: environment`)\n");
    refuse("- {type: aws, " AWS_URL ", auth: environment, aws_creds_secret_name: c}\n",
           "1:66: registry 1: `auth` and a secret exclude each other: remove one\n");
    refuse("- {type: aws, " AWS_URL ", auth: oidc, profile: p, external_id: xy}\n",
           "1:3: registry 1: `role_arn` is missing, which `auth: oidc` needs (name the role that trusts the CI's OIDC "
           "provider)\n"
           "1:78: registry 1: `profile` has no meaning with `auth: oidc`\n"
           "1:90: registry 1: `external_id` has no meaning with `auth: oidc`\n");
    refuse("- {type: aws, " AWS_URL ", aws_creds_secret_name: c, external_id: xy, oidc_audience: a}\n",
           "1:92: registry 1: `external_id` has no meaning without `role_arn`\n"
           "1:109: registry 1: `oidc_audience` has a meaning only with `auth: oidc`\n");
    refuse("- {type: aws, " AWS_URL ", auth: odic}\n",
           "1:72: registry 1: `auth` must be oidc or environment (did you mean `oidc`?)\n");
    refuse(
        "- {type: azure, url: acme.azurecr.io, azure_cert_secret_name: c, azure_principal_secret_name: d}\n"
        "- {type: azure, url: b.azurecr.io, azure_cert_secret_name: c, azure_tenant: t}\n"
        "- {type: azure, url: c.azurecr.io, auth: oidc, azure_client_id: t, oidc_token_env: A, oidc_token_file: b}\n",
        "1:39: registry 1: `azure_cert_secret_name` and `azure_principal_secret_name` exclude each other: remove "
        "one\n"
        "2:3: registry 2: `azure_client_id` is missing, which a certificate needs (it is the application id of the "
        "service principal)\n"
        "3:3: registry 3: `azure_tenant` is missing, which `auth: oidc` needs (it is shown by `az account show "
        "--query tenantId`)\n"
        "3:87: registry 3: `oidc_token_file` and `oidc_token_env` exclude each other: remove one\n");
}

static void entries_have_shapes(void **state)
{
    (void)state;
    refuse("container_registries:\n"
           "  type: aws\n",
           "2:3: `container_registries` must be a list, but this is a mapping (put `- ` before the first key of each "
           "entry)\n");
    refuse("container_registries:\n"
           "  - aws\n"
           "  -\n"
           "  - {url: ghcr.io}\n"
           "  - {type: amazon, url: quay.io}\n"
           "  - {type: azur, url: x.azurecr.io}\n"
           "  - {type: true}\n",
           "2:5: registry 1: an entry must be a mapping, but this is a text (begin it with `- type: …`)\n"
           "2:5: registry 2: an entry must be a mapping, but this is nothing (begin it with `- type: …`)\n"
           "4:5: registry 3: `type` is missing (add `type: aws`, azure, gar or generic)\n"
           "5:12: registry 4: `type` must be aws, azure, gar or generic\n"
           "6:12: registry 5: `type` must be aws, azure, gar or generic (did you mean `azure`?)\n"
           "7:12: registry 6: `type` must be a text, but this is true or false (if it is meant, put it in quotes)\n");
    refuse("", "factory-config.yml: the file is empty (begin with `container_registries:`)\n");
    refuse("# nothing\n", "factory-config.yml: the file is empty (begin with `container_registries:`)\n");
    refuse("just words\n", "1:1: a mapping or a list of registries is needed, but this is a text (begin with "
                           "`container_registries:`)\n");
    refuse("a: 1\n---\nb: 2\n", "3:1: a second YAML document (put all sections into one)\n");
    refuse("container_registries:\n\t- type: aws\n",
           "2:1: YAML: tab character may not be used as indentation (indent with spaces)\n");
    refuse("hub:\n  url: hub.example.com/acme\nhub:\n  url: hub.example.com/acme\n",
           "3:1: this key was given before in the same mapping, on line 1 (remove one of them)\n");
}

static void values_are_checked(void **state)
{
    (void)state;
    refuse("- type: aws\n"
           "  " AWS_URL "\n"
           "  aws_creds_secret_name: ../etc/passwd\n"
           "  role_arn: arn:aws:iam::12:role/x\n"
           "  role_session_name: a b\n"
           "  external_id: 12345\n"
           "  profile: \"a\\nb\"\n"
           "- type: gar\n"
           "  auth: oidc\n"
           "  workload_identity_provider: pool\n"
           "  service_account: nobody\n"
           "  oidc_token_env: 1A\n",
           "3:26: registry 1: `aws_creds_secret_name` must be the name of a secret: letters, digits, _ - . and no "
           "path\n"
           "4:13: registry 1: `role_arn` must be a role such as arn:aws:iam::123456789012:role/pull\n"
           "5:22: registry 1: `role_session_name` must be 2 to 64 letters, digits and _+=,.@-\n"
           "6:16: registry 1: `external_id` must be a text, but this is a number (if it is meant, put it in quotes)\n"
           "7:13: registry 1: `profile` must be one line without control characters\n"
           "10:31: registry 2: `workload_identity_provider` must be "
           "projects/N/locations/global/workloadIdentityPools/POOL/providers/PROVIDER\n"
           "11:20: registry 2: `service_account` must be NAME@PROJECT.iam.gserviceaccount.com\n"
           "12:19: registry 2: `oidc_token_env` must be the name of an environment variable\n");
}

static void other_sections_are_checked(void **state)
{
    (void)state;
    refuse("hub:\n  url: https://Hub.example.com/acme/\n",
           "2:8: hub: `url` has a scheme (write `url: hub.example.com/acme`)\n");
    refuse("hub:\n  url: hub.example.com\n",
           "2:8: hub: `url` has no factory: it must be host/factory (write `url: hub.example.com/acme`)\n");
    refuse("hub:\n  url: hub.example.com/acme/\n",
           "2:8: hub: `url` ends in a slash (write `url: hub.example.com/acme`)\n");
    refuse("hub:\n  url: hub.example.com/Acme\n",
           "2:8: hub: the factory of `url` must be one name of lower-case letters, digits and . _ - (write `url: "
           "hub.example.com/acme`)\n");
    refuse("hub:\n  url: me:secret@hub.example.com:5000/fac\n",
           "2:8: hub: the host of `url` has a user name (write `url: hub.example.com:5000/fac`)\n");
    refuse("hub:\n  hub_secret_name: a\n", "2:3: hub: `url` is missing (add `url: host/factory`)\n");
    refuse("tuf:\n  targets_expire_after: soon\n",
           "2:25: tuf: `targets_expire_after` must be a period such as 1Y, 6M, 90D or 1Y3M5D (years, months, days)\n");
    refuse("tuf:\n  targets_expire_after: 90\n",
           "2:25: tuf: `targets_expire_after` must be a text, but this is a number (if it is meant, put it in "
           "quotes)\n");
    refuse("tuf: 1Y\n", "1:6: `tuf` must be a mapping, but this is a text\n");
    refuse("lmp:\n  machines: imx8\ncontainers:\n  platforms:\n  - arm64\n  - x86\n  - arm64\n"
           "  docker_build_secrets: 'yes'\n",
           "2:13: lmp: `machines` must be a list, but this is a text (write `[a, b]`, or each on a line of its own "
           "after `- `)\n"
           "6:5: containers: `platforms` must be arm, arm64 or amd64\n"
           "7:5: containers: `platforms` has this twice (remove one of them)\n"
           "8:26: containers: `docker_build_secrets` must be true or false, but this is a text (write it without "
           "quotes)\n");
}

static void exact_hosts_beat_patterns(void **state)
{
    (void)state;
    PQ_AUTO_CONFIG config = {0};
    load("container_registries:\n"
         "- {type: gar, gar_creds_secret_name: all}\n"
         "- {type: gar, gar_creds_secret_name: us, url: us-docker.pkg.dev}\n"
         "- {type: generic, generic_secret_name: g, url: 'reg.example.com:5000'}\n",
         &config);
    static const struct {
        const char *host;
        size_t number; /* 0: none */
    } cases[] = {
        {"us-docker.pkg.dev", 2},
        {"US-docker.pkg.dev:443", 2},
        {"europe-west1-docker.pkg.dev", 1},
        {"docker.us-central1.rep.pkg.dev", 1},
        {"gcr.io", 1},
        {"eu.gcr.io", 1},
        {"reg.example.com:5000", 3},
        {"reg.example.com", 0},
        {"reg.example.com:5001", 0},
        {"gcr.io.evil.example", 0},
        {"evilgcr.io", 0},
        {"a.b.gcr.io", 0},
        {"gcr.io:5000", 0},
        {"-docker.pkg.dev", 0},
        {"evil.example-docker.pkg.dev", 0},
        {"docker.pkg.dev", 0},
        {"docker..rep.pkg.dev", 0},
        {"docker.a.b.rep.pkg.dev", 0},
        {"docker.us-central1.rep.pkg.dev.evil.example", 0},
        {"ghcr.io", 0},
        {"not a host", 0},
        {"", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const pq_config_registry *found = pq_config_registry_for_host(&config, cases[i].host);
        if ((found ? found->number : 0) != cases[i].number)
            fail_msg("%s", cases[i].host);
    }
}

static void a_misspelt_section_is_mentioned(void **state)
{
    (void)state;
    PQ_AUTO_CONFIG config = {0};
    load("container_registires:\n- type: aws\n", &config);
    const pq_errors *warnings = pq_warnings();
    assert_int_equal(warnings->count, 1);
    assert_string_equal(warnings->at[0].where, "factory-config.yml:1:1");
}

static void a_file_is_read_under_its_name(void **state)
{
    (void)state;
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *folder = NULL;
    assert_true(pq_make_temp_dir("pq-config-", &folder, &err));
    PQ_AUTO_FREE char *path = pq_path_join(folder, "my.yml");
    assert_true(pq_write_file(path, 0600, "tuf: 1\n", 7, &err));
    PQ_AUTO_ERRORS errs = {0};
    pq_config config = {0};
    assert_false(pq_config_load(path, NULL, &config, &errs));
    assert_false(pq_config_load(path, NAME, &config, &errs));
    assert_int_equal(errs.count, 2);
    assert_true(pq_starts_with(errs.at[0].where, path));
    assert_string_equal(errs.at[1].where, NAME ":1:6");
    assert_true(pq_remove_tree(folder, &err));
    assert_false(pq_config_load(path, NULL, &config, &errs));
}

static void many_entries_are_no_burden(void **state)
{
    (void)state;
    PQ_AUTO_BUF text = PQ_BUF(PQ_MAX_CONFIG);
    while (text.length < 500000)
        pq_buf_adds(&text, "- {}\n");
    double before = pq_monotonic();
    refuse(pq_buf_text(&text), "1:1: more than 1000 registries\n");
    assert_true(pq_monotonic() - before < 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_of_the_contract_is_read),
        cmocka_unit_test(files_of_foundries_are_valid),
        cmocka_unit_test(a_bare_list_of_entries_is_read),
        cmocka_unit_test(entries_may_share_by_anchor),
        cmocka_unit_test(unknown_keys_name_the_nearest),
        cmocka_unit_test(urls_show_the_right_form),
        cmocka_unit_test(a_host_stands_once),
        cmocka_unit_test(aws_hosts_agree_with_themselves),
        cmocka_unit_test(identities_are_said_once_and_wholly),
        cmocka_unit_test(entries_have_shapes),
        cmocka_unit_test(values_are_checked),
        cmocka_unit_test(other_sections_are_checked),
        cmocka_unit_test(exact_hosts_beat_patterns),
        cmocka_unit_test(a_misspelt_section_is_mentioned),
        cmocka_unit_test(a_file_is_read_under_its_name),
        cmocka_unit_test(many_entries_are_no_burden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
