/* Any bytes as device.yml: either errors or a configuration that keeps its promises. */
#include <stdlib.h>
#include <string.h>

#include "../fyaml_leaks.h"
#include "base/log.h"
#include "config/config.h"
#include "config/device.h"
#include "config/host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static bool is_place(const pq_setting *setting)
{
    return setting->text && setting->line && (*setting->text == '/' || strncasecmp(setting->text, "pkcs11:", 7) == 0);
}

/* What a way needs is there, and what belongs to another is not. */
static void check_way(const pq_config_registry *entry)
{
    must(pq_config_device_way(entry->auth) && entry->auth_line > 0);
    must((entry->auth == PQ_AUTH_IOT) == (entry->iot_endpoint.text && entry->iot_role_alias.text));
    must((entry->auth == PQ_AUTH_ROLES_ANYWHERE) == (entry->profile_arn.text != NULL));
    must(entry->auth != PQ_AUTH_ROLES_ANYWHERE ||
         (entry->trust_anchor_arn.text && pq_config_role_valid(entry->anywhere_role_arn.text)));
    must((entry->auth == PQ_AUTH_ENTRA) == (entry->azure_tenant.text && entry->azure_client_id.text));
    must((entry->auth == PQ_AUTH_FEDERATION) == (entry->audience.text != NULL));
    must((entry->auth == PQ_AUTH_GATEWAY) == (entry->type == PQ_REGISTRY_GATEWAY));
    must(entry->type != PQ_REGISTRY_GATEWAY || pq_starts_with(entry->gateway.text, "https://"));
    must((entry->auth == PQ_AUTH_FILE) == (entry->credentials_file.text != NULL));
    must(entry->auth != PQ_AUTH_FILE || *entry->credentials_file.text == '/');
    must(!entry->secret.text && !entry->azure_cert_secret.text && !entry->role_arn.text);
}

static void check_registry(const pq_config *config, const pq_config_registry *entry)
{
    must(entry->line > 0 && entry->number > 0);
    check_way(entry);
    if (!entry->host.text) {
        must(entry->type == PQ_REGISTRY_GAR);
        return;
    }
    PQ_AUTO_FREE char *normal = pq_host_normal(entry->host.text);
    must(pq_streq(normal, entry->host.text));
    must(pq_config_registry_for_host(config, normal) == entry);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pq_log_setup(PQ_QUIET, false);
    PQ_AUTO_ERRORS errs = {0};
    PQ_AUTO_CONFIG config = {0};
    bool good = pq_config_parse_device(data, size, "d.yml", &config, &errs);
    must(good == (errs.count == 0));
    for (size_t i = 0; i < errs.count; i++)
        must(errs.at[i].where && pq_starts_with(errs.at[i].where, "d.yml") && pq_code_status(errs.at[i].code) == 2);
    if (!good)
        return 0;
    bool needs_identity = false;
    for (size_t i = 0; i < config.registry_count; i++) {
        check_registry(&config, &config.registries[i]);
        needs_identity = needs_identity || config.registries[i].auth != PQ_AUTH_FILE;
    }
    must(config.device.is_device && (config.device.line || !needs_identity));
    must(!config.device.line || (is_place(&config.device.certificate) && is_place(&config.device.key)));
    must(!config.device.ca.text || *config.device.ca.text == '/');
    must(!config.hub.line && !config.machines.count);
    return 0;
}
