#include "auth/aws/host.h"

#include <string.h>

#include "base/text.h"

static const pq_aws_partition partitions[] = {
    {"aws-cn", "cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn", "on.amazonwebservices.com.cn"},
    {"aws-us-gov", "us-gov-", "amazonaws.com", "api.aws", "on.aws"},
    {"aws-eusc", "eusc-de-", "amazonaws.eu", "api.amazonwebservices.eu", NULL},
    {"aws-iso", "us-iso-", "c2s.ic.gov", "api.aws.ic.gov", NULL},
    {"aws-iso-b", "us-isob-", "sc2s.sgov.gov", "api.aws.scloud", NULL},
    {"aws-iso-e", "eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk", NULL},
    {"aws-iso-f", "us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov", NULL},
    {"aws", "", "amazonaws.com", "api.aws", "on.aws"},
};

static const char form[] = "an ECR registry is <12 digits>.dkr.ecr.<region>.amazonaws.com, without scheme or path";

const pq_aws_partition *pq_aws_partition_of(const char *region)
{
    const pq_aws_partition *partition = partitions;
    while (!pq_starts_with(region, partition->region_prefix))
        partition++;
    return partition; /* the last one takes all */
}

void pq_aws_host_clear(pq_aws_host *host)
{
    free(host->region);
    *host = (pq_aws_host){0};
}

bool pq_aws_region_valid(const char *region, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!pq_ascii_alnum(region[i]) && (i == 0 || (region[i] != '-' && region[i] != '_')))
            return false;
    return length > 0;
}

/* The usual form: NAME[-fips].REGION.SUFFIX. Owned. */
static char *api_host(const char *name, const char *region, pq_aws_reach reach)
{
    const pq_aws_partition *partition = pq_aws_partition_of(region);
    return pq_asprintf("%s%s.%s.%s", name, reach.fips ? "-fips" : "", region,
                       reach.dual_stack ? partition->api_dual : partition->dns);
}

char *pq_aws_ecr_api_host(const pq_aws_host *host, pq_aws_reach reach)
{
    if (host->gallery)
        return api_host("api.ecr-public", host->region, reach);
    /* The two partitions that have had FIPS longest name it without "api.": botocore's rules make the same exception.
     */
    bool short_name = reach.fips && pq_streq(host->partition->dns, "amazonaws.com");
    return api_host(reach.dual_stack || short_name ? "ecr" : "api.ecr", host->region, reach);
}

char *pq_aws_sts_host(const char *region, pq_aws_reach reach)
{
    /* Every endpoint of GovCloud is one of FIPS, under its plain name. */
    if (!reach.dual_stack && pq_streq(pq_aws_partition_of(region)->name, "aws-us-gov"))
        reach.fips = false;
    return api_host("sts", region, reach);
}

char *pq_aws_sso_host(const char *region, pq_aws_reach reach)
{
    return api_host("portal.sso", region, reach);
}

char *pq_aws_roles_anywhere_host(const char *region, pq_aws_reach reach)
{
    return api_host("rolesanywhere", region, reach);
}

/* Moves over `word` when it stands there. */
static bool skip(const char **at, const char *word)
{
    if (!pq_starts_with(*at, word))
        return false;
    *at += strlen(word);
    return true;
}

static bool fail_suffix(const char *host, const pq_aws_host *parsed, const char *wanted, pq_error *err)
{
    PQ_AUTO_FREE char *hint =
        pq_asprintf("write %s.dkr%cecr%s.%s.%s", parsed->account, parsed->dual_stack ? '-' : '.',
                    parsed->fips ? "-fips" : "", parsed->region, wanted ? wanted : parsed->partition->dns);
    return pq_fail(err, PQ_ECONFIG, host, wanted ? hint : NULL,
                   wanted ? "region %s is in partition %s, whose registries have another suffix"
                          : "region %s is in partition %s, which has no dual-stack registries",
                   parsed->region, parsed->partition->name);
}

bool pq_aws_host_parse(const char *host, pq_aws_host *out, pq_error *err)
{
    *out = (pq_aws_host){0};
    if (pq_streq(host, "public.ecr.aws") || pq_streq(host, "ecr-public.aws.com")) {
        *out = (pq_aws_host){
            .region = pq_strdup("us-east-1"), .partition = pq_aws_partition_of("us-east-1"), .gallery = true};
        return true;
    }
    const char *at = host;
    while (pq_ascii_digit(*at))
        at++;
    if (at - host != 12)
        return pq_fail(err, PQ_ECONFIG, host, form, "not the host of an ECR registry: it has no 12-digit account");
    memcpy(out->account, host, 12);
    if (skip(&at, ".dkr-ecr"))
        out->dual_stack = true;
    else if (!skip(&at, ".dkr.ecr"))
        return pq_fail(err, PQ_ECONFIG, host, form, "not the host of an ECR registry: no .dkr.ecr follows the account");
    out->fips = skip(&at, "-fips");
    size_t width = skip(&at, ".") ? strcspn(at, ".") : 0;
    if (!pq_aws_region_valid(at, width) || at[width] != '.')
        return pq_fail(err, PQ_ECONFIG, host, form, "not the host of an ECR registry: no region follows .ecr");
    out->region = pq_strndup(at, width);
    out->partition = pq_aws_partition_of(out->region);
    const char *wanted = out->dual_stack ? out->partition->registry_dual : out->partition->dns;
    if (pq_streq(at + width + 1, wanted))
        return true;
    (void)fail_suffix(host, out, wanted, err);
    pq_aws_host_clear(out);
    return false;
}
