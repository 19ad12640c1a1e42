/* A device gateway: what whoever runs it must see to. There is no cloud to give rights. */
#include "auth/policy/kind.h"

static char *key(const pq_policy_options *options, const pq_config_registry *entry, const char *host)
{
    (void)options;
    (void)entry;
    return pq_strdup(host);
}

static void make(const pq_policy_ask *ask, pq_policy *policy, pq_errors *errors)
{
    (void)errors;
    const char *gateway = ask->entry->gateway.text;
    policy->identity = pq_policy_identity(ask->entry);
    PQ_AUTO_FREE char *server = pq_asprintf(
        "The gateway at %s asks for a client certificate, takes those that the CA of the devices has certified and "
        "that "
        "are not revoked, and shows a certificate of its own that devices trust (`identity.ca` in device.yml, else the "
        "system's CAs).",
        gateway);
    PQ_AUTO_FREE char *answer = pq_asprintf(
        "GET %s/hub-creds/ answers 200 with a JSON object, {\"Username\": ..., \"Secret\": ...}: a credential for %s "
        "that "
        "may pull what this device runs and do no more, and that ends soon. 403 for a device that is shut out.",
        gateway, policy->registries.at[0]);
    pq_policy_add(policy, server, NULL, NULL);
    pq_policy_add(policy, answer, NULL, NULL);
}

const pq_policy_kind pq_policy_kind_gateway = {.type = PQ_REGISTRY_GATEWAY, .key = key, .make = make};
