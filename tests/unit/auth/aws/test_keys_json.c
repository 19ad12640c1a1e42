#include "pq_cmocka.h"

#include <string.h>

#include "auth/aws/keys_json.h"

/* The forms are those of the AWS documentation: EC2 User Guide, AWS CLI User Guide, SSO Portal API reference. */
static void each_form_is_read(void **state)
{
    (void)state;
    static const struct {
        pq_aws_keys_form form;
        const char *text, *token;
        time_t expires;
    } good[] = {
        {PQ_AWS_FORM_METADATA,
         "{\"Code\":\"Success\",\"LastUpdated\":\"2012-04-26T16:39:16Z\",\"Type\":\"AWS-HMAC\",\"AccessKeyId\":\"ID\","
         "\"SecretAccessKey\":\"S\",\"Token\":\"T\",\"Expiration\":\"2017-05-17T15:09:54Z\"}",
         "T", 1495033794},
        {PQ_AWS_FORM_METADATA,
         "{\"AccessKeyId\":\"ID\",\"SecretAccessKey\":\"S\",\"Token\":\"T\",\"Expiration\":\"2017-05-17T15:09:54Z\","
         "\"RoleArn\":\"x\"}",
         "T", 1495033794},
        {PQ_AWS_FORM_PROCESS, "{\"Version\":1,\"AccessKeyId\":\"ID\",\"SecretAccessKey\":\"S\"}", NULL, 0},
        {PQ_AWS_FORM_PROCESS,
         "{\"Version\":1,\"AccessKeyId\":\"ID\",\"SecretAccessKey\":\"S\",\"SessionToken\":\"T\",\"Expiration\":"
         "\"2017-05-17T15:09:54+00:00\"}",
         "T", 1495033794},
        {PQ_AWS_FORM_SSO,
         "{\"roleCredentials\":{\"accessKeyId\":\"ID\",\"secretAccessKey\":\"S\",\"sessionToken\":\"T\","
         "\"expiration\":1495033794123}}",
         "T", 1495033794},
        {PQ_AWS_FORM_IOT,
         "{\"credentials\":{\"accessKeyId\":\"ID\",\"secretAccessKey\":\"S\",\"sessionToken\":\"T\",\"expiration\":"
         "\"2017-05-17T15:09:54Z\"}}",
         "T", 1495033794},
        {PQ_AWS_FORM_IOT, "{\"credentials\":{\"accessKeyId\":\"ID\",\"secretAccessKey\":\"S\",\"sessionToken\":\"T\"}}",
         "T", 0},
        {PQ_AWS_FORM_ROLES_ANYWHERE,
         "{\"credentialSet\":[{\"credentials\":{\"accessKeyId\":\"ID\",\"secretAccessKey\":\"S\",\"sessionToken\":"
         "\"T\","
         "\"expiration\":\"2017-05-17T15:09:54Z\"}},{\"credentials\":{}}]}",
         "T", 1495033794},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        PQ_AUTO_ERROR err = {0};
        PQ_AUTO_AWS_KEYS keys = {0};
        if (!pq_aws_keys_read_json(good[i].text, strlen(good[i].text), good[i].form, "it", &keys, &err))
            fail_msg("case %zu: %s", i, err.message);
        assert_string_equal(keys.access_key_id, "ID");
        assert_string_equal(pq_secret_bytes(keys.secret_access_key), "S");
        assert_int_equal(keys.session_token != NULL, good[i].token != NULL);
        assert_int_equal(keys.expires, good[i].expires);
    }
}

