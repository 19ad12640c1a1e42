#include "pq_cmocka.h"

#include "base/text.h"
#include "config/host.h"

static void hosts_are_compared_in_one_form(void **state)
{
    (void)state;
    static const struct {
        const char *text, *normal;
    } cases[] = {
        {"ghcr.io", "ghcr.io"},
        {"GHCR.io:443", "ghcr.io"},
        {"registry.example.com:5000", "registry.example.com:5000"},
        {"localhost", "localhost"},
        {"registry:5000", "registry:5000"},
        {"10.0.0.1:80", "10.0.0.1:80"},
        {"[::1]:5000", "[::1]:5000"},
        {"[FE80::1]", "[fe80::1]"},
        {"registry", NULL}, /* docker takes it for docker.io/library/registry */
        {"", NULL},
        {"a..b", NULL},
        {"-a.b", NULL},
        {"a-.b", NULL},
        {".a.b", NULL},
        {"a.b.", NULL},
        {"a_b.c", NULL},
        {"a.b:", NULL},
        {"a.b:0", NULL},
        {"a.b:65536", NULL},
        {"a.b:080", NULL},
        {"a.b:+80", NULL},
        {"a.b:80:80", NULL},
        {"a b.c", NULL},
        {"*.gcr.io", NULL},
        {"[::1", NULL},
        {"[]:1", NULL},
        {"\xc3\xa4.de", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        PQ_AUTO_FREE char *normal = pq_host_normal(cases[i].text);
        if (!pq_streq(normal, cases[i].normal))
            fail_msg("%s gave %s", cases[i].text, normal ? normal : "(none)");
    }
}

static void docker_hub_has_several_names(void **state)
{
    (void)state;
    static const char *const names[] = {"docker.io", "index.docker.io", "Registry-1.docker.io:443"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        PQ_AUTO_FREE char *host = NULL, *right_form = NULL, *asked = pq_host_asked(names[i]);
        const char *reason = NULL;
        assert_true(pq_host_parse(names[i], &host, &reason, &right_form));
        assert_string_equal(host, "docker.io");
        assert_string_equal(asked, "docker.io");
    }
    PQ_AUTO_FREE char *other = pq_host_asked("auth.docker.io");
    assert_string_equal(other, "auth.docker.io");
}

static void hosts_of_google(void **state)
{
    (void)state;
    static const char *const good[] = {
        "us-docker.pkg.dev", "europe-west1-docker.pkg.dev", "docker.us-central1.rep.pkg.dev", "gcr.io", "us.gcr.io",
        "eu.gcr.io"};
    static const char *const bad[] = {"us-docker.pkg.dev.example.com",
                                      "us-docker.pkg.dev:8443",
                                      "-docker.pkg.dev",
                                      "docker.pkg.dev",
                                      "a.us-docker.pkg.dev",
                                      "us-python.pkg.dev",
                                      "xgcr.io",
                                      "a.b.gcr.io",
                                      "gcr.io.example.com",
                                      "gcr.io:444",
                                      ".gcr.io",
                                      "us.gcr.iox",
                                      "docker..rep.pkg.dev",
                                      "docker.a.b.rep.pkg.dev",
                                      "docker.rep.pkg.dev",
                                      "docker.us.rep.pkg.dev.example.com",
                                      "us_docker.pkg.dev",
                                      "pkg.dev"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!pq_google_host(good[i]))
            fail_msg("%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (pq_google_host(bad[i]))
            fail_msg("%s", bad[i]);
}

static void the_right_form_is_shown(void **state)
{
    (void)state;
    static const struct {
        const char *text, *reason, *right_form;
    } cases[] = {
        {"https://GHCR.io", "has a scheme", "ghcr.io"},
        {"https://user:pass@ghcr.io/v2/", "has a scheme", "ghcr.io"},
        {"user:pass@ghcr.io", "has a user name", "ghcr.io"},
        {"ghcr.io/", "ends in a slash", "ghcr.io"},
        {"ghcr.io/acme/app", "has a path", "ghcr.io"},
        {"us-docker.pkg.dev/project/repo:1", "has a path", "us-docker.pkg.dev"},
        {"https://index.docker.io/v1/", "has a scheme", "docker.io"},
        {"a.b.", "is not a host name with an optional port", "a.b"},
        {"acme", "is not a host name with an optional port", NULL},
        {"https://", "has a scheme", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        PQ_AUTO_FREE char *host = NULL;
        PQ_AUTO_FREE char *right_form = NULL;
        const char *reason = NULL;
        assert_false(pq_host_parse(cases[i].text, &host, &reason, &right_form));
        assert_null(host);
        assert_string_equal(reason, cases[i].reason);
        if (!pq_streq(right_form, cases[i].right_form))
            fail_msg("%s gave %s", cases[i].text, right_form ? right_form : "(none)");
    }
}

static void ecr_hosts_are_anchored_at_both_ends(void **state)
{
    (void)state;
    static const struct {
        const char *host, *region, *suffix;
        bool fips, dual_stack;
    } good[] = {
        {"123456789012.dkr.ecr.us-east-2.amazonaws.com", "us-east-2", "amazonaws.com", false, false},
        {"123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1", "amazonaws.com", true, false},
        {"123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "cn-north-1", "amazonaws.com.cn", false, false},
        {"123456789012.dkr-ecr.eu-west-1.on.aws", "eu-west-1", "on.aws", false, true},
        {"123456789012.dkr-ecr-fips.us-east-1.on.aws", "us-east-1", "on.aws", true, true},
        {"123456789012.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn", "cn-north-1", "on.amazonwebservices.com.cn",
         false, true},
        {"123456789012.dkr.ecr.us-isob-east-1.sc2s.sgov.gov", "us-isob-east-1", "sc2s.sgov.gov", false, false},
        {"123456789012.dkr.ecr.eu-isoe-west-1.cloud.adc-e.uk", "eu-isoe-west-1", "cloud.adc-e.uk", false, false},
        {"123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu", "eusc-de-east-1", "amazonaws.eu", false, false},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        PQ_AUTO_ECR_HOST ecr = {0};
        assert_true(pq_ecr_host_parse(good[i].host, &ecr));
        assert_string_equal(ecr.account, "123456789012");
        assert_string_equal(ecr.region, good[i].region);
        assert_string_equal(ecr.suffix, good[i].suffix);
        assert_int_equal(ecr.fips, good[i].fips);
        assert_int_equal(ecr.dual_stack, good[i].dual_stack);
        assert_string_equal(pq_ecr_suffix(ecr.region, ecr.dual_stack), ecr.suffix);
    }
    static const char *const bad[] = {
        "12345678901.dkr.ecr.us-east-2.amazonaws.com",
        "1234567890123.dkr.ecr.us-east-2.amazonaws.com",
        "a23456789012.dkr.ecr.us-east-2.amazonaws.com",
        "123456789012.dkr.ecr.us-east-2.amazonaws.com.evil.example",
        "123456789012.dkr.ecr.evil.example",
        "123456789012.dkr.ecr.us-east-2.amazonaws.com:5000",
        "123456789012.dkr.ecr.-us.amazonaws.com",
        "123456789012.dkr.ecr..amazonaws.com",
        "123456789012.dkr.ecr.us-east-2.x.amazonaws.com",
        "123456789012.dkrXecr.us-east-2.amazonaws.com",
        "x.123456789012.dkr.ecr.us-east-2.amazonaws.com",
        "public.ecr.aws",
        "",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        PQ_AUTO_ECR_HOST ecr = {0};
        if (pq_ecr_host_parse(bad[i], &ecr))
            fail_msg("%s", bad[i]);
    }
    assert_string_equal(pq_ecr_suffix("us-isof-south-1", false), "csp.hci.ic.gov");
    assert_string_equal(pq_ecr_suffix("us-iso-east-1", false), "c2s.ic.gov");
    assert_string_equal(pq_ecr_suffix("xx-new-1", false), "amazonaws.com");
}

static void azure_hosts_are_anchored_at_both_ends(void **state)
{
    (void)state;
    const struct {
        const char *host;
        pq_azure_cloud cloud;
    } good[] = {
        {"acme.azurecr.io", PQ_AZURE_PUBLIC},
        {"acme-dxf7h2bqa4c9gjkm.azurecr.io", PQ_AZURE_PUBLIC},
        {"acme.westeurope.geo.azurecr.io", PQ_AZURE_PUBLIC},
        {"acme.azurecr.us", PQ_AZURE_US_GOVERNMENT},
        {"acme.azurecr.cn", PQ_AZURE_CHINA},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        pq_azure_cloud cloud;
        if (!pq_acr_host_parse(good[i].host, &cloud) || cloud != good[i].cloud)
            fail_msg("%s", good[i].host);
    }
    static const char *const bad[] = {
        "azurecr.io",
        ".azurecr.io",
        "-acme.azurecr.io",
        "acme-.azurecr.io",
        "acme..azurecr.io",
        "a_b.azurecr.io",
        "acme.azurecr.io.evil.example",
        "acmeazurecr.io",
        "acme.azurecr.iox",
        "acme.azurecr.io:443",
        "acme.azurecr.de",
        "acme.westeurope.data.azurecr.io",
        "evil.example/.azurecr.io",
        "evil.example@acme.azurecr.io",
        "",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        pq_azure_cloud cloud;
        if (pq_acr_host_parse(bad[i], &cloud))
            fail_msg("%s", bad[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_are_compared_in_one_form),
        cmocka_unit_test(docker_hub_has_several_names),
        cmocka_unit_test(hosts_of_google),
        cmocka_unit_test(the_right_form_is_shown),
        cmocka_unit_test(ecr_hosts_are_anchored_at_both_ends),
        cmocka_unit_test(azure_hosts_are_anchored_at_both_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
