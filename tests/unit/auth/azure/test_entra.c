#include "pq_cmocka.h"

#include "auth/azure/entra.h"
#include "base/log.h"
#include "fake_aws.h"

/* An answer as recorded in an issue of 2019 (Azure/go-autorest), its ids changed. */
#define RECORDED                                                                                                       \
    "{\"error\":\"invalid_client\",\"error_description\":\"AADSTS7000222: The provided client secret keys are "        \
    "expired.\\r\\nTrace ID: a586af20-bd59-4bd7-8c85-443558347400\\r\\nCorrelation ID: ea5a\\r\\nTimestamp: "          \
    "2019-10-31 "                                                                                                      \
    "12:37:32Z\",\"error_codes\":[7000222],\"timestamp\":\"2019-10-31 12:37:32Z\"}"
/* Claims {"iss":"https://i","sub":"s","aud":"a"}, without a signature. */
#define OUTSIDE "eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2kiLCJzdWIiOiJzIiwiYXVkIjoiYSJ9."

static void read_fault(const char *body, pq_entra_fault *out)
{
    PQ_AUTO_ANSWER answer = {.status = 400, .body = PQ_BUF(1u << 20)};
    pq_buf_adds(&answer.body, body);
    pq_entra_fault_read(&answer, out);
}

static void a_fault_is_code_and_words(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        long code;
        const char *error, *said;
    } cases[] = {
        {RECORDED, 7000222, "invalid_client", "The provided client secret keys are expired"},
        {"{\"error\":\"invalid_request\",\"error_description\":\"AADSTS90002: Tenant 'x' not found. Check it. Trace "
         "ID: 1\"}",
         90002, "invalid_request", "Tenant 'x' not found. Check it"},
        {"{\"error\":\"temporarily_unavailable\"}", 0, "temporarily_unavailable", NULL},
        {"{\"error\":\"<b>\",\"error_description\":\"plain words\",\"error_codes\":[\"7\"]}", 0, NULL, "plain words"},
        {"{\"error_codes\":[-1],\"error_description\":\"AADSTS99999999999999: x\"}", 0, NULL, "x"},
        {"<html>", 0, NULL, NULL},
        {"", 0, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        PQ_AUTO_ENTRA_FAULT fault = {0};
        read_fault(cases[i].body, &fault);
        if (fault.code != cases[i].code || !pq_streq(fault.error, cases[i].error) ||
            !pq_streq(fault.said, cases[i].said))
            fail_msg("%s: %ld, %s, %s", cases[i].body, fault.code, fault.error, fault.said);
    }
}

static void each_code_of_the_manual_has_words(void **state)
{
    (void)state;
    static const long codes[] = {7000215, 7000222, 700016, 90002,  700027, 700024,
                                 700021,  70021,   700211, 700212, 700213, 500011};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        assert_non_null(pq_entra_code_words(codes[i]));
    assert_null(pq_entra_code_words(1));
}

static pq_entra_call call_for(fake_aws *fake, const pq_secret *secret, const pq_secret *assertion, long *offset)
{
    return (pq_entra_call){.authority = "https://login.microsoftonline.com",
                           .tenant = "contoso.onmicrosoft.com",
                           .client = "11111111-2222",
                           .scope = "https://containerregistry.azure.net/.default",
                           .secret = secret,
                           .assertion = assertion,
                           .where = "acme.azurecr.io",
                           .renew = "`pratique secrets update azprincipal=-`",
                           .send = fake_aws_send,
                           .send_context = fake,
                           .clock_offset = offset};
}

static void the_form_is_the_client_credentials_grant(void **state)
{
    (void)state;
    const fake_answer answer = {200, NULL, "{\"token_type\":\"Bearer\",\"expires_in\":3599,\"access_token\":\"eyJ\"}"};
    fake_aws fake = {.answers = &answer, .count = 1};
    long offset = 0;
    PQ_AUTO_SECRET *secret = pq_secret_new("a8Q~b&c=d", 9), *outside = pq_secret_new(OUTSIDE, strlen(OUTSIDE));
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_ACCESS_TOKEN one = {0}, two = {0};
    pq_entra_call call = call_for(&fake, secret, NULL, &offset);
    assert_true(pq_entra_get_token(&call, &one, &err));
    assert_string_equal(fake.urls.at[0], "https://login.microsoftonline.com/contoso.onmicrosoft.com/oauth2/v2.0/token");
    assert_string_equal(
        fake.bodies.at[0],
        "grant_type=client_credentials&client_id=11111111-2222&scope=https%3A%2F%2Fcontainerregistry.azure."
        "net%2F.default&client_secret=a8Q~b%26c%3Dd");
    call = call_for(&fake, NULL, outside, &offset);
    assert_true(pq_entra_get_token(&call, &two, &err));
    assert_non_null(strstr(fake.bodies.at[1],
                           "&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type"
                           "%3Ajwt-bearer&client_assertion=" OUTSIDE));
    assert_null(strstr(fake.bodies.at[1], "client_secret"));
    fake_aws_clear(&fake);
}

