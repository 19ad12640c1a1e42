#include "pq_cmocka.h"

#include "base/log.h"
#include "fake_aws.h"

#define SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

typedef struct setting {
    fake_aws fake;
    pq_aws_host host;
    pq_aws_keys keys;
    long offset;
    pq_aws_caller caller;
    pq_ecr_call call;
    bool denied;
} setting;

static void set_up(setting *s, const fake_answer *answers, size_t count)
{
    PQ_AUTO_ERROR err = {0};
    *s = (setting){.fake = {.answers = answers, .count = count}};
    assert_true(pq_aws_host_parse("123456789012.dkr.ecr.us-east-2.amazonaws.com", &s->host, &err));
    s->keys = (pq_aws_keys){.access_key_id = pq_strdup("AKIAIOSFODNN7EXAMPLE"),
                            .secret_access_key = pq_secret_new(SECRET, strlen(SECRET))};
    s->caller = (pq_aws_caller){.where = "the.host",
                                .send = fake_aws_send,
                                .send_context = &s->fake,
                                .pause = 0.001,
                                .clock_offset = &s->offset};
    s->call = (pq_ecr_call){.caller = &s->caller, .registry = &s->host, .keys = &s->keys};
}

static void tear_down(setting *s)
{
    fake_aws_clear(&s->fake);
    pq_aws_host_clear(&s->host);
    pq_aws_keys_clear(&s->keys);
}

static void a_token_is_asked_for_and_read(void **state)
{
    (void)state;
    static const fake_answer good = {200, NULL, FAKE_ANSWER};
    setting s;
    set_up(&s, &good, 1);
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_CREDENTIAL credential = {0};
    assert_true(pq_ecr_get_token(&s.call, &credential, &s.denied, &err));
    assert_string_equal(credential.username, "AWS");
    assert_string_equal(pq_secret_bytes(credential.secret), "pass:word");
    assert_int_equal(credential.expires, 4102444800);
    assert_string_equal(s.fake.urls.at[0], "https://api.ecr.us-east-2.amazonaws.com/");
    assert_string_equal(fake_aws_header(&s.fake, "Content-Type"), "application/x-amz-json-1.1");
    assert_string_equal(fake_aws_header(&s.fake, "X-Amz-Target"),
                        "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken");
    assert_non_null(strstr(fake_aws_header(&s.fake, "Authorization"),
                           "/us-east-2/ecr/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-target, "));
    assert_null(fake_aws_header(&s.fake, "X-Amz-Security-Token"));
    assert_null(fake_aws_header(&s.fake, "Host"));
    tear_down(&s);
}

