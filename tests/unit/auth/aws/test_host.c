#include "pq_cmocka.h"

#include <string.h>

#include "auth/aws/host.h"
#include "config/host.h"

/* Registry names: amazon-ecr-credential-helper. API names: what botocore 1.29 resolves for service ecr, but for two
 * kinds that are younger than it: dual-stack ones, and the suffixes of the partitions eusc, iso-e and iso-f (its later
 * partitions.json). */
static const struct {
    const char *host, *region, *partition, *api;
    bool fips, dual;
} good[] = {
    {"123456789012.dkr.ecr.us-east-2.amazonaws.com", "us-east-2", "aws", "api.ecr.us-east-2.amazonaws.com", false,
     false},
    {"123456789012.dkr.ecr.mx-central-1.amazonaws.com", "mx-central-1", "aws", "api.ecr.mx-central-1.amazonaws.com",
     false, false},
    {"123456789012.dkr.ecr.moon-base-1.amazonaws.com", "moon-base-1", "aws", "api.ecr.moon-base-1.amazonaws.com", false,
     false},
    {"123456789012.dkr.ecr-fips.us-west-1.amazonaws.com", "us-west-1", "aws", "ecr-fips.us-west-1.amazonaws.com", true,
     false},
    {"123456789012.dkr-ecr.eu-west-1.on.aws", "eu-west-1", "aws", "ecr.eu-west-1.api.aws", false, true},
    {"123456789012.dkr-ecr-fips.us-east-1.on.aws", "us-east-1", "aws", "ecr-fips.us-east-1.api.aws", true, true},
    {"123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "cn-north-1", "aws-cn", "api.ecr.cn-north-1.amazonaws.com.cn",
     false, false},
    {"123456789012.dkr-ecr.cn-northwest-1.on.amazonwebservices.com.cn", "cn-northwest-1", "aws-cn",
     "ecr.cn-northwest-1.api.amazonwebservices.com.cn", false, true},
    {"123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1", "aws-us-gov",
     "ecr-fips.us-gov-west-1.amazonaws.com", true, false},
    {"123456789012.dkr-ecr.us-gov-east-1.on.aws", "us-gov-east-1", "aws-us-gov", "ecr.us-gov-east-1.api.aws", false,
     true},
    {"123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu", "eusc-de-east-1", "aws-eusc",
     "api.ecr.eusc-de-east-1.amazonaws.eu", false, false},
    {"123456789012.dkr.ecr.us-iso-east-1.c2s.ic.gov", "us-iso-east-1", "aws-iso", "api.ecr.us-iso-east-1.c2s.ic.gov",
     false, false},
    {"123456789012.dkr.ecr.us-isob-east-1.sc2s.sgov.gov", "us-isob-east-1", "aws-iso-b",
     "api.ecr.us-isob-east-1.sc2s.sgov.gov", false, false},
    {"123456789012.dkr.ecr.eu-isoe-west-1.cloud.adc-e.uk", "eu-isoe-west-1", "aws-iso-e",
     "api.ecr.eu-isoe-west-1.cloud.adc-e.uk", false, false},
    {"123456789012.dkr.ecr.us-isof-south-1.csp.hci.ic.gov", "us-isof-south-1", "aws-iso-f",
     "api.ecr.us-isof-south-1.csp.hci.ic.gov", false, false},
};

static void every_partition_is_known(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        PQ_AUTO_ERROR err = {0};
        PQ_AUTO_AWS_HOST host = {0};
        if (!pq_aws_host_parse(good[i].host, &host, &err))
            fail_msg("%s: %s", good[i].host, err.message);
        assert_string_equal(host.account, "123456789012");
        assert_string_equal(host.region, good[i].region);
        assert_string_equal(host.partition->name, good[i].partition);
        assert_int_equal(host.fips, good[i].fips);
        assert_int_equal(host.dual_stack, good[i].dual);
        PQ_AUTO_FREE char *api = pq_aws_ecr_api_host(&host, (pq_aws_reach){host.fips, host.dual_stack});
        assert_string_equal(api, good[i].api);
    }
}

/* The configuration reads these names too, on a lower floor: what it takes must be what is served here. */
static void the_configuration_reads_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        PQ_AUTO_ECR_HOST host = {0};
        if (!pq_ecr_host_parse(good[i].host, &host))
            fail_msg("%s", good[i].host);
        assert_string_equal(host.account, "123456789012");
        assert_string_equal(host.region, good[i].region);
        assert_int_equal(host.fips, good[i].fips);
        assert_int_equal(host.dual_stack, good[i].dual);
        assert_string_equal(host.suffix, pq_ecr_suffix(host.region, host.dual_stack));
    }
}

