/* IAM Roles Anywhere: a role's session for whoever signs with the key of a certificate that a trust anchor vouches for.
 *
 *     POST https://rolesanywhere.REGION.DNS/sessions?profileArn=…&roleArn=…&trustAnchorArn=…
 *
 * (IAM Roles Anywhere user guide, "The signing process for IAM Roles Anywhere" and CreateSession.) The region is the
 * trust anchor's, which may be another than the registry's. How long the session lasts is the profile's to say. One
 * account may make ten sessions a second in a region: more are PQ_EBUSY. */
#pragma once

#include "auth/aws/call.h"
#include "auth/aws/host.h"
#include "auth/aws/plan.h"

/* Borrowed texts. */
typedef struct pq_aws_roles_anywhere {
    const char *role_arn, *profile_arn, *trust_anchor_arn;
    const char *where; /* what says so: "device.yml:7" */
} pq_aws_roles_anywhere;

/* The step of a plan. PQ_ECONFIG, and NULL, when the three ARNs cannot belong together, and for a chain that is too
 * long. The identity is borrowed. Owned. */
pq_aws_step *pq_aws_roles_anywhere_plan(const pq_aws_roles_anywhere *anywhere, const pq_identity *identity,
                                        pq_errors *errors) PQ_MUST_USE;
/* `endpoint` is a URL in place of the region's own (AWS_ENDPOINT_URL_ROLESANYWHERE), or NULL. `*out_arn` is who that is
 * when AWS says so, else NULL (owned). PQ_EDENIED for what only another certificate or somebody at AWS will mend. */
bool pq_aws_roles_anywhere_keys(const pq_aws_step *step, const pq_aws_caller *caller, pq_aws_reach reach,
                                const char *endpoint, pq_aws_keys *out, char **out_arn, pq_error *err) PQ_MUST_USE;
