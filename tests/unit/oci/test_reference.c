#include "pq_cmocka.h"

#include <string.h>

#include "base/text.h"
#include "oci/reference.h"

#define HEX64 "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"

static void references_are_normalised_as_docker_does(void **state)
{
    (void)state;
    static const struct {
        const char *text, *domain, *path, *tag, *digest;
    } cases[] = {
        {"busybox", "docker.io", "library/busybox", NULL, NULL},
        {"busybox:1.36", "docker.io", "library/busybox", "1.36", NULL},
        {"acme/app", "docker.io", "acme/app", NULL, NULL},
        {"docker.io/busybox", "docker.io", "library/busybox", NULL, NULL},
        {"index.docker.io/busybox", "docker.io", "library/busybox", NULL, NULL},
        {"localhost/a", "localhost", "a", NULL, NULL},
        {"localhost:5000/a:b", "localhost:5000", "a", "b", NULL},
        {"localhost:5000", "docker.io", "library/localhost", "5000", NULL},
        {"ACME/app", "ACME", "app", NULL, NULL},
        {"[fd00::1]:5000/a/b", "[fd00::1]:5000", "a/b", NULL, NULL},
        {"123456789012.dkr.ecr.us-east-2.amazonaws.com/base:1.2", "123456789012.dkr.ecr.us-east-2.amazonaws.com",
         "base", "1.2", NULL},
        {"r.example/a@sha256:" HEX64, "r.example", "a", NULL, "sha256:" HEX64},
        {"r.example/a:t@sha256:" HEX64, "r.example", "a", "t", "sha256:" HEX64},
        {"a__b/c---d.e", "docker.io", "a__b/c---d.e", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        PQ_AUTO_ERROR err = {0};
        PQ_AUTO_REFERENCE got = {0};
        assert_true(pq_reference_parse(cases[i].text, &got, &err));
        assert_string_equal(got.domain, cases[i].domain);
        assert_string_equal(got.path, cases[i].path);
        assert_true(pq_streq(got.tag, cases[i].tag));
        assert_true(pq_streq(got.digest, cases[i].digest));
    }
}

static void what_the_grammar_lacks_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",         "Busybox",  "a/B",        "a//b",    "/a",       "a/",    "a:",           "a@",
        "a:b:c",    "a b",      " a",         "a\n",     "-a",       "a-",    "a..b",         "a___b",
        "a._b",     "a:-t",     "a@sha256:1", HEX64,     "http://a", "a/b?c", "my_host.io/a", "[::1/a",
        "a@" HEX64, "a.io:x/b", "a.io:/b",    "-a.io/b", "a-.io/b",  "..",    "r.io/${X}",    "a@sha256:" HEX64 "0",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        PQ_AUTO_ERROR err = {0};
        PQ_AUTO_REFERENCE got = {0};
        if (pq_reference_parse(cases[i], &got, &err))
            fail_msg("accepted: %s", cases[i]);
        assert_int_equal(err.code, PQ_EINPUT);
        assert_null(got.domain);
    }
}

static void lengths_are_held(void **state)
{
    (void)state;
    PQ_AUTO_ERROR err = {0};
    char text[400] = "r.io/";
    memset(text + 5, 'a', 255);
    PQ_AUTO_REFERENCE longest = {0}, other = {0};
    assert_true(pq_reference_parse(text, &longest, &err));
    text[5 + 255] = 'a';
    assert_false(pq_reference_parse(text, &other, &err));
    memset(text, 0, sizeof text);
    memcpy(text, "a:", 2);
    memset(text + 2, 't', 128);
    assert_true(pq_tag_valid(text + 2));
    assert_true(pq_reference_parse(text, &other, &err));
    text[2 + 128] = 't';
    assert_false(pq_tag_valid(text + 2));
    assert_false(pq_tag_valid(""));
}

static void texts_go_both_ways(void **state)
{
    (void)state;
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_REFERENCE both = {0}, plain = {0}, copy = {0};
    assert_true(pq_reference_parse("busybox:1@sha256:" HEX64, &both, &err));
    PQ_AUTO_FREE char *string = pq_reference_string(&both);
    PQ_AUTO_FREE char *familiar = pq_reference_familiar_string(&both);
    PQ_AUTO_FREE char *pull = pq_reference_pull_string(&both);
    assert_string_equal(string, "docker.io/library/busybox:1@sha256:" HEX64);
    assert_string_equal(familiar, "busybox:1@sha256:" HEX64);
    assert_string_equal(pull, "docker.io/library/busybox@sha256:" HEX64);
    assert_string_equal(pq_reference_target(&both), "sha256:" HEX64);
    assert_true(pq_reference_parse("busybox", &plain, &err));
    assert_string_equal(pq_reference_target(&plain), "latest");
    assert_true(pq_reference_same_name(&plain, &both));
    pq_reference_copy(&both, &copy);
    assert_string_equal(copy.digest, both.digest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(references_are_normalised_as_docker_does),
        cmocka_unit_test(what_the_grammar_lacks_is_refused),
        cmocka_unit_test(lengths_are_held),
        cmocka_unit_test(texts_go_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
