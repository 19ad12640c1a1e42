#include "pq_cmocka.h"

#include "net/http.h"

static void secrets_go_to_https_and_loopback_only(void **state)
{
    (void)state;
    static const char *const safe[] = {"https://registry.example.com/v2/", "http://127.0.0.1:5000/v2/",
                                       "http://127.9.9.9/", "http://[::1]:5000/", "http://localhost:5000/v2/"};
    static const char *const unsafe[] = {"http://registry.example.com/",
                                         "http://127.0.0.1.example.com/",
                                         "http://localhost.example.com/",
                                         "http://[::2]/",
                                         "ftp://127.0.0.1/",
                                         "http://user@example.com@127.0.0.1.evil/",
                                         "http://0x7f000001.evil/",
                                         ""};
    for (size_t i = 0; i < sizeof safe / sizeof *safe; i++)
        assert_true(pq_url_is_safe(safe[i]));
    for (size_t i = 0; i < sizeof unsafe / sizeof *unsafe; i++)
        assert_false(pq_url_is_safe(unsafe[i]));
}

static void an_origin_is_scheme_host_and_port(void **state)
{
    (void)state;
    assert_true(pq_url_same_origin("https://a.example/x", "https://A.example:443/y?z"));
    assert_false(pq_url_same_origin("https://a.example/", "http://a.example/"));
    assert_false(pq_url_same_origin("https://a.example/", "https://a.example:8443/"));
    assert_false(pq_url_same_origin("https://a.example/", "https://b.example/"));
    assert_false(pq_url_same_origin("https://a.example/", "https://a.example@b.example/"));
}

static void locations_resolve_as_rfc_3986_says(void **state)
{
    (void)state;
    static const struct {
        const char *location, *result;
    } cases[] = {{"/v2/x", "https://a.example/v2/x"},
                 {"y", "https://a.example/v2/b/y"},
                 {"?q=1", "https://a.example/v2/b/c?q=1"},
                 {"//b.example/z", "https://b.example/z"},
                 {"https://c.example/", "https://c.example/"},
                 {"file:///etc/passwd", NULL},
                 {"gopher://x/", NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        PQ_AUTO_FREE char *resolved = pq_url_resolve("https://a.example/v2/b/c", cases[i].location);
        if (cases[i].result)
            assert_string_equal(resolved, cases[i].result);
        else
            assert_null(resolved);
    }
}

static void escaping_leaves_only_the_unreserved(void **state)
{
    (void)state;
    PQ_AUTO_FREE char *escaped = pq_url_escape("aZ9-._~ /:?&=+%\xc3\xa4");
    assert_string_equal(escaped, "aZ9-._~%20%2F%3A%3F%26%3D%2B%25%C3%A4");
}

static void a_shown_url_holds_no_password(void **state)
{
    (void)state;
    static const char *const urls[][2] = {
        {"https://a.example/x/y?sig=1#f", "https://a.example/x/y"},
        {"https://ci:pass@a.example:8443/x@y", "https://a.example:8443/x@y"},
        {"https://ci:p@ss@a.example?q", "https://a.example"},
        {"ci:pass@a.example/x", "a.example/x"},
    };
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        PQ_AUTO_BUF shown = PQ_BUF(1024);
        pq_url_add_shown(&shown, urls[i][0]);
        assert_string_equal(pq_buf_text(&shown), urls[i][1]);
    }
}

static void a_form_escapes_what_it_is_given(void **state)
{
    (void)state;
    PQ_AUTO_BUF form = PQ_SENSITIVE_BUF(1000);
    PQ_AUTO_SECRET *secret = pq_secret_new("a\0&=b", 5);
    pq_form_add(&form, "one", "x y");
    pq_form_add(&form, "two", "");
    pq_form_add_secret(&form, "three", secret);
    assert_string_equal(pq_buf_text(&form), "one=x%20y&two=&three=a%00%26%3Db");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_shown_url_holds_no_password),       cmocka_unit_test(secrets_go_to_https_and_loopback_only),
        cmocka_unit_test(an_origin_is_scheme_host_and_port),   cmocka_unit_test(locations_resolve_as_rfc_3986_says),
        cmocka_unit_test(escaping_leaves_only_the_unreserved), cmocka_unit_test(a_form_escapes_what_it_is_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
