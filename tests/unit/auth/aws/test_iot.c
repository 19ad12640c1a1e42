#include "pq_cmocka.h"

#include "auth/aws/iot.h"
#include "auth/aws/keys.h"
#include "base/log.h"
#include "device_pem.h"
#include "fake_aws.h"

#define ENDPOINT "c2example.credentials.iot.us-east-2.amazonaws.com"
/* As AWS IoT names a certificate: openssl x509 -outform der | sha256sum. */
#define CERTIFICATE_ID "2de802d927ac2fa17f57d11684ea753abd3246ccaab25ed5506186c2f042c918"
#define GOOD                                                                                                           \
    "{\"credentials\":{\"accessKeyId\":\"ASIA\",\"secretAccessKey\":\"S\",\"sessionToken\":\"T\",\"expiration\":"      \
    "\"2100-01-01T00:00:00Z\"}}"

typedef struct setting {
    pq_identity *identity;
    fake_aws fake;
    pq_aws_caller caller;
    long offset;
} setting;

static void set_up(setting *s, const char *folder, const char *certificate, const fake_answer *answers, size_t count)
{
    pq_log_setup(PQ_QUIET, false);
    *s = (setting){.identity = device_open(folder, certificate, DEVICE_EC_KEY),
                   .fake = {.answers = answers, .count = count}};
    s->caller = (pq_aws_caller){.where = "the.host",
                                .send = fake_aws_send,
                                .send_context = &s->fake,
                                .pause = 0.001,
                                .clock_offset = &s->offset};
}

static void tear_down(setting *s)
{
    fake_aws_clear(&s->fake);
    pq_identity_free(s->identity);
}

static pq_aws_step *plan(const setting *s, const char *endpoint, const char *thing, pq_errors *errors)
{
    const pq_aws_iot iot = {.endpoint = endpoint, .alias = "ecr-pull", .thing = thing, .where = "device.yml:7"};
    return pq_aws_iot_plan(&iot, s->identity, errors);
}

static void the_certificate_is_shown_and_the_thing_named(void **state)
{
    static const fake_answer answer = {200, NULL, GOOD};
    setting s;
    set_up(&s, *state, DEVICE_EC, &answer, 1);
    PQ_AUTO_ERRORS errors = {0};
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_AWS_KEYS keys = {0};
    PQ_AUTO_AWS_STEP *step = plan(&s, ENDPOINT, NULL, &errors);
    assert_non_null(step);
    assert_true(pq_aws_iot_keys(step, &s.caller, &keys, &err));
    assert_string_equal(s.fake.urls.at[0], "https://" ENDPOINT "/role-aliases/ecr-pull/credentials");
    assert_string_equal(fake_aws_header(&s.fake, "x-amzn-iot-thingname"), "dev-7");
    assert_null(fake_aws_header(&s.fake, "Authorization"));
    assert_ptr_equal(s.fake.shown, s.identity);
    assert_string_equal(keys.access_key_id, "ASIA");
    assert_int_equal(keys.expires, 4102444800);
    pq_aws_keys_clear(&keys);
    PQ_AUTO_AWS_STEP *other = plan(&s, ENDPOINT, "pump:3", &errors);
    assert_true(pq_aws_iot_keys(other, &s.caller, &keys, &err));
    assert_string_equal(fake_aws_header(&s.fake, "x-amzn-iot-thingname"), "pump:3");
    tear_down(&s);
}

static void want_no_plan(const setting *s, const char *endpoint, const char *thing, const char *message)
{
    PQ_AUTO_ERRORS errors = {0};
    assert_null(plan(s, endpoint, thing, &errors));
    assert_int_equal(errors.count, 1);
    assert_int_equal(errors.at[0].code, PQ_ECONFIG);
    assert_string_equal(errors.at[0].where, "device.yml:7");
    if (!strstr(errors.at[0].message, message))
        fail_msg("%s", errors.at[0].message);
}

static void what_cannot_work_is_said_offline(void **state)
{
    setting s;
    set_up(&s, *state, DEVICE_EC, NULL, 0);
    want_no_plan(&s, "c2example-ats.iot.us-east-2.amazonaws.com", NULL, "AWS IoT's address for messages");
    PQ_AUTO_ERRORS errors = {0};
    PQ_AUTO_AWS_STEP *own_name = plan(&s, "iot.example.com", NULL, &errors);
    assert_non_null(own_name);
    tear_down(&s);
    set_up(&s, *state, DEVICE_SPACED, NULL, 0);
    want_no_plan(&s, ENDPOINT, NULL, "the certificate's common name, AWS IoT Certificate, can be no thing's");
    tear_down(&s);
    set_up(&s, *state, DEVICE_NAMELESS, NULL, 0);
    want_no_plan(&s, ENDPOINT, NULL, "the certificate has no common name");
    tear_down(&s);
}

