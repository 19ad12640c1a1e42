#include "pq_cmocka.h"

#include <string.h>

#include "registry/token.h"

static bool allowed(const char *host, const char *realm)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *base = pq_asprintf("https://%s", host);
    return pq_realm_allowed(base, realm, host, &err);
}

static void a_realm_must_be_the_registrys_own(void **state)
{
    (void)state;
    assert_true(allowed("acme.azurecr.io", "https://acme.azurecr.io/oauth2/token"));
    assert_true(allowed("registry-1.docker.io", "https://auth.docker.io/token"));
    assert_true(allowed("registry.gitlab.com", "https://gitlab.com/jwt/auth"));
    assert_true(allowed("registry.example.com:5000", "https://auth.example.com:8443/token"));
    assert_true(allowed("127.0.0.1:5000", "http://127.0.0.1:5001/token"));
    assert_false(allowed("registry.example.com", "https://evil.example.net/token"));
    assert_false(allowed("registry.example.com", "http://registry.example.com/token"));
    assert_false(allowed("registry.example.com", "https://registry.example.com@evil.net/token"));
    assert_false(allowed("registry.example.com", "https://registry.example.com.evil.net/token"));
    assert_false(allowed("a.co.uk", "https://b.co.uk/token")); /* co.uk is a public suffix */
    assert_false(allowed("registry.example.com", "ftp://registry.example.com/"));
    assert_false(allowed("registry.example.com", "not a url"));
    /* What another parser could read as a stranger's host. */
    assert_false(allowed("registry.example.com", "https://evil.net\\.example.com/token"));
    assert_false(allowed("registry.example.com", "https://evil.net%2f.example.com/token"));
    assert_false(allowed("registry.example.com", "https://evil.net\xef\xbc\x8f.example.com/token"));
    /* Addresses have owners, not domains. */
    assert_true(allowed("10.0.0.5:5000", "https://10.0.0.5:5001/token"));
    assert_false(allowed("10.0.0.5:5000", "https://192.0.0.5/token"));
    assert_false(allowed("10.0.0.5:5000", "https://evil.0.5/token"));
    assert_false(allowed("[2001:db8::1]:5000", "https://[2001:db8::2]/token"));
}

/* Tenants of one cloud registry service are strangers to each other, whatever the public suffix list says. */
static void tenants_are_strangers(void **state)
{
    (void)state;
    assert_false(allowed("acme.azurecr.io", "https://evil.azurecr.io/oauth2/token"));
    assert_false(allowed("123456789012.dkr.ecr.us-east-2.amazonaws.com", "https://x.s3.us-east-2.amazonaws.com/t"));
    assert_false(allowed("us-docker.pkg.dev", "https://evil-docker.pkg.dev/v2/token"));
}

