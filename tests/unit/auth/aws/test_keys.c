#include "pq_cmocka.h"

#include <unistd.h>

#include "auth/aws/container.h"
#include "auth/aws/instance.h"
#include "auth/aws/keys.h"
#include "base/file.h"
#include "base/log.h"
#include "fake_aws.h"

#define KEYS_OF(name)                                                                                                  \
    "{\"Code\":\"Success\",\"AccessKeyId\":\"" name "\",\"SecretAccessKey\":\"S\",\"Token\":\"T\",\"Expiration\":"     \
    "\"2100-01-01T00:00:00Z\"}"
#define SESSION_OF(name, expiration)                                                                                   \
    "<A><AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/" name "/pratique</Arn></AssumedRoleUser><Credentials>"      \
    "<AccessKeyId>" name "</AccessKeyId><SecretAccessKey>S</SecretAccessKey><SessionToken>T</SessionToken>"            \
    "<Expiration>" expiration "</Expiration></Credentials></A>"

typedef struct setting {
    fake_aws fake;
    pq_aws_caller caller;
    pq_aws_follow how;
    long offset;
} setting;

static void set_up(setting *s, const fake_answer *answers, size_t count)
{
    static const char *const names[] = {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                                        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                                        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
                                        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
                                        "AWS_EC2_METADATA_SERVICE_ENDPOINT",
                                        "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
                                        "AWS_ENDPOINT_URL",
                                        "AWS_ENDPOINT_URL_STS"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        (void)unsetenv(names[i]);
    pq_log_setup(PQ_QUIET, false);
    *s = (setting){.fake = {.answers = answers, .count = count}};
    s->caller = (pq_aws_caller){.where = "the.host",
                                .send = fake_aws_send,
                                .send_context = &s->fake,
                                .pause = 0.001,
                                .clock_offset = &s->offset};
    s->how = (pq_aws_follow){.caller = &s->caller, .region = "us-east-2", .memory = pq_aws_memory_new()};
}

static void tear_down(setting *s)
{
    fake_aws_clear(&s->fake);
    pq_aws_memory_free(s->how.memory);
}

static void set(const char *name, const char *value)
{
    assert_int_equal(setenv(name, value, 1), 0);
}

static pq_aws_step *static_keys(void)
{
    pq_aws_step *step = pq_alloc(1, sizeof *step);
    *step = (pq_aws_step){.kind = PQ_AWS_STEP_KEYS,
                          .where = pq_strdup("secret s:1"),
                          .words = pq_strdup("profile default"),
                          .keys = {.access_key_id = pq_strdup("AKIAIOSFODNN7EXAMPLE"),
                                   .secret_access_key = pq_secret_new("static-secret", 13)}};
    return step;
}

static void a_chain_of_roles_is_followed_once(void **state)
{
    (void)state;
    static const fake_answer answers[] = {{200, NULL, SESSION_OF("FIRST", "2100-01-01T00:00:00Z")},
                                          {200, NULL, SESSION_OF("SECOND", "2100-01-01T00:00:00Z")}};
    setting s;
    set_up(&s, answers, 2);
    PQ_AUTO_AWS_STEP *step =
        pq_aws_plan_role("arn:aws:iam::123456789012:role/two", NULL, NULL, "f:1",
                         pq_aws_plan_role("arn:aws:iam::123456789012:role/one", NULL, NULL, "f:2", static_keys()));
    for (int i = 0; i < 2; i++) {
        PQ_AUTO_ERROR err = {0};
        PQ_AUTO_AWS_KEYS keys = {0};
        PQ_AUTO_FREE char *arn = NULL;
        s.how.region = i ? "eu-west-1" : "us-east-2"; /* keys of a role are good in every region */
        assert_true(pq_aws_keys_get(step, &s.how, &keys, &arn, &err));
        assert_string_equal(keys.access_key_id, "SECOND");
        assert_string_equal(arn, "arn:aws:sts::1:assumed-role/SECOND/pratique");
        assert_int_equal(s.fake.calls, 2);
    }
    /* The second was signed with the keys of the first. */
    assert_non_null(strstr(fake_aws_header(&s.fake, "Authorization"), "Credential=FIRST/"));
    assert_non_null(strstr(s.fake.bodies.at[0], "role%2Fone"));
    pq_aws_memory_forget(s.how.memory);
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_AWS_KEYS keys = {0};
    PQ_AUTO_FREE char *arn = NULL;
    assert_true(pq_aws_keys_get(step, &s.how, &keys, &arn, &err));
    assert_int_equal(s.fake.calls, 4);
    tear_down(&s);
}

static void keys_about_to_end_are_not_kept(void **state)
{
    (void)state;
    char soon[PQ_TIME_TEXT];
    pq_time_text(pq_now() + 100, soon);
    PQ_AUTO_FREE char *body = pq_asprintf("<A><Credentials><AccessKeyId>I</AccessKeyId><SecretAccessKey>S"
                                          "</SecretAccessKey><SessionToken>T</SessionToken><Expiration>%s</Expiration>"
                                          "</Credentials></A>",
                                          soon);
    const fake_answer answer = {200, NULL, body};
    setting s;
    set_up(&s, &answer, 1);
    PQ_AUTO_AWS_STEP *step = pq_aws_plan_role("arn:aws:iam::123456789012:role/one", NULL, NULL, "f:2", static_keys());
    for (size_t i = 1; i <= 2; i++) {
        PQ_AUTO_ERROR err = {0};
        PQ_AUTO_AWS_KEYS keys = {0};
        PQ_AUTO_FREE char *arn = NULL;
        assert_true(pq_aws_keys_get(step, &s.how, &keys, &arn, &err));
        assert_int_equal(s.fake.calls, i);
    }
    tear_down(&s);
}

static void a_denial_tells_who_asked(void **state)
{
    (void)state;
    static const fake_answer answers[] = {
        {403, NULL, "<E><Error><Code>AccessDenied</Code><Message>no</Message></Error></E>"},
        {200, NULL, "<G><GetCallerIdentityResult><Arn>arn:aws:iam::1:user/ci</Arn></GetCallerIdentityResult></G>"}};
    setting s;
    set_up(&s, answers, 2);
    PQ_AUTO_AWS_STEP *step = pq_aws_plan_role("arn:aws:iam::123456789012:role/one", NULL, NULL, "f:2", static_keys());
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_AWS_KEYS keys = {0};
    PQ_AUTO_FREE char *arn = NULL;
    assert_false(pq_aws_keys_get(step, &s.how, &keys, &arn, &err));
    assert_non_null(strstr(err.message, "; AWS knows this identity as arn:aws:iam::1:user/ci"));
    assert_int_equal(s.fake.calls, 2);
    tear_down(&s);
}

static void the_instance_is_asked_in_three_steps(void **state)
{
    (void)state;
    static const fake_answer answers[] = {
        {200, NULL, "session-token"}, {200, NULL, "my role\n"}, {200, NULL, KEYS_OF("I")}};
    static const fake_answer right[] = {
        {200, NULL, "session-token"}, {200, NULL, "my-role\n"}, {200, NULL, KEYS_OF("I")}};
    setting s;
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_AWS_KEYS keys = {0};
    set_up(&s, answers, 3); /* a name with a blank is no role's */
    assert_false(pq_aws_instance_keys(&s.caller, &keys, &err));
    tear_down(&s);
    set_up(&s, right, 3);
    assert_true(pq_aws_instance_keys(&s.caller, &keys, &err));
    assert_string_equal(keys.access_key_id, "I");
    assert_string_equal(s.fake.urls.at[0], "http://169.254.169.254/latest/api/token");
    assert_string_equal(s.fake.urls.at[2], "http://169.254.169.254/latest/meta-data/iam/security-credentials/my-role");
    assert_string_equal(fake_aws_header(&s.fake, "X-aws-ec2-metadata-token"), "session-token");
    tear_down(&s);
}

static void only_neighbours_are_asked_in_the_clear(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        bool container, instance;
    } places[] = {
        {"https://any.example/x", true, true},
        {"http://127.0.0.1:80/x", true, true},
        {"http://localhost/x", true, true},
        {"http://169.254.170.2/x", true, false},
        {"http://169.254.170.23/v1/credentials", true, false},
        {"http://[fd00:ec2::23]/v1", true, false},
        {"http://169.254.169.254", false, true},
        {"http://[fd00:ec2::254]", false, true},
        {"http://example.com/x", false, false},
        {"http://169.254.170.2.example.com/x", false, false},
        {"http://169.254.170.2@example.com/x", false, false},
        {"ftp://169.254.170.2/x", false, false},
        {"169.254.170.2/x", false, false},
    };
    setting s;
    set_up(&s, NULL, 0);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        PQ_AUTO_ERROR err = {0};
        set("AWS_CONTAINER_CREDENTIALS_FULL_URI", places[i].url);
        set("AWS_EC2_METADATA_SERVICE_ENDPOINT", places[i].url);
        if (pq_aws_container_check(&err) != places[i].container)
            fail_msg("container: %s", places[i].url);
        if (pq_aws_instance_check(&err) != places[i].instance)
            fail_msg("instance: %s", places[i].url);
    }
    PQ_AUTO_ERROR err = {0};
    set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "@example.com/x");
    assert_false(pq_aws_container_check(&err));
    assert_string_equal(err.where, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    tear_down(&s);
}