/* The texts of AWS are those of aws-iot-core-credential-provider-session-helper, docs/dev_notes.md. */
static void each_refusal_is_told_with_its_mend(void **state)
{
    static const struct {
        fake_answer answer;
        pq_code code;
        const char *message, *hint;
    } refused[] = {
        {{403, "x-amzn-ErrorType: AccessDeniedException", "{\"message\":\"Invalid thing name passed\"}"},
         PQ_EDENIED,
         "AWS IoT knows no thing dev-7 that has this certificate (AccessDeniedException): Invalid thing name passed",
         "attach-thing-principal --region us-east-2 --thing-name dev-7 --principal "
         "arn:aws:iot:us-east-2:ACCOUNT:cert/" CERTIFICATE_ID},
        {{403, "x-amzn-ErrorType: AccessDeniedException", "{\"message\":\"Access Denied\"}"},
         PQ_EDENIED,
         "this certificate may not use the role alias ecr-pull (AccessDeniedException): Access Denied",
         "iot:AssumeRoleWithCertificate on arn:aws:iot:us-east-2:ACCOUNT:rolealias/ecr-pull"},
        {{403, NULL, "{\"message\":\"Certificate is invalid on this endpoint\"}"},
         PQ_EDENIED,
         "AWS IoT does not know this certificate at " ENDPOINT " (status 403): Certificate is invalid on this endpoint",
         "describe-certificate --region us-east-2 --certificate-id " CERTIFICATE_ID},
        {{404, NULL, "{\"message\":\"Role alias does not exist\"}"},
         PQ_EDENIED,
         "AWS IoT has no role alias ecr-pull (status 404): Role alias does not exist",
         "`aws iot list-role-aliases --region us-east-2`"},
        {{400, NULL, "{\"message\":\"Unable to assume the role, or the role to assume does not exist\"}"},
         PQ_EDENIED,
         "AWS IoT cannot assume the role of the alias ecr-pull (status 400): Unable to assume the role",
         "trust the service credentials.iot.amazonaws.com"},
        {{400, NULL,
          "{\"message\":\"The requested CredentialDurationSeconds exceeds the MaxSessionDuration set for the role\"}"},
         PQ_EDENIED,
         "the role alias ecr-pull asks for longer sessions than its role allows (status 400)",
         "update-role-alias --region us-east-2 --role-alias ecr-pull --credential-duration-seconds 3600"},
        {{404, NULL, "{\"message\":\"Not Found\"}"},
         PQ_EDENIED,
         ENDPOINT " has no role alias ecr-pull (status 404): Not Found",
         "it can be that there is no role alias ecr-pull: `aws iot list-role-aliases --region us-east-2`; or the "
         "endpoint is that of another account, region or kind"},
        {{404, NULL, "<html>404 Not Found</html>"}, PQ_EDENIED, "has no role alias ecr-pull (status 404)", "or kind"},
        {{403, NULL, "<html><h1>403 Forbidden</h1></html>"},
         PQ_EDENIED,
         "AWS IoT gives no keys for this certificate, and does not say why (status 403)",
         "it can be that the certificate is not registered"},
        {{403, NULL, ""}, PQ_EDENIED, "does not say why (status 403)", "; or the endpoint is that of another account"},
        {{429, NULL, "{\"message\":\"Rate exceeded\"}"}, PQ_EBUSY, "too many requests (status 429)", "try again later"},
        {{400, "x-amzn-ErrorType: ThrottlingException", "{\"message\":\"Rate exceeded\"}"},
         PQ_EBUSY,
         "too many requests (ThrottlingException)",
         "try again later"},
        {{500, NULL, "<html>"}, PQ_EBUSY, "AWS has a problem of its own (status 500)", "try again later"},
        {{503, NULL, "{}"}, PQ_EBUSY, "AWS has a problem of its own (status 503)", "try again later"},
        {{302, "Location: https://captive.example/", ""},
         PQ_EFAILED,
         "status 302 instead of an answer of AWS",
         "proxy"},
        {{200, NULL, "<html>Welcome</html>"}, PQ_EFAILED, "AWS IoT does not answer with a JSON object", NULL},
        {{200, NULL, "{\"credentials\":{\"accessKeyId\":\"A\",\"secretAccessKey\":\"LEAK\"}}"},
         PQ_EFAILED,
         "AWS IoT gives no usable sessionToken",
         NULL},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        setting s;
        set_up(&s, *state, DEVICE_EC, &refused[i].answer, 1);
        PQ_AUTO_ERRORS errors = {0};
        PQ_AUTO_ERROR err = {0};
        PQ_AUTO_AWS_KEYS keys = {0};
        PQ_AUTO_AWS_STEP *step = plan(&s, ENDPOINT, NULL, &errors);
        assert_false(pq_aws_iot_keys(step, &s.caller, &keys, &err));
        if (err.code != refused[i].code || !strstr(err.message, refused[i].message) || strstr(err.message, "LEAK") ||
            (refused[i].hint && (!err.hint || !strstr(err.hint, refused[i].hint))))
            fail_msg("case %zu: %s: %s (%s)", i, pq_code_name(err.code), err.message, err.hint);
        tear_down(&s);
    }
}

