/* Host names of registries, and what the names of Amazon's tell. */
#pragma once

#include "base/error.h"

/* `host[:port]` as registries are compared: lower case, `:443` dropped. Owned; NULL when the text is not such a name.
 * A name without a dot needs a port or must be `localhost`, or else docker reads it as the first part of a repository
 * (distribution/reference). IPv6 addresses stand in brackets. */
char *pq_host_normal(const char *text) PQ_MUST_USE;
/* The same, and Docker Hub by the one name that it has in image references, docker.io, whichever of its servers
 * (index.docker.io, registry-1.docker.io) was meant. */
char *pq_host_asked(const char *text) PQ_MUST_USE;
/* The same again, but with a reason (borrowed, "… has a scheme") and, where it can be guessed, the right form (owned,
 * else NULL) when it is not such a name. What stands before an `@` is never in it. */
bool pq_host_parse(const char *text, char **out, const char **reason, char **right_form) PQ_MUST_USE;

/* A private registry of Amazon ECR. */
typedef struct pq_ecr_host {
    char account[13];
    char *region;       /* owned */
    const char *suffix; /* "amazonaws.com", "on.aws", … */
    bool fips;          /* the name has `ecr-fips` */
    bool dual_stack;    /* the name ends in `on.…` */
} pq_ecr_host;

#define PQ_AUTO_ECR_HOST PQ_CLEANUP(pq_ecr_host_clear) pq_ecr_host

/* Reads a normal host name by the anchored pattern of amazon-ecr-credential-helper (ecr-login, api/client.go): 12
 * digits, `.dkr`, `.` or `-`, `ecr` or `ecr-fips`, region, one of Amazon's suffixes. */
bool pq_ecr_host_parse(const char *host, pq_ecr_host *out) PQ_MUST_USE;
void pq_ecr_host_clear(pq_ecr_host *host);
/* The suffix under which registries of a region live, by the partitions of botocore (data/partitions.json). */
const char *pq_ecr_suffix(const char *region, bool dual_stack);

/* A registry of Google's: `LOCATION-docker.pkg.dev`, `docker.LOCATION.rep.pkg.dev`, `gcr.io`, `NAME.gcr.io`. Reads a
 * normal host name, anchored at both ends and without a port: what this says yes to is given an access token of Google
 * Cloud, which opens more than one registry. */
bool pq_google_host(const char *host);

/* The clouds of Azure, each with login service and registries of its own. */
typedef enum pq_azure_cloud { PQ_AZURE_PUBLIC, PQ_AZURE_US_GOVERNMENT, PQ_AZURE_CHINA } pq_azure_cloud;

/* Reads a normal host name as a registry of Azure: anchored at both ends, without a port, because what this says yes to
 * is given a token of Entra ID (advisory GO-2026-6225 tells of a match that was not anchored). NAME.azurecr.io,
 * NAME-HASH.azurecr.io (domain name labels) and NAME.REGION.geo.azurecr.io (regional endpoints), and the same below
 * azurecr.us and azurecr.cn. Not NAME.REGION.data.azurecr.io, where only layers are. */
bool pq_acr_host_parse(const char *host, pq_azure_cloud *out) PQ_MUST_USE;