static void the_container_shows_its_token_as_it_is(void **state)
{
    (void)state;
    static const fake_answer good = {200, NULL, KEYS_OF("C")};
    setting s;
    set_up(&s, &good, 1);
    set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/1?x=y");
    set("AWS_CONTAINER_AUTHORIZATION_TOKEN", "Basic abc");
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_AWS_KEYS keys = {0};
    assert_true(pq_aws_container_keys(&s.caller, &keys, &err));
    assert_string_equal(s.fake.urls.at[0], "http://169.254.170.2/v2/credentials/1?x=y");
    assert_string_equal(fake_aws_header(&s.fake, "Authorization"), "Basic abc");
    /* The file wins, and is read each time. */
    char path[] = "/tmp/pq-token-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, "one", 3) == 3);
    set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", path);
    pq_aws_keys_clear(&keys);
    assert_true(pq_aws_container_keys(&s.caller, &keys, &err));
    assert_string_equal(fake_aws_header(&s.fake, "Authorization"), "one");
    assert_true(pwrite(fd, "two", 3, 0) == 3);
    pq_aws_keys_clear(&keys);
    assert_true(pq_aws_container_keys(&s.caller, &keys, &err));
    assert_string_equal(fake_aws_header(&s.fake, "Authorization"), "two");
    assert_true(pwrite(fd, "a\r\nHost: x", 10, 0) == 10);
    pq_aws_keys_clear(&keys);
    assert_false(pq_aws_container_keys(&s.caller, &keys, &err));
    assert_non_null(strstr(err.message, "line end"));
    assert_int_equal(s.fake.calls, 3);
    (void)close(fd);
    (void)unlink(path);
    tear_down(&s);
}

