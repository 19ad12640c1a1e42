#include "pq_cmocka.h"

#include "auth/aws/keys.h"
#include "auth/aws/roles_anywhere.h"
#include "base/log.h"
#include "device_pem.h"
#include "fake_aws.h"

#define ROLE "arn:aws:iam::123456789012:role/pull"
#define PROFILE "arn:aws:rolesanywhere:eu-west-1:123456789012:profile/11111111-2222-3333-4444-555555555555"
#define ANCHOR "arn:aws:rolesanywhere:eu-west-1:123456789012:trust-anchor/66666666-7777-8888-9999-000000000000"
/* The form of CreateSession's answer (IAM Roles Anywhere API reference). */
#define GOOD                                                                                                           \
    "{\"credentialSet\":[{\"assumedRoleUser\":{\"arn\":\"arn:aws:sts::123456789012:assumed-role/pull/12\","            \
    "\"assumedRoleId\":\"AROA:12\"},\"credentials\":{\"accessKeyId\":\"ASIA\",\"secretAccessKey\":\"S\","              \
    "\"sessionToken\":\"T\",\"expiration\":\"2100-01-01T00:00:00Z\"},\"packedPolicySize\":9,\"roleArn\":\"" ROLE "\"," \
    "\"sourceIdentity\":\"CN=dev-7\"}],\"subjectArn\":\"arn:aws:rolesanywhere:eu-west-1:1:subject/x\"}"

static const pq_aws_roles_anywhere usual = {ROLE, PROFILE, ANCHOR, "device.yml:7"};

typedef struct setting {
    pq_identity *identity;
    fake_aws fake;
    pq_aws_caller caller;
    long offset;
    pq_aws_step *step;
} setting;

static void set_up(setting *s, const char *folder, const char *certificate, const char *key, const fake_answer *answers,
                   size_t count)
{
    PQ_AUTO_ERRORS errors = {0};
    pq_log_setup(PQ_QUIET, false);
    *s = (setting){.identity = device_open(folder, certificate, key), .fake = {.answers = answers, .count = count}};
    s->caller = (pq_aws_caller){.where = "the.host",
                                .send = fake_aws_send,
                                .send_context = &s->fake,
                                .pause = 0.001,
                                .clock_offset = &s->offset};
    s->step = pq_aws_roles_anywhere_plan(&usual, s->identity, &errors);
    assert_non_null(s->step);
}

static void tear_down(setting *s)
{
    fake_aws_clear(&s->fake);
    pq_aws_step_free(s->step);
    pq_identity_free(s->identity);
}

static bool ask(setting *s, pq_aws_keys *keys, char **arn, pq_error *err)
{
    return pq_aws_roles_anywhere_keys(s->step, &s->caller, (pq_aws_reach){0}, NULL, keys, arn, err);
}

/* The signatures themselves are judged elsewhere (test_sigv4_x509.py). */
static void a_session_is_asked_for(void **state)
{
    static const fake_answer answer = {201, NULL, GOOD};
    static const struct {
        const char *certificate, *key, *start;
        bool chain;
    } devices[] = {
        {DEVICE_EC, DEVICE_EC_KEY, "AWS4-X509-ECDSA-SHA256 Credential=85968058272638546416180/", false},
        {DEVICE_RSA DEVICE_AUTHORITY DEVICE_SPACED, DEVICE_RSA_KEY, "AWS4-X509-RSA-SHA256 Credential=4711/", true},
    };
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
        setting s;
        set_up(&s, *state, devices[i].certificate, devices[i].key, &answer, 1);
        PQ_AUTO_ERROR err = {0};
        PQ_AUTO_AWS_KEYS keys = {0};
        PQ_AUTO_FREE char *arn = NULL;
        if (!ask(&s, &keys, &arn, &err))
            fail_msg("%s", err.message);
        assert_string_equal(
            s.fake.urls.at[0],
            "https://rolesanywhere.eu-west-1.amazonaws.com/sessions?profileArn=arn%3Aaws%3Arolesanywhere"
            "%3Aeu-west-1%3A123456789012%3Aprofile%2F11111111-2222-3333-4444-555555555555&roleArn=arn"
            "%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fpull&trustAnchorArn=arn%3Aaws%3Arolesanywhere"
            "%3Aeu-west-1%3A123456789012%3Atrust-anchor%2F66666666-7777-8888-9999-000000000000");
        assert_string_equal(s.fake.bodies.at[0], "{}");
        assert_null(s.fake.shown);
        assert_string_equal(keys.access_key_id, "ASIA");
        assert_int_equal(keys.expires, 4102444800);
        assert_string_equal(arn, "arn:aws:sts::123456789012:assumed-role/pull/12");
        const char *authorization = fake_aws_header(&s.fake, "Authorization");
        assert_memory_equal(authorization, devices[i].start, strlen(devices[i].start));
        assert_non_null(strstr(
            authorization, devices[i].chain ? "SignedHeaders=content-type;host;x-amz-date;x-amz-x509;x-amz-x509-chain"
                                            : "SignedHeaders=content-type;host;x-amz-date;x-amz-x509,"));
        assert_memory_equal(fake_aws_header(&s.fake, "X-Amz-X509"), "MII", 3);
        const char *chain = fake_aws_header(&s.fake, "X-Amz-X509-Chain");
        assert_int_equal(chain != NULL, devices[i].chain);
        assert_true(!chain || (strchr(chain, ',') && !strchr(strchr(chain, ',') + 1, ',')));
        tear_down(&s);
    }
}

