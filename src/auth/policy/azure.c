/* Azure Container Registry: a role assignment for a service principal or managed identity, a scope map for a token of
 * the registry. Which role counts depends on the registry's mode (Azure, "Microsoft Entra attribute-based access
 * control for repository permissions"). */
#include <string.h>

#include "auth/common/pair.h"
#include "auth/policy/device.h"

static char *key(const pq_policy_options *options, const pq_config_registry *entry, const char *host)
{
    (void)options;
    (void)entry;
    return pq_strdup(host);
}

/* 8-4-4-4-12, as Entra ID counts its applications. */
static bool is_application(const char *text)
{
    size_t i = 0;
    for (; text[i]; i++) {
        bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;
        if (hyphen ? text[i] != '-' : !strchr("0123456789abcdefABCDEF", text[i]))
            return false;
    }
    return i == 36;
}

/* The name before the colon of the secret; NULL when it cannot be had. Owned. */
static char *user_of(const pq_policy_ask *ask)
{
    PQ_AUTO_CREDENTIAL pair = {0};
    PQ_AUTO_ERRORS ignored = {0};
    return ask->secret && pq_pair_read(ask->secret, "", "", &pair, &ignored) ? pq_steal(pair.username) : NULL;
}

/* The registry's own name; with a domain name label, a hyphen and a hash follow it in the host. Owned. */
static char *registry_of(const char *host)
{
    return pq_strndup(host, strcspn(host, "-.:"));
}

static void add_condition(const pq_policy *policy, pq_buf *out)
{
    PQ_AUTO_BUF text = PQ_BUF(SIZE_MAX / 2);
    static const char prefix[] = "Microsoft.ContainerRegistry/registries/repositories";
    pq_buf_addf(&text, "((!(ActionMatches{'%s/content/read'}) AND !(ActionMatches{'%s/metadata/read'})) OR (", prefix,
                prefix);
    for (size_t i = 0; i < policy->repositories.count; i++) {
        const char *repository = pq_policy_repository(policy->repositories.at[i]);
        pq_buf_addf(&text, "%s@Request[%s:name] StringEqualsIgnoreCase '%s'", i ? " OR " : "", prefix, repository);
    }
    pq_buf_adds(&text, "))");
    pq_shell_add(out, pq_buf_text(&text));
}

static void add_role(pq_policy *policy, const char *registry, const char *assignee)
{
    PQ_AUTO_BUF command = PQ_BUF(SIZE_MAX / 2);
    bool all = pq_policy_is_all(policy->repositories.at[0]);
    pq_buf_addf(
        &command,
        "if [ \"$(az acr show --name %s --query roleAssignmentMode --output tsv)\" = AbacRepositoryPermissions ]\n"
        "then\n"
        "  az role assignment create --assignee %s --role 'Container Registry Repository Reader' \\\n"
        "    --scope \"$(az acr show --name %s --query id --output tsv)\"%s",
        registry, assignee, registry, all ? "" : " --condition-version 2.0 \\\n    --condition");
    if (!all)
        add_condition(policy, &command);
    pq_buf_addf(&command,
                "\nelse\n"
                "  az role assignment create --assignee %s --role AcrPull \\\n"
                "    --scope \"$(az acr show --name %s --query id --output tsv)\"\n"
                "fi",
                assignee, registry);
    pq_policy_add(policy,
                  "A registry in the mode \"RBAC Registry + ABAC Repository Permissions\" gives the role for single "
                  "repositories; an assignment of this role to this identity that is there already must be deleted "
                  "first. In the other mode AcrPull is the least there is, and it is for all repositories of the "
                  "registry.",
                  pq_buf_steal(&command), NULL);
    PQ_AUTO_FREE char *mode = pq_asprintf("az acr update --name %s --role-assignment-mode rbac-abac", registry);
    pq_policy_step *step = pq_policy_add(
        policy,
        "The mode is changed by this, after which AcrPull, AcrPush and AcrDelete count for nothing: see who "
        "has them first.",
        pq_steal(mode), NULL);
    step->by_hand = true;
}

static void add_scope_map(pq_policy *policy, const char *registry, const char *token)
{
    PQ_AUTO_BUF create = PQ_BUF(SIZE_MAX / 2), update = PQ_BUF(SIZE_MAX / 2);
    pq_buf_addf(&create, "az acr scope-map create --registry %s --name pratique-pull", registry);
    for (size_t i = 0; i < policy->repositories.count; i++) {
        const char *repository = pq_policy_repository(policy->repositories.at[i]);
        pq_buf_adds(&create, " --repository");
        pq_shell_add(&create, repository);
        pq_buf_adds(&create, " content/read");
    }
    pq_buf_addf(&update, "az acr token update --registry %s --name", registry);
    pq_shell_add(&update, token);
    pq_buf_adds(&update, " --scope-map pratique-pull");
    pq_policy_add(policy, "The identity is a token of the registry: a scope map says what it may do.",
                  pq_buf_steal(&create), NULL);
    pq_policy_add(policy, NULL, pq_buf_steal(&update), NULL);
}

static void add_cloud(pq_policy *policy)
{
    const char *host = policy->registries.at[0];
    const char *cloud = pq_ends_with(host, ".azurecr.cn")   ? "AzureChinaCloud"
                        : pq_ends_with(host, ".azurecr.us") ? "AzureUSGovernment"
                                                            : NULL;
    if (cloud)
        pq_policy_add(policy, "The registry is in a cloud of its own, which az must be told of before.",
                      pq_asprintf("az cloud set --name %s", cloud), NULL)
            ->by_hand = true;
}

static void make(const pq_policy_ask *ask, pq_policy *policy, pq_errors *errors)
{
    (void)errors;
    PQ_AUTO_FREE char *user = user_of(ask);
    PQ_AUTO_FREE char *registry = registry_of(policy->registries.at[0]);
    PQ_AUTO_FREE char *wanted =
        pq_shell_wanted(ask->entry, "AZURE_PRINCIPAL",
                        "the application id of the service principal, or the object id of the managed identity");
    const char *client = ask->entry->azure_client_id.text;
    policy->identity = pq_policy_identity(ask->entry);
    add_cloud(policy);
    if (ask->entry->auth == PQ_AUTH_ENTRA)
        pq_policy_device_entra(ask, policy);
    if (!client && user && !is_application(user))
        add_scope_map(policy, registry, user);
    else
        add_role(policy, registry, client ? client : user ? user : wanted);
}

const pq_policy_kind pq_policy_kind_azure = {.type = PQ_REGISTRY_AZURE, .key = key, .make = make};
