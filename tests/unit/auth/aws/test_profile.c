#include "pq_cmocka.h"

#include <string.h>

#include "plan_keys.h"

#define ID "AKIAIOSFODNN7EXAMPLE"
#define TEMPORARY_ID "ASIAIOSFODNN7EXAMPLE"
#define SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define ROLE "arn:aws:iam::123456789012:role/pull"
#define KEYS "aws_access_key_id = " ID "\naws_secret_access_key = " SECRET "\n"

static bool read_text(const char *text, const char *profile, pq_aws_keys *out, pq_errors *errors)
{
    PQ_AUTO_SECRET *secret = pq_secret_new(text, strlen(text));
    return plan_keys(secret, "secret aws_creds", profile, out, errors);
}

static void what_botocore_reads_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *text, *profile, *token;
    } good[] = {
        {"[default]\n" KEYS, NULL, NULL},
        {"[default]\r\naws_access_key_id=" ID "\r\naws_secret_access_key=" SECRET, NULL, NULL},
        {"\xef\xbb\xbf[default]\n" KEYS, NULL, NULL},
        {"# mine\n\n; old\n[other]\naws_access_key_id = no\n\n[ci]\n" KEYS "aws_session_token = t+/=\n", "ci", "t+/="},
        {"[ci]\nAWS_ACCESS_KEY_ID: " ID "\n  \nAws_Secret_Access_Key :\t" SECRET "  \n", "ci", NULL},
        {"[default]\n  aws_access_key_id = " ID "\n  aws_secret_access_key = " SECRET "\n", NULL, NULL},
        {"[default]\ns3 =\n  max_concurrent_requests = 20\n  aws_access_key_id = nested\n" KEYS, NULL, NULL},
        {"[default]\n" KEYS "region = eu-west-1\noutput = json\n", NULL, NULL},
        {"[a]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = default\n[default]\n" KEYS, "default", NULL},
        {"[a]\nrole_arn = " ROLE "\nsource_profile = default\n[default]\n" KEYS, "a", NULL},
        {"[default]\naws_access_key_id = " TEMPORARY_ID "\naws_secret_access_key = " SECRET
         "\naws_security_token = old\n",
         NULL, "old"},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        PQ_AUTO_ERRORS errors = {0};
        PQ_AUTO_AWS_KEYS keys = {0};
        if (!read_text(good[i].text, good[i].profile, &keys, &errors))
            fail_msg("case %zu: %s: %s", i, errors.at[0].where, errors.at[0].message);
        assert_int_equal(errors.count, 0);
        assert_true(pq_starts_with(keys.access_key_id, "A"));
        assert_true(pq_ends_with(keys.access_key_id, "IOSFODNN7EXAMPLE"));
        assert_string_equal(pq_secret_bytes(keys.secret_access_key), SECRET);
        assert_int_equal(pq_secret_length(keys.secret_access_key), strlen(SECRET));
        assert_int_equal(keys.session_token != NULL, good[i].token != NULL);
        if (good[i].token)
            assert_string_equal(pq_secret_bytes(keys.session_token), good[i].token);
    }
}

