#include "config/model.h"

#include <string.h>

#include "config/host.h"

void pq_setting_clear(pq_setting *setting)
{
    free(setting->text);
    *setting = (pq_setting){0};
}

static void registry_clear(pq_config_registry *registry)
{
    pq_setting *const settings[] = {
        &registry->host,
        &registry->secret,
        &registry->region,
        &registry->profile,
        &registry->role_arn,
        &registry->external_id,
        &registry->azure_tenant,
        &registry->azure_client_id,
        &registry->azure_cert_secret,
        &registry->oidc_audience,
        &registry->oidc_token_env,
        &registry->oidc_token_file,
        &registry->iot_endpoint,
        &registry->iot_role_alias,
        &registry->iot_thing_name,
        &registry->profile_arn,
        &registry->trust_anchor_arn,
        &registry->anywhere_role_arn,
        &registry->audience,
        &registry->gateway,
        &registry->credentials_file,
        &registry->role_session_name,
        &registry->service_account,
        &registry->workload_identity_provider,
    };
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        pq_setting_clear(settings[i]);
    *registry = (pq_config_registry){0};
}

void pq_config_clear(pq_config *config)
{
    for (size_t i = 0; i < config->registry_count; i++)
        registry_clear(&config->registries[i]);
    free(config->registries);
    pq_setting_clear(&config->hub.host);
    pq_setting_clear(&config->hub.factory);
    pq_setting_clear(&config->hub.secret);
    pq_setting_clear(&config->targets_expire_after);
    pq_strings_clear(&config->machines);
    pq_strings_clear(&config->platforms);
    pq_setting_clear(&config->device.certificate);
    pq_setting_clear(&config->device.key);
    pq_setting_clear(&config->device.ca);
    free(config->name);
    *config = (pq_config){0};
}

bool pq_config_secret_name_valid(const char *name)
{
    size_t length = strlen(name);
    if (length == 0 || length > 128 || *name == '.' || *name == '-')
        return false;
    for (; *name; name++)
        if (!pq_ascii_alnum(*name) && !strchr("_-.", *name))
            return false;
    return true;
}

/* --- looking things up -------------------------------------------------------------------------------------------- */

const pq_config_registry *pq_config_registry_for_host(const pq_config *config, const char *host)
{
    PQ_AUTO_FREE char *normal = pq_host_asked(host);
    if (!normal)
        return NULL;
    const pq_config_registry *google = NULL;
    for (size_t i = 0; i < config->registry_count; i++) {
        const pq_config_registry *registry = &config->registries[i];
        if (pq_streq(registry->host.text, normal))
            return registry;
        if (registry->type == PQ_REGISTRY_GAR && !registry->host.text)
            google = registry;
    }
    return google && pq_google_host(normal) ? google : NULL;
}

char *pq_config_where(const pq_config *config, unsigned line)
{
    return line ? pq_asprintf("%s:%u", config->name, line) : pq_strdup(config->name);
}