static void want_no_plan(const pq_identity *identity, pq_aws_roles_anywhere anywhere, const char *message)
{
    PQ_AUTO_ERRORS errors = {0};
    anywhere.where = "device.yml:7";
    assert_null(pq_aws_roles_anywhere_plan(&anywhere, identity, &errors));
    assert_int_equal(errors.at[0].code, PQ_ECONFIG);
    assert_string_equal(errors.at[0].where, "device.yml:7");
    if (!strstr(errors.at[0].message, message))
        fail_msg("%s", errors.at[0].message);
}

static void what_cannot_work_is_said_offline(void **state)
{
    PQ_AUTO_IDENTITY *identity = device_open(*state, DEVICE_EC, DEVICE_EC_KEY);
    want_no_plan(identity,
                 (pq_aws_roles_anywhere){ROLE, "arn:aws:rolesanywhere:eu-west-2:123456789012:profile/1", ANCHOR, NULL},
                 "profile_arn and trust_anchor_arn are of two regions");
    want_no_plan(identity, (pq_aws_roles_anywhere){"arn:aws-cn:iam::123456789012:role/pull", PROFILE, ANCHOR, NULL},
                 "not of one partition");
    want_no_plan(identity, (pq_aws_roles_anywhere){ROLE, PROFILE, "arn:aws:rolesanywhere::1:trust-anchor/1", NULL},
                 "names no region");
    want_no_plan(identity, (pq_aws_roles_anywhere){ROLE, PROFILE, "nonsense", NULL}, "names no region");
    PQ_AUTO_FREE char *folder = pq_path_join(*state, "long");
    PQ_AUTO_ERROR err = {0};
    assert_true(pq_make_dirs(folder, 0700, &err));
    PQ_AUTO_IDENTITY *chained = device_open(
        folder,
        DEVICE_EC DEVICE_AUTHORITY DEVICE_AUTHORITY DEVICE_AUTHORITY DEVICE_AUTHORITY DEVICE_AUTHORITY DEVICE_AUTHORITY,
        DEVICE_EC_KEY);
    want_no_plan(chained, usual, "6 certificates follow the device's, and the service takes 5");
}