/* The mistakes that people make, each with its line and its words. */
static void each_mistake_has_its_words(void **state)
{
    (void)state;
    static const struct {
        const char *text, *profile, *where, *message, *hint;
    } wrong[] = {
        {"", NULL, "secret aws_creds", "the credentials file is empty", "aws configure"},
        {" \n\t\n", NULL, "secret aws_creds", "the credentials file is empty", "aws configure"},
        {"# nothing\n", NULL, "secret aws_creds", "has no profile", "aws configure"},
        {"[default]\n" KEYS "\n[ci]\n" KEYS, "prod", "secret aws_creds", "no profile prod; there are: default, ci",
         "`profile`"},
        {"[ ci ]\n" KEYS, "ci", "secret aws_creds", "no profile ci; there are: \" ci \" (with blanks)", "`profile`"},
        {"[DEFAULT]\n" KEYS, NULL, "secret aws_creds", "no profile default; there are: DEFAULT", "`profile`"},
        {"[default]\nregion = x\n[profile ci]\n" KEYS, "ci", "secret aws_creds:3", "~/.aws/config", "[ci]"},
        {"[default]\nregion = eu-west-1\noutput = json\n", NULL, "secret aws_creds:1", "has no aws_access_key_id",
         "aws configure"},
        {"[default]\naws_access_key_id = " ID "\n", NULL, "secret aws_creds:1",
         "profile default has no aws_secret_access_key", "aws configure"},
        {"[default]\naws_access_key_id = " ID "\naws_secret_key = " SECRET "\n", NULL, "secret aws_creds:1",
         "has no aws_secret_access_key", "line 3"},
        {"[default]\naws_acess_key_id = " ID "\naws_secret_access_key = " SECRET "\n", NULL, "secret aws_creds:1",
         "has no aws_access_key_id", "line 2"},
        {"[default]\naws_access_key_id = \"" ID "\"\naws_secret_access_key = " SECRET "\n", NULL, "secret aws_creds:2",
         "in quotes", "without quotes"},
        {"[default]\naws_access_key_id = " ID " # ci\naws_secret_access_key = " SECRET "\n", NULL, "secret aws_creds:2",
         "has blanks", "comment"},
        {"[default]\naws_access_key_id = " ID "\n  aws_secret_access_key = " SECRET "\n", NULL, "secret aws_creds:1",
         "has no aws_secret_access_key", ""},
        {"[default]\naws_access_key_id = $ID\naws_secret_access_key = " SECRET "\n", NULL, "secret aws_creds:2",
         "placeholder", "expanded"},
        {"[default]\naws_access_key_id = " SECRET "\naws_secret_access_key = " ID "\n", NULL, "secret aws_creds:2",
         "each other's place", "swap"},
        {"[default]\naws_access_key_id = ID\naws_secret_access_key = " SECRET "\n", NULL, "secret aws_creds:2",
         "not an access key id", "AKIA"},
        {"[default]\naws_access_key_id = " TEMPORARY_ID "\naws_secret_access_key = " SECRET "\n", NULL,
         "secret aws_creds:2", "without its aws_session_token", "AKIA"},
        {"[default]\naws_access_key_id =\naws_secret_access_key = " SECRET "\n", NULL, "secret aws_creds:2",
         "has no value", NULL},
        {"[default]\n" KEYS "[default]\n" KEYS, NULL, "secret aws_creds:4", "stands already in line 1",
         "one of the two"},
        {"[default]\n" KEYS "AWS_access_key_id = " ID "\n", NULL, "secret aws_creds:4", "stands already in line 2",
         "one of the two"},
        {"[default\n" KEYS, NULL, "secret aws_creds:1", "closing ]", "[name]"},
        {"[default]\n" KEYS "oops\n", NULL, "secret aws_creds:4", "neither", "name = value"},
        {KEYS, NULL, "secret aws_creds:1", "before the first [profile]", "[default]"},
        {"export AWS_ACCESS_KEY_ID=" ID "\n", NULL, "secret aws_creds:1", "before the first [profile]", "[default]"},
        {"Access key ID,Secret access key\n" ID "," SECRET "\n", NULL, "secret aws_creds:1", "CSV", "[default]"},
        {"{\"AccessKey\": {\"AccessKeyId\": \"" ID "\"}}", NULL, "secret aws_creds", "create-access-key", "[default]"},
        {"\n {\n\"Credentials\": {}}", NULL, "secret aws_creds", "aws sts", "aws_session_token"},
        {"{}", NULL, "secret aws_creds", "this is JSON", "aws configure"},
        {"\xff\xfe[", NULL, "secret aws_creds", "UTF-16", "PowerShell"},
        {"[default]\n# \xe9t\xe9\n" KEYS, NULL, "secret aws_creds", "not text", NULL},
        {"[default]\ncredential_process = /bin/sh\n", NULL, "secret aws_creds:2", "a secret is not code",
         "aws_access_key_id"},
        {"[default]\nweb_identity_token_file = /etc/passwd\nrole_arn = x\n", NULL, "secret aws_creds:2",
         "a secret is not code", "aws_access_key_id"},
        {"[default]\nsso_session = x\n", NULL, "secret aws_creds:2", "sso_session is not followed",
         "aws_access_key_id"},
        {"[default]\ncredential_source = Ec2InstanceMetadata\n", NULL, "secret aws_creds:2", "a secret is not code",
         "aws_access_key_id"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        PQ_AUTO_ERRORS errors = {0};
        PQ_AUTO_AWS_KEYS keys = {0};
        if (read_text(wrong[i].text, wrong[i].profile, &keys, &errors))
            fail_msg("case %zu is taken", i);
        assert_null(keys.access_key_id);
        assert_null(keys.secret_access_key);
        assert_true(errors.count >= 1);
        const pq_error *err = &errors.at[0];
        assert_int_equal(err->code, PQ_ECONFIG);
        if (strcmp(err->where, wrong[i].where) != 0 || !strstr(err->message, wrong[i].message))
            fail_msg("case %zu: %s: %s", i, err->where, err->message);
        if (wrong[i].hint && (!err->hint || !strstr(err->hint, wrong[i].hint)))
            fail_msg("case %zu: hint %s", i, err->hint ? err->hint : "none");
        for (size_t j = 0; j < errors.count; j++) {
            assert_null(strstr(errors.at[j].message, SECRET));
            assert_null(strstr(errors.at[j].message, ID));
        }
    }
}

static void all_problems_are_reported(void **state)
{
    (void)state;
    PQ_AUTO_ERRORS errors = {0};
    PQ_AUTO_AWS_KEYS keys = {0};
    assert_false(read_text("[default]\naws_access_key_id = 'x'\naws_secret_access_key = \"y\"\noops\n[other]\nalso\n",
                           NULL, &keys, &errors));
    assert_int_equal(errors.count, 4);
    assert_string_equal(errors.at[0].where, "secret aws_creds:4");
    assert_string_equal(errors.at[1].where, "secret aws_creds:6");
    assert_string_equal(errors.at[2].where, "secret aws_creds:2");
    assert_string_equal(errors.at[3].where, "secret aws_creds:3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_botocore_reads_is_read),
        cmocka_unit_test(each_mistake_has_its_words),
        cmocka_unit_test(all_problems_are_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