static void the_endpoint_can_be_elsewhere_but_not_in_the_clear(void **state)
{
    (void)state;
    static const fake_answer good = {200, NULL, FAKE_ANSWER};
    static const struct {
        const char *endpoint, *url;
    } places[] = {
        {"https://ecr.example:8443", "https://ecr.example:8443/"},
        {"https://example/aws/ecr//", "https://example/aws/ecr/"},
        {"http://127.0.0.1:4566", "http://127.0.0.1:4566/"},
        {"http://example:4566", NULL},
        {"https://user@example", NULL},
        {"https://example?x", NULL},
        {"example:443", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        setting s;
        set_up(&s, &good, 1);
        PQ_AUTO_ERROR err = {0};
        PQ_AUTO_CREDENTIAL credential = {0};
        s.call.endpoint = places[i].endpoint;
        assert_int_equal(pq_ecr_get_token(&s.call, &credential, &s.denied, &err), places[i].url != NULL);
        if (places[i].url) {
            assert_string_equal(s.fake.urls.at[0], places[i].url);
        } else {
            assert_int_equal(err.code, PQ_ECONFIG);
            assert_int_equal(s.fake.calls, 0);
        }
        tear_down(&s);
    }
}

/* The texts are those that AWS's services send, as people report them. */
static const struct {
    long status;
    const char *header, *body;
    pq_code code;
    const char *message, *hint;
    size_t calls;
} faults[] = {
    {400, NULL,
     "{\"__type\":\"UnrecognizedClientException\",\"message\":\"The security token included in the request is "
     "invalid.\"}",
     PQ_EDENIED, "AWS does not know this access key id (UnrecognizedClientException)", "deleted", 1},
    {403, NULL,
     "{\"__type\":\"com.amazon.coral.service#InvalidSignatureException\",\"message\":\"The request signature we "
     "calculated does not match the signature you provided. The Canonical String: 'x-amz-security-token:SESSION'\"}",
     PQ_EDENIED, "the secret access key does not belong to the access key id (InvalidSignatureException)",
     "aws_secret_access_key", 1},
    {400, NULL, "{\"__type\":\"ExpiredTokenException\",\"message\":\"The security token included is expired\"}",
     PQ_EDENIED, "the session token has expired (ExpiredTokenException)", "fresh keys", 1},
    {400, "x-amzn-ErrorType: AccessDeniedException:http://internal.amazon.com/coral/com.amazon.coral.service/",
     "{\"Message\":\"User: arn:aws:iam::123456789012:user/ci is not authorized to perform: "
     "ecr:GetAuthorizationToken on resource: *\"}",
     PQ_EDENIED,
     "this identity may not get a registry password (AccessDeniedException): User: arn:aws:iam::123456789012:user/ci "
     "is not authorized to perform: ecr:GetAuthorizationToken on resource: *",
     "allow ecr:GetAuthorizationToken", 1},
    {403, NULL, "{\"__type\":\"OptInRequired\"}", PQ_EDENIED, "does not use ECR in region us-east-2 (OptInRequired)",
     "enable the region", 1},
    {400, NULL, "{\"__type\":\"ThrottlingException\",\"message\":\"Rate exceeded\"}", PQ_EBUSY,
     "too many requests (ThrottlingException)", "later", 4},
    {429, NULL, "Too Many Requests", PQ_EBUSY, "too many requests (status 429)", "later", 1},
    {500, NULL, "{\"__type\":\"ServerException\",\"message\":\"oops\\nsecond line\"}", PQ_EBUSY,
     "a problem of its own (ServerException): oops", "later", 4},
    {503, NULL, "<html>", PQ_EBUSY, "a problem of its own (status 503)", "later", 1},
    {403, NULL, "<html>Blocked by policy: token abc</html>", PQ_EFAILED, "status 403 instead of an answer of AWS",
     "proxy", 1},
    {302, NULL, "", PQ_EFAILED, "status 302 instead of an answer of AWS", "proxy", 1},
    {400, NULL, "{\"__type\":\"a b<script>\",\"message\":7}", PQ_EFAILED, "status 400 instead of an answer of AWS",
     "proxy", 1},
    {400, NULL, "{\"__type\":\"InvalidParameterException\",\"message\":\"registry ids\"}", PQ_EFAILED,
     "AWS refuses the request (InvalidParameterException): registry ids", NULL, 1},
    {200, NULL, "{}", PQ_EFAILED, "has no authorizationToken", "proxy", 1},
    {200, NULL, "<html>", PQ_EFAILED, "is not JSON", "proxy", 1},
    {200, NULL, "{\"authorizationData\":[]}", PQ_EFAILED, "has no authorizationToken", "proxy", 1},
    {200, NULL, "{\"authorizationData\":[{\"authorizationToken\":\"!\"}]}", PQ_EFAILED, "not base64", "proxy", 1},
    {200, NULL, "{\"authorizationData\":[{\"authorizationToken\":\"QVdT\"}]}", PQ_EFAILED, "not <user>:<password>",
     "proxy", 1},
    {200, NULL, "{\"authorizationData\":[{\"authorizationToken\":\"QVdTOg==\"}]}", PQ_EFAILED, "not <user>:<password>",
     "proxy", 1},
    {200, NULL, "{\"authorizationData\":[{\"authorizationToken\":\"QVdTOgph\"}]}", PQ_EFAILED, "control bytes", "proxy",
     1},
    {200, NULL, "{\"authorizationData\":[{\"authorizationToken\":\"" FAKE_TOKEN "\",\"expiresAt\":\"soon\"}]}",
     PQ_EFAILED, "not a time", "proxy", 1},
    {200, NULL, "{\"authorizationData\":[{\"authorizationToken\":\"" FAKE_TOKEN "\",\"expiresAt\":1e300}]}", PQ_EFAILED,
     "not a time", "proxy", 1},
};

static void every_fault_has_its_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        const fake_answer answer = {faults[i].status, faults[i].header, faults[i].body};
        setting s;
        set_up(&s, &answer, 1);
        PQ_AUTO_ERROR err = {0};
        PQ_AUTO_CREDENTIAL credential = {0};
        assert_false(pq_ecr_get_token(&s.call, &credential, &s.denied, &err));
        if (err.code != faults[i].code || !strstr(err.message, faults[i].message) || strstr(err.message, "SESSION") ||
            strstr(err.message, "second line") || (faults[i].hint && !strstr(err.hint, faults[i].hint)))
            fail_msg("fault %zu: %s: %s (%s)", i, pq_code_name(err.code), err.message, err.hint);
        assert_int_equal(s.fake.calls, faults[i].calls);
        assert_int_equal(s.denied, strstr(err.message, "may not get a registry password") != NULL);
        assert_null(credential.secret);
        tear_down(&s);
    }
}