static void what_is_wrong_is_named_and_nothing_quoted(void **state)
{
    (void)state;
    static const struct {
        pq_aws_keys_form form;
        const char *text, *message;
    } wrong[] = {
        {PQ_AWS_FORM_PROCESS, "", "it does not answer with a JSON object"},
        {PQ_AWS_FORM_PROCESS, "[LEAK]", "JSON object"},
        {PQ_AWS_FORM_PROCESS, "{\"AccessKeyId\":\"LEAK\",\"SecretAccessKey\":\"LEAK\"}", "no \"Version\": 1"},
        {PQ_AWS_FORM_PROCESS, "{\"Version\":2,\"AccessKeyId\":\"LEAK\",\"SecretAccessKey\":\"LEAK\"}", "Version"},
        {PQ_AWS_FORM_PROCESS, "{\"Version\":1,\"SecretAccessKey\":\"LEAK\"}", "no AccessKeyId"},
        {PQ_AWS_FORM_PROCESS, "{\"Version\":1,\"AccessKeyId\":\"LEAK\"}", "no SecretAccessKey"},
        {PQ_AWS_FORM_PROCESS, "{\"Version\":1,\"AccessKeyId\":\"LE\\nAK\",\"SecretAccessKey\":\"S\"}",
         "no AccessKeyId"},
        {PQ_AWS_FORM_PROCESS, "{\"Version\":1,\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"b\",\"SessionToken\":7}",
         "SessionToken"},
        {PQ_AWS_FORM_PROCESS, "{\"Version\":1,\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"b\",\"Expiration\":\"LEAK\"}",
         "Expiration that is not a time"},
        {PQ_AWS_FORM_METADATA, "{\"Code\":\"AssumeRoleUnauthorizedAccess\",\"Message\":\"LEAK\"}",
         "has no keys (AssumeRoleUnauthorizedAccess)"},
        {PQ_AWS_FORM_METADATA, "{\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"b\"}", "Token"},
        {PQ_AWS_FORM_METADATA, "{\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"b\",\"Token\":\"t\"}", "Expiration"},
        {PQ_AWS_FORM_SSO,
         "{\"roleCredentials\":{\"accessKeyId\":\"a\",\"secretAccessKey\":\"b\",\"sessionToken\":\"t\",\"expiration\":"
         "178.5}}",
         "expiration"},
        {PQ_AWS_FORM_SSO, "{\"accessKeyId\":\"a\",\"secretAccessKey\":\"b\"}", "no accessKeyId"},
        {PQ_AWS_FORM_SSO,
         "{\"roleCredentials\":{\"accessKeyId\":\"a\",\"secretAccessKey\":\"b\",\"sessionToken\":\"t\",\"expiration\":-"
         "1}}",
         "expiration"},
        {PQ_AWS_FORM_IOT, "{\"accessKeyId\":\"a\",\"secretAccessKey\":\"b\",\"sessionToken\":\"t\"}", "no accessKeyId"},
        {PQ_AWS_FORM_IOT, "{\"credentials\":{\"accessKeyId\":\"a\",\"secretAccessKey\":\"LEAK\"}}", "sessionToken"},
        {PQ_AWS_FORM_IOT,
         "{\"credentials\":{\"accessKeyId\":\"a\",\"secretAccessKey\":\"b\",\"sessionToken\":\"t\",\"expiration\":"
         "\"LEAK\"}}",
         "expiration that is not a time"},
        {PQ_AWS_FORM_ROLES_ANYWHERE, "{\"credentialSet\":{}}", "no accessKeyId"},
        {PQ_AWS_FORM_ROLES_ANYWHERE,
         "{\"credentialSet\":[{\"credentials\":{\"accessKeyId\":\"a\",\"secretAccessKey\":\"b\",\"sessionToken\":\"t\"}"
         "}]}",
         "expiration"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        PQ_AUTO_ERROR err = {0};
        PQ_AUTO_AWS_KEYS keys = {0};
        assert_false(pq_aws_keys_read_json(wrong[i].text, strlen(wrong[i].text), wrong[i].form, "it", &keys, &err));
        if (!strstr(err.message, wrong[i].message) || strstr(err.message, "LEAK"))
            fail_msg("case %zu: %s", i, err.message);
        assert_null(keys.access_key_id);
    }
}

static void who_a_session_is(void **state)
{
    (void)state;
    static const char *const answers[][2] = {
        {"{\"credentialSet\":[{\"assumedRoleUser\":{\"arn\":\"arn:aws:sts::1:assumed-role/r/s\"}}]}",
         "arn:aws:sts::1:assumed-role/r/s"},
        {"{\"credentialSet\":[{\"assumedRoleUser\":{\"arn\":\"two words\"}}]}", NULL},
        {"{\"credentialSet\":[{}]}", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        PQ_AUTO_FREE char *arn = pq_aws_session_arn_read(answers[i][0], strlen(answers[i][0]));
        assert_true(pq_streq(arn, answers[i][1]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_form_is_read),
        cmocka_unit_test(what_is_wrong_is_named_and_nothing_quoted),
        cmocka_unit_test(who_a_session_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