static void nothing_else_is_taken_for_aws(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "12345678901.dkr.ecr.us-east-2.amazonaws.com",
        "1234567890123.dkr.ecr.us-east-2.amazonaws.com",
        "abcdefghijkl.dkr.ecr.us-east-2.amazonaws.com",
        "123456789012.dkr.ecr.us-east-2.amazonaws.com.evil.example",
        "x.123456789012.dkr.ecr.us-east-2.amazonaws.com",
        "123456789012.dkr.ecr.us-east-2.amazonaws.com/team",
        "123456789012.dkr.ecr.us-east-2.amazonaws.com:443",
        "123456789012.dkr.ecr.us-east-2.amazonaws.com.",
        "123456789012.dkr.ecr..amazonaws.com",
        "123456789012.dkr.ecr.-us.amazonaws.com",
        "123456789012.dkr.ecr.us-east-2@evil.amazonaws.com",
        "123456789012.dkr.ecr.us-east-2",
        "123456789012.dkr.ecrxfips.us-east-2.amazonaws.com",
        "123456789012.dkr.ecr.us-east-2.on.aws",
        "123456789012.dkr-ecr.us-east-2.amazonaws.com",
        "123456789012.dkr-ecr.us-iso-east-1.on.aws",
        "public.ecr.aws.example",
        "x.public.ecr.aws",
        "https://123456789012.dkr.ecr.us-east-2.amazonaws.com",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        PQ_AUTO_ERROR err = {0};
        PQ_AUTO_AWS_HOST host = {0};
        if (pq_aws_host_parse(wrong[i], &host, &err))
            fail_msg("taken: %s", wrong[i]);
        assert_int_equal(err.code, PQ_ECONFIG);
        assert_string_equal(err.where, wrong[i]);
        assert_null(host.region);
    }
}

static void a_suffix_of_another_partition_is_named(void **state)
{
    (void)state;
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_AWS_HOST host = {0};
    assert_false(pq_aws_host_parse("123456789012.dkr.ecr.cn-north-1.amazonaws.com", &host, &err));
    assert_string_equal(err.message, "region cn-north-1 is in partition aws-cn, whose registries have another suffix");
    assert_string_equal(err.hint, "write 123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn");
}

static void the_public_gallery_is_in_one_region(void **state)
{
    (void)state;
    static const char *const names[] = {"public.ecr.aws", "ecr-public.aws.com"};
    for (size_t i = 0; i < 2; i++) {
        PQ_AUTO_ERROR err = {0};
        PQ_AUTO_AWS_HOST host = {0};
        assert_true(pq_aws_host_parse(names[i], &host, &err));
        assert_true(host.gallery);
        assert_string_equal(host.region, "us-east-1");
        PQ_AUTO_FREE char *api = pq_aws_ecr_api_host(&host, (pq_aws_reach){0});
        assert_string_equal(api, "api.ecr-public.us-east-1.amazonaws.com");
    }
}

/* What botocore 1.29's endpoint rules (sts, sso) give for each; `dual` of partitions younger than it: partitions.json.
 */
static void sts_and_sso_have_hosts_in_every_partition(void **state)
{
    (void)state;
    static const struct {
        const char *region;
        pq_aws_reach reach;
        const char *sts, *sso;
    } hosts[] = {
        {"us-east-2", {false, false}, "sts.us-east-2.amazonaws.com", "portal.sso.us-east-2.amazonaws.com"},
        {"us-east-2", {true, false}, "sts-fips.us-east-2.amazonaws.com", "portal.sso-fips.us-east-2.amazonaws.com"},
        {"eu-west-1", {false, true}, "sts.eu-west-1.api.aws", "portal.sso.eu-west-1.api.aws"},
        {"us-west-2", {true, true}, "sts-fips.us-west-2.api.aws", "portal.sso-fips.us-west-2.api.aws"},
        {"cn-north-1", {false, false}, "sts.cn-north-1.amazonaws.com.cn", "portal.sso.cn-north-1.amazonaws.com.cn"},
        {"cn-north-1",
         {false, true},
         "sts.cn-north-1.api.amazonwebservices.com.cn",
         "portal.sso.cn-north-1.api.amazonwebservices.com.cn"},
        {"us-gov-west-1", {false, false}, "sts.us-gov-west-1.amazonaws.com", "portal.sso.us-gov-west-1.amazonaws.com"},
        {"us-gov-west-1",
         {true, false},
         "sts.us-gov-west-1.amazonaws.com",
         "portal.sso-fips.us-gov-west-1.amazonaws.com"},
        {"us-gov-west-1", {true, true}, "sts-fips.us-gov-west-1.api.aws", "portal.sso-fips.us-gov-west-1.api.aws"},
        {"us-iso-east-1", {false, false}, "sts.us-iso-east-1.c2s.ic.gov", "portal.sso.us-iso-east-1.c2s.ic.gov"},
        {"us-isob-east-1",
         {false, false},
         "sts.us-isob-east-1.sc2s.sgov.gov",
         "portal.sso.us-isob-east-1.sc2s.sgov.gov"},
    };
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        PQ_AUTO_FREE char *sts = pq_aws_sts_host(hosts[i].region, hosts[i].reach);
        PQ_AUTO_FREE char *sso = pq_aws_sso_host(hosts[i].region, hosts[i].reach);
        assert_string_equal(sts, hosts[i].sts);
        assert_string_equal(sso, hosts[i].sso);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_partition_is_known),
        cmocka_unit_test(the_configuration_reads_the_same),
        cmocka_unit_test(nothing_else_is_taken_for_aws),
        cmocka_unit_test(a_suffix_of_another_partition_is_named),
        cmocka_unit_test(the_public_gallery_is_in_one_region),
        cmocka_unit_test(sts_and_sso_have_hosts_in_every_partition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