static void what_aws_says_is_cut_short(void **state)
{
    (void)state;
    PQ_AUTO_BUF body = PQ_BUF(10000);
    pq_buf_adds(&body, "{\"__type\":\"AccessDeniedException\",\"message\":\"" SECRET " ");
    for (int i = 0; i < 1000; i++)
        pq_buf_adds(&body, "é");
    pq_buf_adds(&body, "\"}");
    const fake_answer answer = {400, NULL, pq_buf_text(&body)};
    setting s;
    set_up(&s, &answer, 1);
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_CREDENTIAL credential = {0};
    assert_false(pq_ecr_get_token(&s.call, &credential, &s.denied, &err));
    assert_true(strlen(err.message) < 400);
    assert_true(pq_utf8_valid(err.message, strlen(err.message)));
    assert_null(strstr(err.message, SECRET));
    tear_down(&s);
}

static void throttling_passes(void **state)
{
    (void)state;
    static const fake_answer answers[] = {{400, NULL, "{\"__type\":\"ThrottlingException\"}"},
                                          {500, NULL, "{\"__type\":\"ServerException\"}"},
                                          {200, NULL, FAKE_ANSWER}};
    setting s;
    set_up(&s, answers, 3);
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_CREDENTIAL credential = {0};
    assert_true(pq_ecr_get_token(&s.call, &credential, &s.denied, &err));
    assert_int_equal(s.fake.calls, 3);
    tear_down(&s);
}

static const char *const skews[] = {
    "{\"__type\":\"InvalidSignatureException\",\"message\":\"Signature expired: 20261123T100000Z is now earlier than "
    "20261123T105500Z (20261123T110000Z - 5 min.)\"}",
    "{\"__type\":\"InvalidSignatureException\",\"message\":\"Signature not yet current: 20261123T120000Z is still "
    "later "
    "than 20261123T110500Z (20261123T110000Z + 5 min.)\"}",
    "{\"__type\":\"RequestExpired\"}",
};

static void a_wrong_clock_is_named_and_corrected_once(void **state)
{
    (void)state;
    pq_log_setup(PQ_QUIET, false);
    for (size_t i = 0; i < 3; i++) {
        const long off = i == 1 ? -3000 : 7200;
        PQ_AUTO_FREE char *date = fake_aws_date(off);
        const fake_answer answers[] = {{400, date, skews[i]}, {200, NULL, FAKE_ANSWER}};
        setting s;
        set_up(&s, answers, 2);
        PQ_AUTO_ERROR err = {0};
        PQ_AUTO_CREDENTIAL credential = {0};
        size_t warnings = pq_warnings()->count;
        assert_true(pq_ecr_get_token(&s.call, &credential, &s.denied, &err));
        assert_int_equal(s.fake.calls, 2);
        assert_true(labs(s.offset - off) <= 2);
        char low[PQ_TIME_TEXT], high[PQ_TIME_TEXT];
        pq_time_compact(pq_now() + off - 3, low);
        pq_time_compact(pq_now() + off + 3, high);
        const char *signed_at = fake_aws_header(&s.fake, "X-Amz-Date");
        assert_true(strcmp(low, signed_at) <= 0 && strcmp(signed_at, high) <= 0);
        /* the expiry never looks later than it is, whether by this clock or by AWS's */
        assert_true(credential.expires <= 4102444800 && credential.expires <= 4102444800 - off + 2);
        if (i < 2) {
            assert_int_equal(pq_warnings()->count, warnings + 1);
            const char *said = pq_warnings()->at[warnings].message;
            assert_non_null(strstr(said, i == 1 ? "clock is 50 minutes fast" : "clock is 2 hours slow"));
        }
        tear_down(&s);
    }
}

