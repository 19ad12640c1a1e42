#include "pq_cmocka.h"

#include "auth/gateway/hub_creds.h"
#include "base/log.h"
#include "device_pem.h"
#include "fake_aws.h"

enum { NOW = 1795000000 };

static char *jwt(const char *claims)
{
    PQ_AUTO_BUF text = PQ_BUF(4096);
    pq_base64url_add(&text, "{\"alg\":\"ES256\"}", 15);
    pq_buf_addc(&text, '.');
    pq_base64url_add(&text, claims, strlen(claims));
    pq_buf_adds(&text, ".c2ln");
    return pq_buf_steal(&text);
}

static void an_answer_is_read_with_its_end(void **state)
{
    (void)state;
    PQ_AUTO_FREE char *soon = jwt("{\"exp\":1795000100}"), *silent = jwt("{\"iat\":1}"), *ended = jwt("{\"exp\":1}");
    const struct {
        const char *secret;
        time_t expires; /* 0: it is refused */
    } cases[] = {{"0123456789abcdef", NOW + 900},
                 {"p:w \\\" d\\\\", NOW + 900},
                 {soon, 1795000100},
                 {silent, NOW + 900},
                 {ended, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        PQ_AUTO_FREE char *text =
            pq_asprintf("{\"Username\":\"dev 7\",\"Secret\":\"%s\",\"More\":[1]}", cases[i].secret);
        PQ_AUTO_ERROR err = {0};
        PQ_AUTO_CREDENTIAL credential = {0};
        bool good = pq_hub_creds_read(text, strlen(text), NOW, &credential, &err);
        assert_int_equal(good, cases[i].expires != 0);
        assert_int_equal(credential.expires, cases[i].expires);
        if (good)
            assert_string_equal(credential.username, "dev 7");
    }
}

static void what_is_wrong_is_named_and_nothing_quoted(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        {"", "is not JSON"},
        {"<html>LEAK</html>", "is not JSON"},
        {"[\"LEAK\"]", "is not JSON"},
        {"{\"Username\":\"LEAK\"}", "has no usable Secret"},
        {"{\"Secret\":\"LEAK\"}", "has no usable Username"},
        {"{\"Username\":\"\",\"Secret\":\"LEAK\"}", "has no usable Username"},
        {"{\"Username\":\"LE:AK\",\"Secret\":\"LEAK\"}", "has no usable Username"},
        {"{\"Username\":\"a\",\"Secret\":\"\"}", "has no usable Secret"},
        {"{\"Username\":\"a\",\"Secret\":7}", "has no usable Secret"},
        {"{\"Username\":\"a\",\"Secret\":\"LEAK\\r\\nX: y\"}", "has no usable Secret"},
        {"{\"Username\":\"a\\u0000b\",\"Secret\":\"LEAK\"}", "is not JSON"},
        {"{\"Username\":\"a\",\"Secret\":\"LEAK\\u007f\"}", "has no usable Secret"},
        {"{\"Username\":\"a\",\"Secret\":\"b\",\"Secret\":\"LEAK\"}", "is not JSON"},
        {"{\"Username\":\"a\",\"Secret\":\"b\"} LEAK", "is not JSON"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        PQ_AUTO_ERROR err = {0};
        PQ_AUTO_CREDENTIAL credential = {0};
        assert_false(pq_hub_creds_read(wrong[i][0], strlen(wrong[i][0]), NOW, &credential, &err));
        if (err.code != PQ_EFAILED || !strstr(err.message, wrong[i][1]) || strstr(err.message, "LEAK"))
            fail_msg("case %zu: %s", i, err.message);
        assert_null(credential.secret);
    }
}

static bool ask_at(const char *gateway, fake_aws *fake, const pq_identity *identity, const char *ca, pq_credential *out,
                   pq_error *err)
{
    const pq_hub_creds_call call = {.gateway = gateway,
                                    .ca_file = ca,
                                    .identity = identity,
                                    .where = "hub.example.com",
                                    .send = fake_aws_send,
                                    .send_context = fake};
    return pq_hub_creds_get(&call, out, err);
}

static bool ask(fake_aws *fake, const pq_identity *identity, const char *ca, pq_credential *out, pq_error *err)
{
    return ask_at("https://gateway.example.com:8443", fake, identity, ca, out, err);
}

/* As people copy it from a browser. Many servers do not take `//hub-creds/`, or lead elsewhere from there. */
static void a_slash_at_the_end_of_the_address_is_no_second_one(void **state)
{
    static const fake_answer answer = {200, NULL, "{\"Username\":\"u\",\"Secret\":\"s\"}"};
    PQ_AUTO_IDENTITY *identity = device_open(*state, DEVICE_EC, DEVICE_EC_KEY);
    fake_aws fake = {.answers = &answer, .count = 1};
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_CREDENTIAL credential = {0};
    assert_true(ask_at("https://gateway.example.com/below/", &fake, identity, NULL, &credential, &err));
    assert_string_equal(fake.urls.at[0], "https://gateway.example.com/below/hub-creds/");
    fake_aws_clear(&fake);
}

static void the_certificate_is_shown_to_the_gateway_alone(void **state)
{
    static const fake_answer answer = {200, NULL, "{\"Username\":\"u\",\"Secret\":\"s\"}"};
    PQ_AUTO_IDENTITY *identity = device_open(*state, DEVICE_EC, DEVICE_EC_KEY);
    static const char *const authorities[] = {"/var/sota/root.crt", NULL};
    for (size_t i = 0; i < 2; i++) {
        fake_aws fake = {.answers = &answer, .count = 1};
        PQ_AUTO_ERROR err = {0};
        PQ_AUTO_CREDENTIAL credential = {0};
        assert_true(ask(&fake, identity, authorities[i], &credential, &err));
        assert_string_equal(fake.urls.at[0], "https://gateway.example.com:8443/hub-creds/");
        assert_ptr_equal(fake.shown, identity);
        assert_true(pq_streq(fake.ca_file, authorities[i]));
        assert_int_equal(fake.alone, authorities[i] != NULL);
        assert_string_equal(credential.username, "u");
        assert_string_equal(pq_secret_bytes(credential.secret), "s");
        assert_in_range(credential.expires - pq_now(), PQ_HUB_CREDS_LIFE - 5, PQ_HUB_CREDS_LIFE);
        fake_aws_clear(&fake);
    }
}

/* The pages of nginx are those of its ngx_http_special_response.c. */
static void each_refusal_is_told_with_its_mend(void **state)
{
#define PAGE(title)                                                                                                    \
    "<html>\r\n<head><title>400 " title "</title></head>\r\n<body>\r\n<center><h1>400 Bad Request</h1></center>\r\n"   \
    "<center>" title "</center>\r\n<hr><center>nginx/1.22.1</center>\r\n</body>\r\n</html>\r\n"
    static const struct {
        fake_answer answer;
        pq_code code;
        const char *message, *hint;
    } refused[] = {
        {{400, NULL, PAGE("No required SSL certificate was sent")},
         PQ_EDENIED,
         "the gateway wants a client certificate, and the device's did not reach it (status 400)",
         "proxy"},
        {{400, NULL, PAGE("The SSL certificate error")},
         PQ_EDENIED,
         "the gateway refuses the device's certificate (status 400: The SSL certificate error)",
         "it has been revoked"},
        {{401, NULL, ""}, PQ_EDENIED, "the gateway gives this device, dev-7, no credential (status 401)", "registered"},
        {{403, NULL, "denied"}, PQ_EDENIED, "dev-7, no credential (status 403)", "it was denied or revoked"},
        {{404, NULL, ""}, PQ_EDENIED, "https://gateway.example.com:8443 has no /hub-creds/ (status 404)", "port"},
        {{301, "Location: https://x/", ""}, PQ_EFAILED, "leads elsewhere (status 301)", "address"},
        {{429, NULL, ""}, PQ_EBUSY, "too many requests (status 429)", "later"},
        {{500, NULL, "LEAK"}, PQ_EBUSY, "the gateway has a problem of its own (status 500)", "later"},
        {{502, NULL, ""}, PQ_EBUSY, "the gateway has a problem of its own (status 502)", "first key"},
        {{400, NULL, "LEAK"}, PQ_EFAILED, "status 400 instead of a credential", "gateway"},
    };
    PQ_AUTO_IDENTITY *identity = device_open(*state, DEVICE_EC, DEVICE_EC_KEY);
    pq_log_setup(PQ_QUIET, false);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        fake_aws fake = {.answers = &refused[i].answer, .count = 1};
        PQ_AUTO_ERROR err = {0};
        PQ_AUTO_CREDENTIAL credential = {0};
        assert_false(ask(&fake, identity, NULL, &credential, &err));
        if (err.code != refused[i].code || !strstr(err.message, refused[i].message) || strstr(err.message, "LEAK") ||
            !err.hint || !strstr(err.hint, refused[i].hint))
            fail_msg("case %zu: %s: %s (%s)", i, pq_code_name(err.code), err.message, err.hint);
        assert_null(credential.secret);
        fake_aws_clear(&fake);
    }
}