static void a_session_that_has_ended_is_not_tried(void **state)
{
    (void)state;
    setting s;
    set_up(&s, NULL, 0);
    PQ_AUTO_AWS_STEP *step = static_keys();
    PQ_AUTO_ERRORS errors = {0};
    step->keys.expires = pq_now() + 600;
    size_t warnings = pq_warnings()->count;
    assert_true(pq_aws_keys_check(step, NULL, &errors));
    assert_int_equal(pq_warnings()->count, warnings + 1);
    step->keys.expires = pq_now() - 1;
    assert_false(pq_aws_keys_check(step, NULL, &errors));
    assert_non_null(strstr(errors.at[0].message, "the session of profile default ended at"));
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_AWS_KEYS keys = {0};
    PQ_AUTO_FREE char *arn = NULL;
    assert_false(pq_aws_keys_get(step, &s.how, &keys, &arn, &err));
    assert_int_equal(err.code, PQ_EDENIED);
    assert_int_equal(s.fake.calls, 0);
    tear_down(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chain_of_roles_is_followed_once),
        cmocka_unit_test(keys_about_to_end_are_not_kept),
        cmocka_unit_test(a_denial_tells_who_asked),
        cmocka_unit_test(the_instance_is_asked_in_three_steps),
        cmocka_unit_test(only_neighbours_are_asked_in_the_clear),
        cmocka_unit_test(the_container_shows_its_token_as_it_is),
        cmocka_unit_test(a_session_that_has_ended_is_not_tried),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
