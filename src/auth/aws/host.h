/* The names of Amazon's registries and of the APIs beside them, in every partition of AWS.
 *
 * Facts: botocore's partitions.json and the endpoint-rule-set-1.json of ECR, ECR Public, STS and SSO; Amazon's own
 * credential helper for the registry names. Pure: no I/O. */
#pragma once

#include "base/error.h"

typedef struct pq_aws_partition {
    const char *name;          /* "aws-cn" */
    const char *region_prefix; /* "" for the partition that takes all other regions */
    const char *dns;           /* "amazonaws.com.cn" */
    const char *api_dual;      /* suffix of dual-stack API hosts */
    const char *registry_dual; /* suffix of dual-stack registry hosts; NULL where none is known */
} pq_aws_partition;

/* A private registry: `<account>.dkr.ecr[-fips].<region>.<dns>`, dual-stack `<account>.dkr-ecr[-fips].<region>.<dual>`.
 */
typedef struct pq_aws_host {
    char account[13];
    char *region;
    const pq_aws_partition *partition; /* static */
    bool fips, dual_stack;
    bool gallery; /* public.ecr.aws, the public gallery: no account, and its API is in us-east-1 only */
} pq_aws_host;

#define PQ_AUTO_AWS_HOST PQ_CLEANUP(pq_aws_host_clear) pq_aws_host

/* Takes a registry host without a port, in lower case, apart: all of it, anchored at both ends. PQ_ECONFIG with what is
 * wrong for anything else, a region under another partition's suffix included. */
bool pq_aws_host_parse(const char *host, pq_aws_host *out, pq_error *err) PQ_MUST_USE;
void pq_aws_host_clear(pq_aws_host *host);
/* The partition of a region; one of an unknown form belongs to "aws", as botocore has it. */
const pq_aws_partition *pq_aws_partition_of(const char *region);
/* Letters, digits, '-' and '_', starting with a letter or digit: what may stand in a host name as a region. */
bool pq_aws_region_valid(const char *region, size_t length);
/* Which kind of endpoint of an API is wanted. */
typedef struct pq_aws_reach {
    bool fips, dual_stack;
} pq_aws_reach;

/* Host of ECR's API that serves this registry; of STS, of the SSO portal and of IAM Roles Anywhere in a region. Owned.
 */
char *pq_aws_ecr_api_host(const pq_aws_host *host, pq_aws_reach reach) PQ_MUST_USE;
char *pq_aws_sts_host(const char *region, pq_aws_reach reach) PQ_MUST_USE;
char *pq_aws_sso_host(const char *region, pq_aws_reach reach) PQ_MUST_USE;
char *pq_aws_roles_anywhere_host(const char *region, pq_aws_reach reach) PQ_MUST_USE;
