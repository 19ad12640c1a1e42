#include "pq_cmocka.h"

#include <string.h>
#include <sys/utsname.h>

#include "oci/platform.h"

static void platforms_are_read_as_containerd_does(void **state)
{
    (void)state;
    static const struct {
        const char *text, *string; /* NULL: refused */
    } cases[] = {
        {"linux/arm64/v8", "linux/arm64/v8"},
        {"linux/arm/v7", "linux/arm/v7"},
        {"linux/arm/7", "linux/arm/v7"},
        {"linux/amd64", "linux/amd64"},
        {"LINUX/AMD64", "linux/amd64"},
        {"linux/x86_64", "linux/amd64"},
        {"linux/aarch64", "linux/arm64"},
        {"linux/armel", "linux/arm/v6"},
        {"windows/amd64", "windows/amd64"},
        /* FoundriesFactory's names */
        {"arm", "linux/arm"},
        {"arm64", "linux/arm64"},
        {"amd64", "linux/amd64"},
        /* uname's names */
        {"armv7l", "linux/arm"},
        {"armv6l", "linux/arm/v6"},
        {"x86_64", "linux/amd64"},
        {"linux", NULL},
        {"", NULL},
        {"linux/", NULL},
        {"/amd64", NULL},
        {"linux//v8", NULL},
        {"linux/arm/v7/x", NULL},
        {"linux/a b", NULL},
        {"linux/amd64\n", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        PQ_AUTO_ERROR err = {0};
        PQ_AUTO_PLATFORM platform = {0};
        bool good = pq_platform_parse(cases[i].text, &platform, &err);
        assert_int_equal(good, cases[i].string != NULL);
        if (!good)
            continue;
        PQ_AUTO_FREE char *string = pq_platform_string(&platform);
        assert_string_equal(string, cases[i].string);
    }
}

static int fit(const char *want, const char *have)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_PLATFORM wanted = {0}, had = {0};
    assert_true(pq_platform_parse(want, &wanted, &err));
    assert_true(pq_platform_parse(have, &had, &err));
    return pq_platform_fit(&wanted, &had);
}

static void arm_runs_what_is_older(void **state)
{
    (void)state;
    assert_true(fit("arm", "linux/arm/v7") > fit("arm", "linux/arm/v6"));
    assert_true(fit("arm", "linux/arm/v6") > fit("arm", "linux/arm/v5"));
    assert_true(fit("arm", "linux/arm/v5") > 0);
    assert_int_equal(fit("linux/arm/v6", "linux/arm/v7"), 0);
    assert_int_equal(fit("arm64", "linux/arm64/v8"), fit("arm64", "arm64"));
    assert_int_equal(fit("arm64", "arm"), 0);
    assert_int_equal(fit("amd64", "linux/amd64/v3"), 0);
    assert_true(fit("linux/amd64/v3", "amd64") > 0);
    assert_int_equal(fit("amd64", "windows/amd64"), 0);
}

static void this_machine_has_a_platform(void **state)
{
    (void)state;
    PQ_AUTO_PLATFORM here = {0};
    pq_platform_of_this_machine(&here);
    assert_string_equal(here.os, "linux");
    struct utsname name;
    assert_int_equal(uname(&name), 0);
    if (strcmp(name.machine, "x86_64") == 0)
        assert_string_equal(here.architecture, "amd64");
    if (strcmp(name.machine, "aarch64") == 0)
        assert_string_equal(here.architecture, "arm64");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(platforms_are_read_as_containerd_does),
        cmocka_unit_test(arm_runs_what_is_older),
        cmocka_unit_test(this_machine_has_a_platform),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
