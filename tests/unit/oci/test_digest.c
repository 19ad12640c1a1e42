#include "pq_cmocka.h"

#include <string.h>

#include "oci/digest.h"

/* The empty input's digests (FIPS 180-4; `printf '' | sha256sum`, `sha512sum`). */
#define EMPTY_256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define EMPTY_512                                                                                                      \
    "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"                                                 \
    "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"

static void a_digest_is_algorithm_and_lower_case_hex(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message; /* NULL: valid */
    } cases[] = {
        {"sha256:" EMPTY_256, NULL},
        {"sha512:" EMPTY_512, NULL},
        {"sha256:" EMPTY_512, "invalid digest length"},
        {"sha512:" EMPTY_256, "invalid digest length"},
        {"sha256:E3B0C44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "invalid digest format"},
        {"sha256:g3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "invalid digest format"},
        {"md5:d41d8cd98f00b204e9800998ecf8427e", "unsupported digest algorithm"},
        {"sha256", "invalid digest format"},
        {"sha256:", "invalid digest format"},
        {":" EMPTY_256, "invalid digest format"},
        {"SHA256:" EMPTY_256, "invalid digest format"},
        {"", "invalid digest format"},
        {"sha256:" EMPTY_256 "\n", "invalid digest length"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        PQ_AUTO_ERROR err = {0};
        assert_int_equal(pq_digest_check(cases[i].text, &err), cases[i].message == NULL);
        assert_int_equal(pq_digest_valid(cases[i].text), cases[i].message == NULL);
        if (cases[i].message)
            assert_non_null(strstr(err.message, cases[i].message));
    }
    assert_false(pq_digest_valid(NULL));
    assert_string_equal(pq_digest_hex("sha256:" EMPTY_256), EMPTY_256);
}

static void the_outer_form_knows_no_algorithm(void **state)
{
    (void)state;
    assert_true(pq_digest_has_form("md5:d41d8cd98f00b204e9800998ecf8427e"));
    assert_true(pq_digest_has_form("sha256+b64u:0123456789abcdef0123456789ABCDEF"));
    assert_false(pq_digest_has_form("md5:d41d8cd98f00b204e9800998ecf8427")); /* 31 digits */
    assert_false(pq_digest_has_form("sha256+:0123456789abcdef0123456789abcdef"));
    assert_false(pq_digest_has_form("1sha:0123456789abcdef0123456789abcdef"));
    assert_false(pq_digest_has_form(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_digest_is_algorithm_and_lower_case_hex),
        cmocka_unit_test(the_outer_form_knows_no_algorithm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
