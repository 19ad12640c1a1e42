#include "pq_cmocka.h"

#include <string.h>

#include "auth/policy/kind.h"
#include "auth/policy/policy.h"

static void a_parameter_that_stops_a_shell(void **state)
{
    (void)state;
    const pq_config_registry entry = {.number = 7};
    PQ_AUTO_FREE char *wanted = pq_shell_wanted(&entry, "IAM_USER", "who} \"$(is)` it");
    assert_string_equal(wanted, "\"${IAM_USER_7:?who_ ___is__ it}\"");
}

static void a_name_is_divided_behind_its_host(void **state)
{
    (void)state;
    PQ_AUTO_FREE char *host = pq_policy_host("localhost:5000/a/b");
    assert_string_equal(host, "localhost:5000");
    assert_string_equal(pq_policy_repository("localhost:5000/a/b"), "a/b");
    PQ_AUTO_FREE char *alone = pq_policy_host("localhost");
    assert_string_equal(alone, "localhost");
    assert_string_equal(pq_policy_repository("localhost"), "");
}

static void roles_that_iam_allows(void **state)
{
    (void)state;
    static const char *const good[] = {"pull", "a_b+c=d,e.f@g-1", "arn:aws:iam::123456789012:role/pull",
                                       "arn:aws-cn:iam::123456789012:role/ci/eu/pull"};
    static const char *const bad[] = {"",
                                      "a b",
                                      "a/b",
                                      "a'b",
                                      "arn:aws:iam::12345678901:role/pull",
                                      "arn:aws:iam::123456789012:role/",
                                      "arn:aws:iam::123456789012:user/pull",
                                      "arn:aws:iam::123456789012:role/a b",
                                      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(pq_policy_role_valid(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(pq_policy_role_valid(bad[i]));
}

/* What the tree uses, through a configuration; secrets cannot be had. */
static void make(const char *config_text, const char *const *names, size_t count, const char *role, pq_config *config,
                 pq_policies *out, pq_errors *errors)
{
    PQ_AUTO_ERRORS wrong = {0};
    PQ_AUTO_STRINGS list = {0};
    assert_true(pq_config_parse(config_text, strlen(config_text), "c.yml", config, &wrong));
    for (size_t i = 0; i < count; i++)
        pq_strings_add(&list, names[i]);
    const pq_policy_options options = {.config = config, .aws_role = role};
    bool good = pq_policies_make(&options, &list, out, errors);
    assert_int_equal(good, errors->count == 0);
}

static void identities_share_and_do_not_share(void **state)
{
    (void)state;
    static const char text[] =
        "container_registries:\n"
        "- {type: aws, url: 123456789012.dkr.ecr.us-east-2.amazonaws.com, aws_creds_secret_name: a}\n"
        "- {type: aws, url: 123456789012.dkr.ecr.eu-west-1.amazonaws.com, aws_creds_secret_name: a, profile: b}\n"
        "- {type: aws, url: 123456789012.dkr.ecr.eu-west-2.amazonaws.com, aws_creds_secret_name: a}\n"
        "- {type: azure, url: acme.azurecr.io, azure_principal_secret_name: z}\n"
        "- {type: azure, url: other.azurecr.io, azure_principal_secret_name: z}\n";
    static const char *const names[] = {"123456789012.dkr.ecr.eu-west-1.amazonaws.com/x",
                                        "123456789012.dkr.ecr.eu-west-2.amazonaws.com/y",
                                        "123456789012.dkr.ecr.us-east-2.amazonaws.com/z",
                                        "acme.azurecr.io/a",
                                        "docker.io/library/busybox",
                                        "other.azurecr.io/a"};
    PQ_AUTO_CONFIG config = {0};
    PQ_AUTO_POLICIES policies = {0}, of_role = {0};
    PQ_AUTO_ERRORS errors = {0};
    make(text, names, 6, NULL, &config, &policies, &errors);
    assert_int_equal(policies.count, 4);
    assert_string_equal(policies.at[0].identity, "secret a, profile b");
    assert_string_equal(policies.at[1].identity, "secret a, profile default");
    assert_int_equal(policies.at[1].registries.count, 2);
    assert_int_equal(policies.at[2].type, PQ_REGISTRY_AZURE);
    assert_int_equal(policies.at[3].registries.count, 1);
    assert_int_equal(policies.others.count, 1);
    assert_string_equal(policies.others.at[0], "docker.io/library/busybox");
    assert_int_equal(errors.count, 0);
    PQ_AUTO_CONFIG again = {0};
    make(text, names, 6, "device-pull", &again, &of_role, &errors);
    assert_int_equal(of_role.count, 3);
    assert_string_equal(of_role.at[0].identity, "role device-pull");
    assert_int_equal(of_role.at[0].repositories.count, 3);
}

static void a_command_with_its_document(void **state)
{
    (void)state;
    char command[] = "aws x --policy-document", document[] = "{\"a\":[\"it's\"]}", alone[] = "true";
    pq_policy_step step = {.command = command, .document = document};
    PQ_AUTO_FREE char *line = pq_policy_step_command(&step, 0);
    assert_string_equal(line, "aws x --policy-document '{\"a\":[\"it'\\''s\"]}'");
    PQ_AUTO_FREE char *shown = pq_policy_step_command(&step, 2);
    assert_string_equal(shown, "aws x --policy-document '{\n  \"a\": [\n    \"it'\\''s\"\n  ]\n}'");
    step = (pq_policy_step){.command = alone};
    PQ_AUTO_FREE char *without = pq_policy_step_command(&step, 2);
    assert_string_equal(without, "true");
    step = (pq_policy_step){0};
    assert_null(pq_policy_step_command(&step, 0));
}

static void a_path_that_names_no_repository_of_google(void **state)
{
    (void)state;
    static const char text[] = "container_registries:\n- {type: gar, gar_creds_secret_name: g}\n";
    static const char *const names[] = {"docker.us-east1.rep.pkg.dev/p/r/i",
                                        "gcr.io/p",
                                        "gcr.io/example.com/p",
                                        "us-docker.pkg.dev/example.com/p/r",
                                        "us-docker.pkg.dev/p/r",
                                        "us-docker.pkg.dev/p/r/i"};
    PQ_AUTO_CONFIG config = {0};
    PQ_AUTO_POLICIES policies = {0};
    PQ_AUTO_ERRORS errors = {0};
    make(text, names, 6, NULL, &config, &policies, &errors);
    assert_int_equal(errors.count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(errors.at[i].where, names[i + 1]);
    assert_int_equal(policies.at[0].step_count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_parameter_that_stops_a_shell), cmocka_unit_test(a_name_is_divided_behind_its_host),
        cmocka_unit_test(roles_that_iam_allows),          cmocka_unit_test(identities_share_and_do_not_share),
        cmocka_unit_test(a_command_with_its_document),    cmocka_unit_test(a_path_that_names_no_repository_of_google),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
