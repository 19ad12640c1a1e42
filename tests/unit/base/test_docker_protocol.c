#include "pq_cmocka.h"

#include <string.h>

#include "base/docker_protocol.h"

static void hosts_of_server_urls(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"ghcr.io", "ghcr.io"},
        {"ghcr.io\n", "ghcr.io"},
        {"  https://GHCR.io/v2/ ", "ghcr.io"},
        {"http://localhost:5000", "localhost:5000"},
        {"registry.example.com:443/team", "registry.example.com"},
        {"registry.example.com:4430", "registry.example.com:4430"},
        {"https://index.docker.io/v1/", "docker.io"}, /* docker's own name for Docker Hub */
        {"index.docker.io", "docker.io"},
        {"registry-1.docker.io", "docker.io"},
        {"docker.io", "docker.io"},
        {"https://index.docker.io.example.com/v1/", "index.docker.io.example.com"},
        {"", NULL},
        {" \n", NULL},
        {"https:///v2/", NULL},
        /* What is before `://` is a scheme only if it can be one (RFC 3986, section 3.1): here the host comes first. */
        {"evil.example/x://ghcr.io", "evil.example"},
        {"evil.example:5000/x://ghcr.io/v2/", "evil.example:5000"},
        {"evil.example?://ghcr.io", NULL},
        {"evil.example:1://ghcr.io", NULL},
        {"://ghcr.io", NULL},
        {"1://ghcr.io", NULL},
        /* No host has these, and another reader may see another host behind them. */
        {"https://user@ghcr.io/", NULL},
        {"https://ghcr.io\\@evil.example/", NULL},
        {"https://ghcr.io?evil.example", NULL},
        {"https://ghcr.io#evil.example", NULL},
        {"ghcr.io\x01", NULL},
        {"ghcr.io\x7f", NULL},
        {"ghcr.io%2eevil.example", NULL},
        {"ghcr.\xd1\x96o", NULL},
        {"ghcr.io evil.example", NULL},
        {"evil.example\nghcr.io", NULL},
        {"[::1]:5000", "[::1]:5000"},
        {"[::1]:443", "[::1]"},
        {"ghcr.io:443:443", NULL},
        {"ghcr.io:port", NULL},
        {"ghcr.io:", NULL},
        {"[::1", NULL},
        {"a[::1]", NULL},
        {"my_registry:5000/v2/", "my_registry:5000"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        PQ_AUTO_FREE char *host = pq_docker_host(cases[i][0]);
        if (!cases[i][1])
            assert_null(host);
        else
            assert_string_equal(host, cases[i][1]);
    }
}

static void an_answer_is_json(void **state)
{
    (void)state;
    PQ_AUTO_BUF out = PQ_BUF(1000);
    pq_docker_answer(&out, "https://h/", "ro\"bot", 6, "p\\w\n\x01\"$/\xc3\xa9", 10);
    assert_string_equal(pq_buf_text(&out), "{\"ServerURL\":\"https://h/\",\"Username\":\"ro\\\"bot\",\"Secret\":"
                                           "\"p\\\\w\\u000a\\u0001\\\"$/\xc3\xa9\"}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(hosts_of_server_urls), cmocka_unit_test(an_answer_is_json)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