static void another_partition_has_its_own_arns(void **state)
{
    static const fake_answer answer = {403, NULL, "{\"message\":\"Access Denied\"}"};
    setting s;
    set_up(&s, *state, DEVICE_EC, &answer, 1);
    PQ_AUTO_ERRORS errors = {0};
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_AWS_KEYS keys = {0};
    PQ_AUTO_AWS_STEP *step = plan(&s, "c2.credentials.iot.us-gov-west-1.amazonaws.com", NULL, &errors);
    assert_false(pq_aws_iot_keys(step, &s.caller, &keys, &err));
    assert_non_null(strstr(err.hint, "arn:aws-us-gov:iot:us-gov-west-1:ACCOUNT:rolealias/ecr-pull"));
    tear_down(&s);
}

/* What is signed after that is signed by AWS's time, and the keys' end is told by this machine's. */
static void a_wrong_clock_is_learned(void **state)
{
    PQ_AUTO_FREE char *date = fake_aws_date(7200), *near = fake_aws_date(100);
    const fake_answer off = {200, date, GOOD}, close = {200, near, GOOD};
    setting s;
    PQ_AUTO_ERRORS errors = {0};
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_AWS_KEYS keys = {0};
    set_up(&s, *state, DEVICE_EC, &close, 1);
    PQ_AUTO_AWS_STEP *step = plan(&s, ENDPOINT, NULL, &errors);
    assert_true(pq_aws_iot_keys(step, &s.caller, &keys, &err));
    assert_int_equal(s.offset, 0);
    pq_aws_keys_clear(&keys);
    s.fake.answers = &off;
    assert_true(pq_aws_iot_keys(step, &s.caller, &keys, &err));
    assert_in_range(s.offset, 7190, 7200);
    assert_int_equal(keys.expires, 4102444800 - s.offset);
    tear_down(&s);
}

/* A cache over many runs stands on it. */
static void all_that_decides_who_it_is_is_in_the_key(void **state)
{
    setting s, other;
    set_up(&s, *state, DEVICE_EC, NULL, 0);
    PQ_AUTO_FREE char *elsewhere = pq_path_join(*state, "other");
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_ERRORS errors = {0};
    PQ_AUTO_STRINGS seen = {0};
    assert_true(pq_make_dirs(elsewhere, 0700, &err));
    set_up(&other, elsewhere, DEVICE_YEAR, NULL, 0);
    const struct {
        const setting *of;
        pq_aws_iot iot;
    } plans[] = {
        {&s, {"a.credentials.iot.us-east-2.amazonaws.com", "x", "t", "f:1"}},
        {&s, {"b.credentials.iot.us-east-2.amazonaws.com", "x", "t", "f:1"}},
        {&s, {"a.credentials.iot.us-east-2.amazonaws.com", "y", "t", "f:1"}},
        {&s, {"a.credentials.iot.us-east-2.amazonaws.com", "x", "u", "f:1"}},
        {&other, {"a.credentials.iot.us-east-2.amazonaws.com", "x", "t", "f:1"}},
    };
    for (size_t i = 0; i < sizeof plans / sizeof *plans; i++) {
        PQ_AUTO_AWS_STEP *step = pq_aws_iot_plan(&plans[i].iot, plans[i].of->identity, &errors);
        PQ_AUTO_FREE char *key = pq_aws_step_key(step);
        assert_true(pq_strings_add_once(&seen, key));
    }
    tear_down(&s);
    tear_down(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_certificate_is_shown_and_the_thing_named, pq_folder_make, pq_folder_remove),
        cmocka_unit_test_setup_teardown(what_cannot_work_is_said_offline, pq_folder_make, pq_folder_remove),
        cmocka_unit_test_setup_teardown(each_refusal_is_told_with_its_mend, pq_folder_make, pq_folder_remove),
        cmocka_unit_test_setup_teardown(another_partition_has_its_own_arns, pq_folder_make, pq_folder_remove),
        cmocka_unit_test_setup_teardown(a_wrong_clock_is_learned, pq_folder_make, pq_folder_remove),
        cmocka_unit_test_setup_teardown(all_that_decides_who_it_is_is_in_the_key, pq_folder_make, pq_folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
