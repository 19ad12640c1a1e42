/* What a device's certificate needs on the side of the clouds, beside the rights to pull: who trusts it, and for what.
 *
 * Facts: AWS IoT Core, "Authorizing direct calls to AWS services using AWS IoT Core credential provider" (the role's
 * trust, iot:AssumeRoleWithCertificate on the ARN of the alias), "Cross-service confused deputy prevention"
 * (aws:SourceArn and aws:SourceAccount in the trust of roles that AWS IoT assumes), "Thing policy variables"
 * (iot:Connection.Thing.IsAttached; the other variables of things are there for MQTT only); IAM Roles Anywhere, "The
 * IAM Roles Anywhere trust model" (three actions, aws:PrincipalTag/x509Subject/CN, aws:SourceArn); Azure CLI, `az ad
 * app credential reset`; Google, "Configure Workload Identity Federation with X.509 certificates". For the policies of
 * this folder. */
#pragma once

#include "auth/policy/kind.h"

/* The role that devices come to. */
typedef struct pq_policy_role {
    char *name, *arn; /* owned */
    char account[13];
} pq_policy_role;

/* True for entries whose identity is the device's certificate, at AWS. */
bool pq_policy_is_of_device(const pq_config_registry *entry);
/* Decides which pull policies are one: those of one role. Owned. */
char *pq_policy_device_key(const pq_policy_options *options, const pq_config_registry *entry) PQ_MUST_USE;

void pq_policy_device_role(const pq_policy_ask *ask, const pq_policy *policy, pq_policy_role *out);
void pq_policy_role_clear(pq_policy_role *role);
/* The steps before the role has its rights, and after it. */
void pq_policy_device_before(const pq_policy_ask *ask, pq_policy *policy, const pq_policy_role *role);
void pq_policy_device_after(const pq_policy_ask *ask, pq_policy *policy, const pq_policy_role *role, pq_errors *errors);
/* Azure: the application and the certificates that it knows. */
void pq_policy_device_entra(const pq_policy_ask *ask, pq_policy *policy);
/* Google: pool, provider, and for an entry with a service account who may act as it. `pool` is
 * projects/N/locations/global/workloadIdentityPools/POOL. */
void pq_policy_device_federation(const pq_policy_ask *ask, pq_policy *policy, const char *pool);
/* Who a device is for Google, one for each device, as words of a shell that begin with principal:// in quotes. */
void pq_policy_device_principals(const pq_policy_ask *ask, const char *pool, pq_strings *out);