static void a_clock_that_stays_wrong_is_an_error(void **state)
{
    (void)state;
    PQ_AUTO_FREE char *date = fake_aws_date(7200);
    const fake_answer with_date = {400, date, skews[0]}, without_date = {400, NULL, skews[0]};
    for (int i = 0; i < 2; i++) {
        setting s;
        set_up(&s, i ? &without_date : &with_date, 1);
        PQ_AUTO_ERROR err = {0};
        PQ_AUTO_CREDENTIAL credential = {0};
        assert_false(pq_ecr_get_token(&s.call, &credential, &s.denied, &err));
        assert_int_equal(err.code, PQ_EFAILED);
        assert_non_null(strstr(err.message, "Signature expired"));
        assert_string_equal(err.hint, "set this machine's clock");
        assert_int_equal(s.fake.calls, i ? 1 : 2);
        tear_down(&s);
    }
}

static void a_session_token_goes_along(void **state)
{
    (void)state;
    static const fake_answer good = {200, NULL, FAKE_ANSWER};
    setting s;
    set_up(&s, &good, 1);
    s.keys.session_token = pq_secret_new("session/token==", 15);
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_CREDENTIAL credential = {0};
    assert_true(pq_ecr_get_token(&s.call, &credential, &s.denied, &err));
    assert_string_equal(fake_aws_header(&s.fake, "X-Amz-Security-Token"), "session/token==");
    assert_non_null(strstr(fake_aws_header(&s.fake, "Authorization"), "x-amz-security-token"));
    tear_down(&s);
}

/* The answer's form: ECR Public API reference, GetAuthorizationToken. */
static void the_public_gallery_has_an_api_of_its_own(void **state)
{
    (void)state;
    static const fake_answer good = {
        200, NULL, "{\"authorizationData\":{\"authorizationToken\":\"" FAKE_TOKEN "\",\"expiresAt\":4102444800.25}}"};
    setting s;
    set_up(&s, &good, 1);
    pq_aws_host_clear(&s.host);
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_CREDENTIAL credential = {0};
    assert_true(pq_aws_host_parse("public.ecr.aws", &s.host, &err));
    assert_true(pq_ecr_get_token(&s.call, &credential, &s.denied, &err));
    assert_string_equal(pq_secret_bytes(credential.secret), "pass:word");
    assert_string_equal(s.fake.urls.at[0], "https://api.ecr-public.us-east-1.amazonaws.com/");
    assert_string_equal(fake_aws_header(&s.fake, "X-Amz-Target"), "SpencerFrontendService.GetAuthorizationToken");
    assert_non_null(strstr(fake_aws_header(&s.fake, "Authorization"), "/us-east-1/ecr-public/aws4_request"));
    tear_down(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_is_asked_for_and_read),
        cmocka_unit_test(the_endpoint_can_be_elsewhere_but_not_in_the_clear),
        cmocka_unit_test(every_fault_has_its_words),
        cmocka_unit_test(what_aws_says_is_cut_short),
        cmocka_unit_test(throttling_passes),
        cmocka_unit_test(a_wrong_clock_is_named_and_corrected_once),
        cmocka_unit_test(a_clock_that_stays_wrong_is_an_error),
        cmocka_unit_test(a_session_token_goes_along),
        cmocka_unit_test(the_public_gallery_has_an_api_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
