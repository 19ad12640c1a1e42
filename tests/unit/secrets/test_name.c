#include "pq_cmocka.h"

#include <string.h>

#include "secrets/name.h"

static void names_are_names_of_files(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "aws_creds", "container-registries", "A.b-9_", "-", "a..b"};
    static const char *const wrong[] = {"", ".", "..", ".a", "a/b", "a b", "a=b", "\xc3\xa9", "a\n", "a%"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(pq_secret_name_valid(good[i]));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(pq_secret_name_valid(wrong[i]));
    char name[130];
    memset(name, 'a', sizeof name);
    name[129] = '\0';
    assert_false(pq_secret_name_valid(name));
    name[128] = '\0';
    assert_true(pq_secret_name_valid(name));
}

static void hosts_are_written_one_way(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"GHCR.io", "ghcr.io"},
        {"ghcr.io:443", "ghcr.io"},
        {"Localhost:5000", "localhost:5000"},
        {"[::1]:5000", "[::1]:5000"},
        {"[2001:DB8::1]", "[2001:db8::1]"},
        {"123456789012.dkr.ecr.us-east-2.amazonaws.com", "123456789012.dkr.ecr.us-east-2.amazonaws.com"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        PQ_AUTO_ERROR err = {0};
        PQ_AUTO_FREE char *host = NULL;
        assert_true(pq_secret_host(pairs[i][0], &host, &err));
        assert_string_equal(host, pairs[i][1]);
    }
    static const char *const wrong[] = {"",          "https://ghcr.io",
                                        "ghcr.io/",  "ghcr.io/acme",
                                        "ghcr.io:",  "ghcr.io:0",
                                        ":443",      "ghcr.io:65536",
                                        "a b",       "a..b",
                                        "-a",        "a-",
                                        "a.",        "[::1",
                                        "[]",        "user@ghcr.io",
                                        "*.pkg.dev", "ghcr.io:443:443",
                                        ".a",        "[::1]x"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        PQ_AUTO_ERROR err = {0};
        char *host = NULL;
        assert_false(pq_secret_host(wrong[i], &host, &err));
        assert_null(host);
        assert_int_equal(err.code, PQ_EUSAGE);
    }
}

static void a_list_of_hosts_is_sorted_and_complains_of_each(void **state)
{
    (void)state;
    PQ_AUTO_STRINGS texts = {0}, hosts = {0};
    PQ_AUTO_ERRORS errors = {0};
    pq_strings_add(&texts, "ghcr.io");
    pq_strings_add(&texts, "a.example");
    pq_strings_add(&texts, "GHCR.IO:443");
    assert_true(pq_secret_hosts(&texts, &hosts, &errors));
    assert_int_equal(hosts.count, 2);
    assert_string_equal(hosts.at[0], "a.example");
    pq_strings_add(&texts, "http://x");
    pq_strings_add(&texts, "y/");
    assert_false(pq_secret_hosts(&texts, &hosts, &errors));
    assert_int_equal(errors.count, 2);
    pq_strings_clear(&texts);
    pq_errors_clear(&errors);
    for (int i = 0; i < 65; i++)
        pq_strings_take(&texts, pq_asprintf("h%d.example", i));
    assert_false(pq_secret_hosts(&texts, &hosts, &errors));
    assert_string_equal(errors.at[0].message, "a secret can be bound to at most 64 hosts");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_names_of_files),
        cmocka_unit_test(hosts_are_written_one_way),
        cmocka_unit_test(a_list_of_hosts_is_sorted_and_complains_of_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