/* The texts of AWS are those that people have met (issues of aws/rolesanywhere-credential-helper; run books). */
static void each_refusal_is_told_with_its_mend(void **state)
{
#define DENIED "x-amzn-ErrorType: AccessDeniedException:http://internal.amazon.com/coral/com.amazonaws/"
    static const struct {
        fake_answer answer;
        pq_code code;
        const char *message, *hint;
    } refused[] = {
        {{403, DENIED, "{\"message\":\"Untrusted certificate. Insufficient certificate\"}"},
         PQ_EDENIED,
         "IAM Roles Anywhere does not take the certificate dev-7 (AccessDeniedException): Untrusted certificate. "
         "Insufficient certificate",
         "digitalSignature"},
        {{403, DENIED, "{\"message\":\"Untrusted signing certificate\"}"},
         PQ_EDENIED,
         "the trust anchor of IAM Roles Anywhere does not vouch for the certificate dev-7",
         "intermediate certificates are missing"},
        {{403, DENIED, "{\"message\":\"Certificate is revoked\"}"},
         PQ_EDENIED,
         "the certificate dev-7 has been revoked (AccessDeniedException)",
         "another certificate"},
        {{403, DENIED, "{\"message\":\"Certificate has expired or is not yet valid\"}"},
         PQ_EDENIED,
         "the certificate dev-7, or one above it, is not within its dates by AWS's clock",
         "clock"},
        {{403, DENIED, "{\"message\":\"Unable to assume role for arn:aws:iam::1:role/untrusted-revoked\"}"},
         PQ_EDENIED,
         "IAM Roles Anywhere cannot assume the role",
         "sts:SetSourceIdentity"},
        {{400, "x-amzn-ErrorType: ValidationException",
          "{\"message\":\"The requested DurationSeconds exceeds the MaxSessionDuration set for this role.\"}"},
         PQ_EDENIED,
         "the profile asks for longer sessions than the role " ROLE " allows",
         "update-profile"},
        {{403, DENIED, "{\"message\":\"Unable to assume role for " ROLE "\"}"},
         PQ_EDENIED,
         "IAM Roles Anywhere cannot assume the role " ROLE " (AccessDeniedException)",
         "sts:AssumeRole, sts:TagSession and sts:SetSourceIdentity"},
        {{403, DENIED,
          "{\"message\":\"Unable to assume role for " ROLE " The requested DurationSeconds exceeds the "
          "MaxSessionDuration set for this role.\"}"},
         PQ_EDENIED,
         "the profile asks for longer sessions than the role " ROLE " allows",
         "update-profile"},
        {{403, DENIED,
          "{\"message\":\"Unable to assume role for " ROLE ". Some attributes failed to be mapped into session tags. "
          "Issuer: [  ]; Subject: [  ]; SAN: [ DNS/2 ]\"}"},
         PQ_EDENIED,
         "IAM Roles Anywhere cannot make session tags of the certificate dev-7",
         "attribute mappings of the profile"},
        {{403, DENIED, "{\"message\":null}"},
         PQ_EDENIED,
         "IAM Roles Anywhere gives no session to this certificate (AccessDeniedException)",
         "or the trust anchor or the profile is disabled"},
        {{404, "x-amzn-ErrorType: ResourceNotFoundException", "{\"message\":\"Not Found\"}"},
         PQ_EDENIED,
         "there is no such trust anchor or profile in eu-west-1 (ResourceNotFoundException): Not Found",
         "list-trust-anchors"},
        {{400, "x-amzn-ErrorType: ValidationException", "{\"message\":\"1 validation error detected\"}"},
         PQ_EFAILED,
         "AWS refuses the request (ValidationException): 1 validation error detected",
         NULL},
        {{429, "x-amzn-ErrorType: ThrottlingException", "{\"message\":\"Rate exceeded\"}"},
         PQ_EBUSY,
         "too many requests (ThrottlingException)",
         "try again later"},
        {{500, NULL, "<html>"}, PQ_EBUSY, "AWS has a problem of its own (status 500)", "try again later"},
        {{403, NULL, "<html>"}, PQ_EFAILED, "status 403 instead of an answer of AWS", "proxy"},
        {{201, NULL, "{\"credentialSet\":[]}"}, PQ_EFAILED, "IAM Roles Anywhere gives no accessKeyId", NULL},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        setting s;
        set_up(&s, *state, DEVICE_EC, DEVICE_EC_KEY, &refused[i].answer, 1);
        PQ_AUTO_ERROR err = {0};
        PQ_AUTO_AWS_KEYS keys = {0};
        PQ_AUTO_FREE char *arn = NULL;
        assert_false(ask(&s, &keys, &arn, &err));
        if (err.code != refused[i].code || !strstr(err.message, refused[i].message) ||
            (refused[i].hint && (!err.hint || !strstr(err.hint, refused[i].hint))))
            fail_msg("case %zu: %s: %s (%s)", i, pq_code_name(err.code), err.message, err.hint);
        tear_down(&s);
    }
}

