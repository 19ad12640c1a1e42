#include "pq_cmocka.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "net/reach.h"

static void a_peer_is_read_from_a_url(void **state)
{
    (void)state;
    static const struct {
        const char *url, *host, *port, *words;
    } good[] = {
        {"https://registry.example.com/v2/", "registry.example.com", "443", "registry.example.com:443"},
        {"https://gateway.example.com:8443", "gateway.example.com", "8443", "gateway.example.com:8443"},
        {"https://[2001:db8::1]/x", "2001:db8::1", "443", "[2001:db8::1]:443"},
        {"https://[::1]:5000?a=b", "::1", "5000", "[::1]:5000"},
        {"https://user:pass@host.example:1/", "host.example", "1", "host.example:1"},
    };
    static const char *const bad[] = {"http://registry.example.com/", "https://", "https:///v2/", "https://[::1", "x"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        PQ_AUTO_PEER peer = {0};
        assert_true(pq_peer_of_url(good[i].url, &peer));
        PQ_AUTO_FREE char *words = pq_peer_words(&peer);
        assert_string_equal(peer.host, good[i].host);
        assert_string_equal(peer.port, good[i].port);
        assert_string_equal(words, good[i].words);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        PQ_AUTO_PEER peer = {0};
        assert_false(pq_peer_of_url(bad[i], &peer));
    }
}

/* As libcurl-env(3) and CURLOPT_NOPROXY(3) say. */
static void a_proxy_is_the_one_that_libcurl_takes(void **state)
{
    (void)state;
    static const struct {
        pq_proxy_environment environment;
        const char *host, *proxy; /* NULL: none */
    } cases[] = {
        {{0}, "a.example", NULL},
        {{.https_proxy = "http://proxy:3128"}, "a.example", "proxy:3128"},
        {{.https_proxy = "http://user:p%40ss@proxy:3128/"}, "a.example", "proxy:3128"},
        {{.https_proxy = "proxy.example"}, "a.example", "proxy.example:1080"},
        {{.https_proxy = "https://proxy.example"}, "a.example", "proxy.example:443"},
        {{.all_proxy = "socks5h://127.0.0.1:9050"}, "a.example", "127.0.0.1:9050"},
        {{.https_proxy = "http://one:1", .all_proxy = "http://two:2"}, "a.example", "one:1"},
        {{.https_proxy = "http://p:1", .no_proxy = "*"}, "a.example", NULL},
        {{.https_proxy = "http://p:1", .no_proxy = "a.example"}, "A.example", NULL},
        {{.https_proxy = "http://p:1", .no_proxy = "b.example, example.com"}, "x.example.com", NULL},
        {{.https_proxy = "http://p:1", .no_proxy = ".example.com"}, "x.example.com", NULL},
        {{.https_proxy = "http://p:1", .no_proxy = ".example.com"}, "example.com", NULL},
        {{.https_proxy = "http://p:1", .no_proxy = "example.com"}, "notexample.com", "p:1"},
        {{.https_proxy = "http://p:1", .no_proxy = "x.example.com"}, "example.com", "p:1"},
        {{.https_proxy = "http://p:1", .no_proxy = "a, *"}, "b.example", "p:1"},
        {{.https_proxy = "http://p:1", .no_proxy = "10.0.0.0/8"}, "10.9.8.7", NULL},
        {{.https_proxy = "http://p:1", .no_proxy = "10.0.0.0/9"}, "10.128.0.1", "p:1"},
        {{.https_proxy = "http://p:1", .no_proxy = "10.1.2.3"}, "10.1.2.3", NULL},
        {{.https_proxy = "http://p:1", .no_proxy = "10.1.2.3"}, "10.1.2.4", "p:1"},
        {{.https_proxy = "http://p:1", .no_proxy = "[2001:db8::1]"}, "2001:db8::1", NULL},
        {{.https_proxy = "http://p:1", .no_proxy = "2001:db8::/32"}, "2001:db8:1::1", NULL},
        {{.https_proxy = "http://p:1", .no_proxy = "10.0.0.0/99999"}, "10.0.0.1", "p:1"},
        {{.https_proxy = "http://p:1", .no_proxy = ", ,"}, "a.example", "p:1"},
        {{.https_proxy = "http://"}, "a.example", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        PQ_AUTO_PEER proxy = {0}, to = {.host = pq_strdup(cases[i].host), .port = pq_strdup("443")};
        bool have = pq_proxy_for(&cases[i].environment, &to, &proxy);
        PQ_AUTO_FREE char *words = have ? pq_peer_words(&proxy) : NULL;
        if (cases[i].proxy)
            assert_string_equal(words, cases[i].proxy);
        else
            assert_false(have);
    }
}

/* A port of this machine that somebody listens on, or nobody does. */
static pq_peer local_peer(bool listens, int *out_fd)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof at;
    *out_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(*out_fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(getsockname(*out_fd, (struct sockaddr *)&at, &length), 0);
    if (listens)
        assert_int_equal(listen(*out_fd, 1), 0);
    return (pq_peer){.host = pq_strdup("127.0.0.1"), .port = pq_asprintf("%u", (unsigned)ntohs(at.sin_port))};
}

static void each_address_that_fails_is_named(void **state)
{
    (void)state;
    PQ_AUTO_CLOSE int open = -1;
    PQ_AUTO_CLOSE int closed = -1;
    PQ_AUTO_PEER one = local_peer(true, &open), none = local_peer(false, &closed);
    PQ_AUTO_ADDRESSES list = {0}, refused = {0};
    PQ_AUTO_STRINGS failed = {0};
    PQ_AUTO_ERROR err = {0};
    size_t which = 9;
    assert_true(pq_resolve(&one, &list, &err));
    PQ_AUTO_FREE char *words = pq_addresses_words(&list);
    assert_string_equal(words, "127.0.0.1");
    assert_true(pq_try_connect(&one, &list, 5, &which, &failed, &err));
    assert_int_equal(which, 0);
    assert_int_equal(failed.count, 0);

    assert_true(pq_resolve(&none, &refused, &err));
    assert_false(pq_try_connect(&none, &refused, 5, &which, &failed, &err));
    assert_int_equal(err.code, PQ_ETRANSPORT);
    assert_non_null(strstr(err.message, "(127.0.0.1: Connection refused)"));
    assert_string_equal(failed.at[0], "127.0.0.1: Connection refused");
}

static void a_name_without_an_address_is_an_error_of_transport(void **state)
{
    (void)state;
    PQ_AUTO_PEER peer = {.host = pq_strdup("nothing.invalid"), .port = pq_strdup("443")}; /* RFC 6761, section 6.4 */
    PQ_AUTO_ADDRESSES list = {0};
    PQ_AUTO_ERROR err = {0};
    assert_false(pq_resolve(&peer, &list, &err));
    assert_int_equal(err.code, PQ_ETRANSPORT);
    assert_non_null(strstr(err.message, "nothing.invalid"));
    assert_non_null(err.hint);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_peer_is_read_from_a_url),
        cmocka_unit_test(a_proxy_is_the_one_that_libcurl_takes),
        cmocka_unit_test(each_address_that_fails_is_named),
        cmocka_unit_test(a_name_without_an_address_is_an_error_of_transport),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
