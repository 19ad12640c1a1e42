#include "pq_cmocka.h"

#include <string.h>

#include "device/serve/question.h"

static void questions(void **state)
{
    (void)state;
    static const struct {
        const char *line, *url, *host;
    } cases[] = {
        {"get ghcr.io", "ghcr.io", "ghcr.io"},
        {"get https://GHCR.io:443/v2/", "https://GHCR.io:443/v2/", "ghcr.io"},
        {"get https://index.docker.io/v1/", "https://index.docker.io/v1/", "docker.io"},
        {"get ", NULL, NULL},
        {"get", NULL, NULL},
        {"", NULL, NULL},
        {"GET ghcr.io", NULL, NULL},
        {"list", NULL, NULL},
        {"get https://me@ghcr.io", NULL, NULL},
        {"get a b", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        PQ_AUTO_FREE char *url = NULL, *host = NULL;
        assert_int_equal(pq_question_read(cases[i].line, strlen(cases[i].line), &url, &host), cases[i].url != NULL);
        if (cases[i].url) {
            assert_string_equal(url, cases[i].url);
            assert_string_equal(host, cases[i].host);
        }
    }
    PQ_AUTO_FREE char *url = NULL, *host = NULL;
    assert_false(pq_question_read("get ghcr.io\0.evil", 17, &url, &host));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(questions)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
