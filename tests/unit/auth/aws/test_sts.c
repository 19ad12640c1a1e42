#include "pq_cmocka.h"

#include "auth/aws/sts.h"
#include "fake_aws.h"

#define ROLE "arn:aws:iam::123456789012:role/pull"
#define SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
/* Claims {"iss":"https://token.example","aud":"sts.amazonaws.com","sub":"repo:acme/x:ref:refs/heads/main"}. */
#define TOKEN                                                                                                          \
    "eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL3Rva2VuLmV4YW1wbGUiLCJhdWQiOiJzdHMuYW1hem9uYXdzLmNvbSIsInN1YiI6InJlcG86" \
    "YWNtZS94OnJlZjpyZWZzL2hlYWRzL21haW4ifQ.c2ln"
#define SESSION                                                                                                        \
    "<AssumeRoleResponse><AssumeRoleResult><AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/pull/s</Arn>"  \
    "</AssumedRoleUser><Credentials><AccessKeyId>ASIAIOSFODNN7EXAMPLE</AccessKeyId><SecretAccessKey>role-secret"       \
    "</SecretAccessKey><SessionToken>role-token</SessionToken><Expiration>2100-01-01T00:00:00Z</Expiration>"           \
    "</Credentials></AssumeRoleResult></AssumeRoleResponse>"
#define FAULT(code, message)                                                                                           \
    "<ErrorResponse><Error><Type>Sender</Type><Code>" code "</Code><Message>" message                                  \
    "</Message></Error></ErrorResponse>"

typedef struct setting {
    fake_aws fake;
    pq_aws_caller caller;
    pq_sts_place place;
    pq_aws_keys keys;
    pq_secret *token;
    long offset;
} setting;

static void set_up(setting *s, const fake_answer *answers, size_t count)
{
    *s = (setting){.fake = {.answers = answers, .count = count}};
    s->caller = (pq_aws_caller){.where = "the.host",
                                .send = fake_aws_send,
                                .send_context = &s->fake,
                                .pause = 0.001,
                                .clock_offset = &s->offset};
    s->place = (pq_sts_place){.caller = &s->caller, .region = "us-east-2"};
    s->keys = (pq_aws_keys){.access_key_id = pq_strdup("AKIAIOSFODNN7EXAMPLE"),
                            .secret_access_key = pq_secret_new(SECRET, strlen(SECRET))};
    s->token = pq_secret_new(TOKEN, strlen(TOKEN));
}

static void tear_down(setting *s)
{
    fake_aws_clear(&s->fake);
    pq_aws_keys_clear(&s->keys);
    pq_secret_free(s->token);
}

/* "" when nothing was asked. */
static const char *first(const pq_strings *list)
{
    return list->count ? list->at[0] : "";
}

static void a_role_is_assumed_with_a_signed_form(void **state)
{
    (void)state;
    static const fake_answer good = {200, NULL, SESSION};
    setting s;
    set_up(&s, &good, 1);
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_AWS_KEYS keys = {0};
    PQ_AUTO_FREE char *arn = NULL;
    const pq_sts_role role = {.arn = ROLE, .session_name = "ci@x", .external_id = "a/b", .duration = 900};
    assert_true(pq_sts_assume_role(&s.place, &s.keys, NULL, &role, &keys, &arn, &err));
    assert_string_equal(first(&s.fake.urls), "https://sts.us-east-2.amazonaws.com/");
    assert_string_equal(first(&s.fake.bodies),
                        "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fpull"
                        "&RoleSessionName=ci%40x&DurationSeconds=900&ExternalId=a%2Fb");
    assert_non_null(strstr(fake_aws_header(&s.fake, "Authorization"), "/us-east-2/sts/aws4_request"));
    assert_string_equal(keys.access_key_id, "ASIAIOSFODNN7EXAMPLE");
    assert_string_equal(pq_secret_bytes(keys.session_token), "role-token");
    assert_int_equal(keys.expires, 4102444800);
    assert_string_equal(arn, "arn:aws:sts::123456789012:assumed-role/pull/s");
    tear_down(&s);
}

static void a_web_identity_is_not_signed(void **state)
{
    (void)state;
    static const fake_answer good = {200, NULL, SESSION};
    setting s;
    set_up(&s, &good, 1);
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_AWS_KEYS keys = {0};
    PQ_AUTO_FREE char *arn = NULL;
    const pq_sts_role role = {.arn = ROLE, .session_name = "ci"};
    s.place.reach = (pq_aws_reach){.fips = true};
    assert_true(pq_sts_assume_role_with_web_identity(&s.place, s.token, &role, &keys, &arn, &err));
    assert_string_equal(first(&s.fake.urls), "https://sts-fips.us-east-2.amazonaws.com/");
    assert_null(fake_aws_header(&s.fake, "Authorization"));
    assert_non_null(strstr(first(&s.fake.bodies), "&WebIdentityToken=" TOKEN));
    assert_null(strstr(first(&s.fake.bodies), "DurationSeconds"));
    tear_down(&s);
}