/* A signature of another time is refused in the same words as any other. */
static void a_wrong_clock_is_corrected_once(void **state)
{
    PQ_AUTO_FREE char *date = fake_aws_date(-7200);
    const fake_answer answers[] = {{403, date, "{\"__type\":\"AccessDeniedException\",\"message\":\"Access denied\"}"},
                                   {201, NULL, GOOD}};
    setting s;
    set_up(&s, *state, DEVICE_EC, DEVICE_EC_KEY, answers, 2);
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_AWS_KEYS keys = {0};
    PQ_AUTO_FREE char *arn = NULL;
    assert_true(ask(&s, &keys, &arn, &err));
    assert_int_equal(s.fake.calls, 2);
    assert_in_range(-s.offset, 7200, 7210);
    tear_down(&s);
}

static void other_endpoints(void **state)
{
    static const fake_answer answer = {201, NULL, GOOD};
    static const struct {
        pq_aws_reach reach;
        const char *endpoint, *start;
    } places[] = {
        {{.fips = true}, NULL, "https://rolesanywhere-fips.eu-west-1.amazonaws.com/sessions?"},
        {{.dual_stack = true}, NULL, "https://rolesanywhere.eu-west-1.api.aws/sessions?"},
        {{0}, "https://vpce-1.example.com/", "https://vpce-1.example.com/sessions?"},
        {{0}, "http://127.0.0.1:9/x", "http://127.0.0.1:9/x/sessions?"},
    };
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        setting s;
        set_up(&s, *state, DEVICE_EC, DEVICE_EC_KEY, &answer, 1);
        PQ_AUTO_ERROR err = {0};
        PQ_AUTO_AWS_KEYS keys = {0};
        PQ_AUTO_FREE char *arn = NULL;
        assert_true(
            pq_aws_roles_anywhere_keys(s.step, &s.caller, places[i].reach, places[i].endpoint, &keys, &arn, &err));
        assert_memory_equal(s.fake.urls.at[0], places[i].start, strlen(places[i].start));
        tear_down(&s);
    }
}

/* A cache over many runs stands on it. */
static void all_that_decides_who_it_is_is_in_the_key(void **state)
{
    PQ_AUTO_FREE char *folder = pq_path_join(*state, "other");
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_ERRORS errors = {0};
    PQ_AUTO_STRINGS seen = {0};
    assert_true(pq_make_dirs(folder, 0700, &err));
    PQ_AUTO_IDENTITY *one = device_open(*state, DEVICE_EC, DEVICE_EC_KEY);
    PQ_AUTO_IDENTITY *two = device_open(folder, DEVICE_YEAR, DEVICE_EC_KEY);
    const pq_aws_roles_anywhere plans[] = {
        usual,
        {"arn:aws:iam::123456789012:role/other", PROFILE, ANCHOR, "f:1"},
        {ROLE, PROFILE "0", ANCHOR, "f:1"},
        {ROLE, PROFILE, ANCHOR "0", "f:1"},
        usual,
    };
    for (size_t i = 0; i < sizeof plans / sizeof *plans; i++) {
        PQ_AUTO_AWS_STEP *step = pq_aws_roles_anywhere_plan(&plans[i], i == 4 ? two : one, &errors);
        PQ_AUTO_FREE char *key = pq_aws_step_key(step);
        assert_true(pq_strings_add_once(&seen, key));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_session_is_asked_for, pq_folder_make, pq_folder_remove),
        cmocka_unit_test_setup_teardown(what_cannot_work_is_said_offline, pq_folder_make, pq_folder_remove),
        cmocka_unit_test_setup_teardown(each_refusal_is_told_with_its_mend, pq_folder_make, pq_folder_remove),
        cmocka_unit_test_setup_teardown(a_wrong_clock_is_corrected_once, pq_folder_make, pq_folder_remove),
        cmocka_unit_test_setup_teardown(other_endpoints, pq_folder_make, pq_folder_remove),
        cmocka_unit_test_setup_teardown(all_that_decides_who_it_is_is_in_the_key, pq_folder_make, pq_folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
