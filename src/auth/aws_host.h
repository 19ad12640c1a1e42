/* The names of Amazon's registries and of the API beside them, in every partition of AWS.
 *
 * Facts: botocore's partitions.json and ECR's endpoint-rule-set-1.json; Amazon's own credential helper for the registry
 * names. Pure: no I/O. */
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
} pq_aws_host;

#define PQ_AUTO_AWS_HOST PQ_CLEANUP(pq_aws_host_clear) pq_aws_host

/* Takes a registry host without a port, in lower case, apart: all of it, anchored at both ends. PQ_ECONFIG with what is
 * wrong for anything else, public.ecr.aws and a region under another partition's suffix included. */
bool pq_aws_host_parse(const char *host, pq_aws_host *out, pq_error *err) PQ_MUST_USE;
void pq_aws_host_clear(pq_aws_host *host);
/* The partition of a region; one of an unknown form belongs to "aws", as botocore has it. */
const pq_aws_partition *pq_aws_partition_of(const char *region);
/* Letters, digits, '-' and '_', starting with a letter or digit: what may stand in a host name as a region. */
bool pq_aws_region_valid(const char *region, size_t length);
/* Host of ECR's API that serves this registry. Owned. */
char *pq_aws_ecr_api_host(const pq_aws_host *host) PQ_MUST_USE;