static const struct {
    bool web;
    long status;
    const char *body;
    pq_code code;
    const char *message, *hint;
    size_t calls;
} faults[] = {
    {false, 403, FAULT("AccessDenied", "User: arn:aws:iam::1:user/ci is not authorized to perform: sts:AssumeRole"),
     PQ_EDENIED, "the role " ROLE " may not be assumed (AccessDenied): User: arn:aws:iam::1:user/ci", "trust policy",
     1},
    {true, 403, FAULT("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"), PQ_EDENIED,
     "may not be assumed (AccessDenied)",
     "iss https://token.example, aud sts.amazonaws.com, sub repo:acme/x:ref:refs/heads/main", 1},
    {true, 400, FAULT("InvalidIdentityToken", "No OpenIDConnect provider found in your account for https://x"),
     PQ_EDENIED, "AWS does not take the OIDC token (InvalidIdentityToken): No OpenIDConnect", "OIDC provider", 1},
    {true, 403, FAULT("IDPRejectedClaim", "x"), PQ_EDENIED, "rejects the token (IDPRejectedClaim)", "fresh", 1},
    {true, 400, FAULT("IDPCommunicationError", "x"), PQ_EBUSY, "a problem of its own (IDPCommunicationError)", "later",
     4},
    {true, 400, FAULT("ExpiredTokenException", "Token expired"), PQ_EDENIED,
     "the OIDC token has ended (ExpiredTokenException)", "minutes", 1},
    {false, 403, FAULT("ExpiredToken", "The security token included in the request is expired"), PQ_EDENIED,
     "the session token has expired (ExpiredToken)", "secret", 1},
    {false, 403, FAULT("RegionDisabledException", "STS is not activated in this region"), PQ_EDENIED,
     "the account does not use STS in region us-east-2", "enable the region", 1},
    {false, 400, FAULT("MalformedPolicyDocument", "x"), PQ_EDENIED, "malformed (MalformedPolicyDocument)", "policies",
     1},
    {false, 400, FAULT("PackedPolicyTooLarge", "x"), PQ_EDENIED, "too large (PackedPolicyTooLarge)", "tags", 1},
    {false, 400,
     FAULT("ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."),
     PQ_EDENIED, "AWS refuses the session of role " ROLE " (ValidationError)", "duration_seconds", 1},
    {false, 403, FAULT("InvalidClientTokenId", "The security token included in the request is invalid."), PQ_EDENIED,
     "AWS does not know this access key id (InvalidClientTokenId)", "deleted", 1},
    {false, 403, FAULT("SignatureDoesNotMatch", "The Canonical String: x-amz-security-token:LEAK"), PQ_EDENIED,
     "does not belong to the access key id (SignatureDoesNotMatch)", "anew", 1},
    {false, 400, FAULT("Throttling", "Rate exceeded"), PQ_EBUSY, "too many requests (Throttling)", "later", 4},
    {false, 403, "<html><br></html>", PQ_EFAILED, "status 403 instead of an answer of AWS", "proxy", 1},
    {false, 200, "<html><br></html>", PQ_EFAILED, "the answer to AssumeRole is not the XML of STS", "proxy", 1},
    {false, 200, "<html></html>", PQ_EFAILED, "the answer to AssumeRole has no keys", "proxy", 1},
};

static void every_fault_has_its_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        const fake_answer answer = {faults[i].status, NULL, faults[i].body};
        setting s;
        set_up(&s, &answer, 1);
        PQ_AUTO_ERROR err = {0};
        PQ_AUTO_AWS_KEYS keys = {0};
        PQ_AUTO_FREE char *arn = NULL;
        const pq_sts_role role = {.arn = ROLE, .session_name = "ci"};
        assert_false(faults[i].web ? pq_sts_assume_role_with_web_identity(&s.place, s.token, &role, &keys, &arn, &err)
                                   : pq_sts_assume_role(&s.place, &s.keys, NULL, &role, &keys, &arn, &err));
        if (err.code != faults[i].code || !strstr(err.message, faults[i].message) || strstr(err.message, "LEAK") ||
            (faults[i].hint && (!err.hint || !strstr(err.hint, faults[i].hint))))
            fail_msg("fault %zu: %s: %s (%s)", i, pq_code_name(err.code), err.message, err.hint);
        assert_int_equal(s.fake.calls, faults[i].calls);
        assert_null(keys.access_key_id);
        tear_down(&s);
    }
}

static void who_we_are_needs_no_right(void **state)
{
    (void)state;
    static const fake_answer good = {200, NULL,
                                     "<R><GetCallerIdentityResult><Arn>arn:aws:iam::1:user/x</Arn>"
                                     "</GetCallerIdentityResult></R>"};
    setting s;
    set_up(&s, &good, 1);
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *arn = NULL;
    assert_true(pq_sts_caller_identity(&s.place, &s.keys, &arn, &err));
    assert_string_equal(arn, "arn:aws:iam::1:user/x");
    assert_string_equal(first(&s.fake.bodies), "Action=GetCallerIdentity&Version=2011-06-15");
    tear_down(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_role_is_assumed_with_a_signed_form),
        cmocka_unit_test(a_web_identity_is_not_signed),
        cmocka_unit_test(every_fault_has_its_words),
        cmocka_unit_test(who_we_are_needs_no_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
