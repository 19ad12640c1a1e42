#include "pq_cmocka.h"

#include "auth/azure/acr.h"
#include "crypto/hash.h"
#include "fake_aws.h"

/* {"refresh_token": a JWT with these claims}, owned. */
static char *answer_with(const char *claims)
{
    PQ_AUTO_BUF payload = PQ_BUF(4096);
    pq_base64url_add(&payload, claims, strlen(claims));
    return pq_asprintf("{\"refresh_token\":\"eyJhbGciOiJub25lIn0.%s.c2ln\"}", pq_buf_text(&payload));
}

static time_t end_of(const char *format, long long one, long long two)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_CREDENTIAL credential = {0};
    PQ_AUTO_FREE char *claims = pq_asprintf(format, one, two); /* NOLINT(clang-diagnostic-format-nonliteral) */
    PQ_AUTO_FREE char *answer = answer_with(claims);
    if (!pq_acr_answer_read(answer, strlen(answer), &credential, &err))
        fail_msg("%s", err.message);
    assert_string_equal(credential.username, "00000000-0000-0000-0000-000000000000");
    assert_true(credential.identity_token);
    assert_int_equal(strncmp(pq_secret_bytes(credential.secret), "eyJhbGciOiJub25lIn0.", 20), 0);
    return credential.expires;
}

static void its_life_is_what_it_says(void **state)
{
    (void)state;
    time_t now = pq_now();
    assert_int_equal(end_of("{\"exp\":%lld}", now + 500, 0), now + 500);
    assert_int_equal(end_of("{\"exp\":%lld,\"iat\":%lld}", now + 10800, now), now + 10800);
    /* A clock that is an hour slow makes it no longer. */
    time_t end = end_of("{\"exp\":%lld,\"iat\":%lld}", now + 3600 + 10800, now + 3600);
    assert_in_range(end, now + 10800, now + 10802);
    /* One that is fast makes it shorter. */
    assert_int_equal(end_of("{\"exp\":%lld,\"iat\":%lld}", now - 3600 + 10800, now - 3600), now - 3600 + 10800);
}

static void what_is_no_refresh_token_is_refused(void **state)
{
    (void)state;
    PQ_AUTO_FREE char *endless = answer_with("{\"sub\":\"x\"}");
    const char *const bad[] = {"",
                               "[]",
                               "<html>",
                               "{}",
                               "{\"refresh_token\":\"\"}",
                               "{\"refresh_token\":\"opaque\"}",
                               "{\"refresh_token\":\"a\\nb\"}",
                               endless};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        PQ_AUTO_ERROR err = {0};
        PQ_AUTO_CREDENTIAL credential = {0};
        assert_false(pq_acr_answer_read(bad[i], strlen(bad[i]), &credential, &err));
        assert_int_equal(err.code, PQ_EFAILED);
        assert_null(credential.secret);
    }
}

static void the_form_is_as_in_aad_oauth(void **state)
{
    (void)state;
    PQ_AUTO_FREE char *body = answer_with("{\"exp\":4102444800}");
    const fake_answer answer = {200, NULL, body};
    fake_aws fake = {.answers = &answer, .count = 1};
    PQ_AUTO_SECRET *token = pq_secret_new("eyJ.a+b/c=.d", 12);
    const pq_acr_call call = {.host = "acme.azurecr.io",
                              .tenant = "contoso.onmicrosoft.com",
                              .access_token = token,
                              .send = fake_aws_send,
                              .send_context = &fake};
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_CREDENTIAL credential = {0};
    assert_true(pq_acr_exchange(&call, &credential, &err));
    assert_string_equal(fake.urls.at[0], "https://acme.azurecr.io/oauth2/exchange");
    assert_string_equal(fake.bodies.at[0],
                        "grant_type=access_token&service=acme.azurecr.io&tenant=contoso.onmicrosoft.com"
                        "&access_token=eyJ.a%2Bb%2Fc%3D.d");
    assert_string_equal(fake_aws_header(&fake, "Content-Type"), "application/x-www-form-urlencoded");
    fake_aws_clear(&fake);
}

static void a_refusal_has_the_registrys_words(void **state)
{
    (void)state;
#define ERRORS "{\"errors\":[{\"code\":\"UNAUTHORIZED\",\"message\":\"authentication required\\nmore\"}]}"
    static const struct {
        fake_answer answer;
        pq_code code;
        const char *words;
    } cases[] = {
        {{401, NULL, ERRORS}, PQ_EDENIED, "of Entra ID: authentication required (UNAUTHORIZED)"},
        {{403, NULL,
          "{\"errors\":[{\"code\":\"DENIED\",\"message\":\"client with IP '1.2.3.4' is not allowed access\"}]}"},
         PQ_EDENIED,
         "does not let this machine in: client with IP"},
        {{429, NULL, ERRORS}, PQ_EBUSY, "status 429"},
        {{503, NULL, "<html>"}, PQ_EBUSY, "status 503"},
        {{404, NULL, "<html>"}, PQ_EFAILED, "status 404 instead of an answer"},
        {{401, NULL, "{\"errors\":[]}"}, PQ_EFAILED, "instead of an answer"},
        {{200, NULL, "<html>"}, PQ_EFAILED, "is not JSON"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_aws fake = {.answers = &cases[i].answer, .count = 1};
        PQ_AUTO_SECRET *token = pq_secret_new("token", 5);
        const pq_acr_call call = {
            .host = "acme.azurecr.io", .access_token = token, .send = fake_aws_send, .send_context = &fake};
        PQ_AUTO_ERROR err = {0};
        PQ_AUTO_CREDENTIAL credential = {0};
        assert_false(pq_acr_exchange(&call, &credential, &err));
        if (err.code != cases[i].code || !strstr(err.message, cases[i].words))
            fail_msg("%s: %s", pq_code_name(err.code), err.message);
        fake_aws_clear(&fake);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_life_is_what_it_says),
        cmocka_unit_test(what_is_no_refresh_token_is_refused),
        cmocka_unit_test(the_form_is_as_in_aad_oauth),
        cmocka_unit_test(a_refusal_has_the_registrys_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