/* RFC 7617, section 2: Aladdin and "open sesame". */
static void basic_is_as_in_rfc_7617(void **state)
{
    (void)state;
    char user[] = "Aladdin";
    PQ_AUTO_SECRET *password = pq_secret_new("open sesame", 11);
    pq_credential credential = {.username = user, .secret = password};
    PQ_AUTO_SECRET *header = pq_basic_authorization(&credential);
    assert_string_equal(pq_secret_bytes(header), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
}

static void a_token_url_escapes_its_parts(void **state)
{
    (void)state;
    PQ_AUTO_FREE char *url = pq_token_url("https://a/t", "reg & co", "repository:a/b:pull,push");
    assert_string_equal(url, "https://a/t?service=reg%20%26%20co&scope=repository%3Aa%2Fb%3Apull%2Cpush"
                             "&client_id=pratique");
    PQ_AUTO_FREE char *more = pq_token_url("https://a/t?x=1", NULL, "");
    assert_string_equal(more, "https://a/t?x=1&client_id=pratique");
}

static bool read_token(long status, const char *body, pq_token *out, pq_error *err)
{
    PQ_AUTO_ANSWER answer = {.status = status, .body = PQ_BUF(1 << 16)};
    pq_buf_adds(&answer.body, body);
    char source[] = "secret x";
    pq_credential credential = {.source = source};
    return pq_token_read(&answer, "r.example", &credential, false, out, err);
}

static void both_names_of_a_token_are_read(void **state)
{
    (void)state;
    PQ_AUTO_ERROR err = {0};
    pq_token token = {0};
    assert_true(read_token(200, "{\"token\":\"abc\",\"expires_in\":100}", &token, &err));
    assert_string_equal(pq_secret_bytes(token.header), "Bearer abc");
    assert_true(token.lifetime > 50 && token.lifetime < 100);
    pq_secret_free(token.header);
    assert_true(read_token(200, "{\"access_token\":\"def\"}", &token, &err));
    assert_string_equal(pq_secret_bytes(token.header), "Bearer def");
    assert_true(token.lifetime > 30 && token.lifetime <= 60); /* 60 s when nothing is said */
    pq_secret_free(token.header);
}

/* Azure's registries do not say how long: the token itself does, and RFC 7519 says where. */
static void a_tokens_own_life_counts(void **state)
{
    (void)state;
    PQ_AUTO_ERROR err = {0};
    pq_token token = {0};
    /* {"iat":1600000000,"exp":1600004500}; {"exp":1600004500}, which tells no length */
    assert_true(
        read_token(200, "{\"access_token\":\"e30.eyJpYXQiOjE2MDAwMDAwMDAsImV4cCI6MTYwMDAwNDUwMH0.\"}", &token, &err));
    assert_true(token.lifetime > 3900 && token.lifetime < 4500);
    pq_secret_free(token.header);
    assert_true(read_token(200, "{\"access_token\":\"e30.eyJleHAiOjE2MDAwMDQ1MDB9.\"}", &token, &err));
    assert_true(token.lifetime > 30 && token.lifetime <= 60);
    pq_secret_free(token.header);
    assert_true(read_token(
        200, "{\"access_token\":\"e30.eyJpYXQiOjE2MDAwMDAwMDAsImV4cCI6MTYwMDAwNDUwMH0.\",\"expires_in\":100}", &token,
        &err));
    assert_true(token.lifetime > 50 && token.lifetime < 100);
    pq_secret_free(token.header);
}

/* RFC 6749, section 6, with the parameters of the distribution specification. */
static void a_form_asks_with_an_identity_token(void **state)
{
    (void)state;
    PQ_AUTO_SECRET *token = pq_secret_new("a.b+c", 5);
    const pq_credential identity = {.secret = token, .identity_token = true};
    PQ_AUTO_SECRET *form = pq_token_form(&identity, "acme.azurecr.io", "repository:a/b:pull");
    assert_string_equal(pq_secret_bytes(form),
                        "grant_type=refresh_token&service=acme.azurecr.io&scope=repository%3Aa%2Fb%3A"
                        "pull&client_id=pratique&refresh_token=a.b%2Bc");
    PQ_AUTO_SECRET *less = pq_token_form(&identity, NULL, "");
    assert_string_equal(pq_secret_bytes(less), "grant_type=refresh_token&client_id=pratique&refresh_token=a.b%2Bc");
}

static void bad_answers_are_errors(void **state)
{
    (void)state;
    static const struct {
        long status;
        const char *body;
        pq_code code;
    } cases[] = {{200, "<html>", PQ_EFAILED},
                 {200, "{}", PQ_EFAILED},
                 {200, "{\"token\":\"a\\r\\nX-Evil: 1\"}", PQ_EFAILED}, /* would add a header */
                 {401, "{\"errors\":[{\"code\":\"UNAUTHORIZED\",\"message\":\"no\"}]}", PQ_EDENIED},
                 {429, "", PQ_EBUSY},
                 {503, "", PQ_EBUSY},
                 {404, "", PQ_EFAILED}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        PQ_AUTO_ERROR err = {0};
        pq_token token = {0};
        assert_false(read_token(cases[i].status, cases[i].body, &token, &err));
        assert_int_equal(err.code, cases[i].code);
        assert_null(token.header);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_realm_must_be_the_registrys_own), cmocka_unit_test(tenants_are_strangers),
        cmocka_unit_test(basic_is_as_in_rfc_7617),           cmocka_unit_test(a_token_url_escapes_its_parts),
        cmocka_unit_test(both_names_of_a_token_are_read),    cmocka_unit_test(bad_answers_are_errors),
        cmocka_unit_test(a_tokens_own_life_counts),          cmocka_unit_test(a_form_asks_with_an_identity_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
