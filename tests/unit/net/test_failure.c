/* The words for what libcurl says, where they depend on its own words. */
#include "pq_cmocka.h"

#include "net/failure.h"

static void check(CURLcode code, const char *detail, const char *url, pq_code wanted, const char *message)
{
    CURL *easy = curl_easy_init();
    PQ_AUTO_ERROR err = {0};
    pq_http_describe(easy, code, detail, url, 7, &err);
    assert_int_equal(err.code, wanted);
    assert_string_equal(err.message, message);
    curl_easy_cleanup(easy);
}

static void a_proxy_is_told_from_the_host(void **state)
{
    (void)state;
    const char *words = "Failed to connect to 10.0.0.1 port 3128 after 0 ms: Couldn't connect to server";
    check(CURLE_COULDNT_CONNECT, words, "https://a.example.com/v2/", PQ_ETRANSPORT,
          "cannot connect to the proxy 10.0.0.1:3128: Failed to connect to 10.0.0.1 port 3128 after 0 ms: Couldn't "
          "connect to server");
    check(CURLE_COULDNT_CONNECT, words, "https://10.0.0.1:3128/v2/", PQ_ETRANSPORT,
          "cannot connect to 10.0.0.1:3128: Failed to connect to 10.0.0.1 port 3128 after 0 ms: Couldn't connect to "
          "server");
    check(CURLE_COULDNT_CONNECT, "Failed to connect to ::1 port 5 after 0 ms: x", "https://[::1]:5/", PQ_ETRANSPORT,
          "cannot connect to [::1]:5: Failed to connect to ::1 port 5 after 0 ms: x");
    check(CURLE_COULDNT_CONNECT, "", "https://a/?token=x", PQ_ETRANSPORT,
          "cannot connect to a: Couldn't connect to server");
}

static void blanks_at_the_end_are_dropped(void **state)
{
    (void)state;
    check(CURLE_SSL_CONNECT_ERROR, "wrong version number \n", "https://a", PQ_ETRANSPORT,
          "the connection to a failed: wrong version number");
    check(CURLE_SSL_CONNECT_ERROR, "SSL_ERROR_SYSCALL in connection to a:443 ", "https://a", PQ_ETRANSPORT,
          "the connection to a was cut off before it was secured");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_proxy_is_told_from_the_host),
        cmocka_unit_test(blanks_at_the_end_are_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