static void a_refusal_says_what_to_do(void **state)
{
    (void)state;
    static const struct {
        fake_answer answer;
        pq_code code;
        const char *words, *hint;
    } cases[] = {
        {{401, NULL, RECORDED},
         PQ_EDENIED,
         "the client secret has expired (AADSTS7000222)",
         "make a new one with `az ad sp credential reset --id 11111111-2222`, then `pratique secrets update "
         "azprincipal=-`"},
        {{400, NULL, "{\"error\":\"invalid_client\",\"error_codes\":[700213]}"},
         PQ_EDENIED,
         "subject (AADSTS700213)",
         "issuer https://i, subject s, audience a"},
        {{400, NULL, "{\"error\":\"unauthorized_client\",\"error_codes\":[700016]}"},
         PQ_EDENIED,
         "no application",
         "`az ad sp show --id 11111111-2222`"},
        {{400, NULL,
          "{\"error\":\"invalid_client\",\"error_codes\":[4711],\"error_description\":\"AADSTS4711: Why not.\"}"},
         PQ_EDENIED,
         "Entra ID refuses the request (AADSTS4711): Why not",
         NULL},
        {{400, NULL, "{\"error\":\"invalid_scope\"}"}, PQ_EDENIED, "refuses the request (invalid_scope)", NULL},
        {{429, NULL, "{\"error\":\"temporarily_unavailable\"}"}, PQ_EBUSY, "too many requests", NULL},
        {{503, NULL, "<html>"}, PQ_EBUSY, "a problem of its own (status 503)", NULL},
        {{400, NULL, "{\"error\":\"invalid_request\",\"error_codes\":[90033]}"}, PQ_EBUSY, "AADSTS90033", NULL},
        {{404, NULL, "<html>"}, PQ_EFAILED, "status 404 instead of an answer of Entra ID", NULL},
        {{200, NULL, "<html>"}, PQ_EFAILED, "the answer of Entra ID is not JSON", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_aws fake = {.answers = &cases[i].answer, .count = 1};
        long offset = 0;
        PQ_AUTO_SECRET *outside = pq_secret_new(OUTSIDE, strlen(OUTSIDE));
        PQ_AUTO_ERROR err = {0};
        PQ_AUTO_ACCESS_TOKEN token = {0};
        const pq_entra_call call = call_for(&fake, NULL, outside, &offset);
        assert_false(pq_entra_get_token(&call, &token, &err));
        if (err.code != cases[i].code || !strstr(err.message, cases[i].words) ||
            (cases[i].hint && !strstr(err.hint, cases[i].hint)))
            fail_msg("%s: %s (%s)", pq_code_name(err.code), err.message, err.hint);
        fake_aws_clear(&fake);
    }
}

/* Only our own assertions can be made anew: an OIDC token's times are its issuer's. */
static void a_foreign_assertion_is_not_tried_twice(void **state)
{
    (void)state;
    PQ_AUTO_FREE char *date = fake_aws_date(7200);
    const fake_answer late = {401, date, "{\"error\":\"invalid_client\",\"error_codes\":[700024]}"};
    fake_aws fake = {.answers = &late, .count = 1};
    long offset = 0;
    pq_log_setup(PQ_QUIET, false);
    PQ_AUTO_SECRET *outside = pq_secret_new(OUTSIDE, strlen(OUTSIDE));
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_ACCESS_TOKEN token = {0};
    const pq_entra_call call = call_for(&fake, NULL, outside, &offset);
    assert_false(pq_entra_get_token(&call, &token, &err));
    assert_int_equal(fake.calls, 1);
    assert_int_equal(offset, 0);
    fake_aws_clear(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fault_is_code_and_words),
        cmocka_unit_test(each_code_of_the_manual_has_words),
        cmocka_unit_test(the_form_is_the_client_credentials_grant),
        cmocka_unit_test(a_refusal_says_what_to_do),
        cmocka_unit_test(a_foreign_assertion_is_not_tried_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