/* An end that a token says is by the gateway's clock. */
static void a_wrong_clock_does_not_lengthen_a_life(void **state)
{
    PQ_AUTO_FREE char *date = fake_aws_date(7200);
    PQ_AUTO_FREE char *claims = pq_asprintf("{\"exp\":%lld}", (long long)pq_now() + 7200 + 600);
    PQ_AUTO_FREE char *token = jwt(claims);
    PQ_AUTO_FREE char *body = pq_asprintf("{\"Username\":\"u\",\"Secret\":\"%s\"}", token);
    const fake_answer answers[] = {{200, date, body}, {200, date, "{\"Username\":\"u\",\"Secret\":\"plain\"}"}};
    PQ_AUTO_IDENTITY *identity = device_open(*state, DEVICE_EC, DEVICE_EC_KEY);
    fake_aws fake = {.answers = answers, .count = 2};
    pq_log_setup(PQ_QUIET, false);
    static const time_t lives[] = {600, PQ_HUB_CREDS_LIFE};
    for (size_t i = 0; i < 2; i++) {
        PQ_AUTO_ERROR err = {0};
        PQ_AUTO_CREDENTIAL credential = {0};
        assert_true(ask(&fake, identity, NULL, &credential, &err));
        assert_in_range(credential.expires - pq_now(), lives[i] - 5, lives[i] + 5);
    }
    fake_aws_clear(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_read_with_its_end),
        cmocka_unit_test(what_is_wrong_is_named_and_nothing_quoted),
        cmocka_unit_test_setup_teardown(a_slash_at_the_end_of_the_address_is_no_second_one, pq_folder_make,
                                        pq_folder_remove),
        cmocka_unit_test_setup_teardown(the_certificate_is_shown_to_the_gateway_alone, pq_folder_make,
                                        pq_folder_remove),
        cmocka_unit_test_setup_teardown(each_refusal_is_told_with_its_mend, pq_folder_make, pq_folder_remove),
        cmocka_unit_test_setup_teardown(a_wrong_clock_does_not_lengthen_a_life, pq_folder_make, pq_folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
