/* Any bytes as factory-config.yml: either errors or a configuration that keeps its promises. */
#include <stdlib.h>
#include <string.h>

#include "../fyaml_leaks.h"
#include "base/clock.h"
#include "base/log.h"
#include "config/config.h"
#include "config/host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void check_registry(const pq_config *config, const pq_config_registry *registry)
{
    must(registry->line > 0 && registry->number > 0);
    if (registry->host.text) {
        PQ_AUTO_FREE char *normal = pq_host_normal(registry->host.text);
        must(pq_streq(normal, registry->host.text));
        must(pq_config_registry_for_host(config, normal) == registry);
    } else {
        must(registry->type == PQ_REGISTRY_GAR);
        must(pq_config_registry_for_host(config, "some-docker.pkg.dev") == registry ||
             pq_config_registry_for_host(config, "some-docker.pkg.dev")->host.text);
    }
    must(registry->type != PQ_REGISTRY_AWS || registry->region.text);
    if (registry->secret.text)
        must(registry->auth == PQ_AUTH_SECRET && pq_config_secret_name_valid(registry->secret.text));
    else
        must(registry->auth != PQ_AUTH_SECRET || registry->azure_cert_secret.text);
    must(registry->auth != PQ_AUTH_OIDC || registry->type != PQ_REGISTRY_AWS || registry->role_arn.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pq_log_setup(PQ_QUIET, false);
    PQ_AUTO_ERRORS errs = {0};
    PQ_AUTO_CONFIG config = {0};
    bool good = pq_config_parse(data, size, "f.yml", &config, &errs);
    must(good == (errs.count == 0));
    for (size_t i = 0; i < errs.count; i++)
        must(errs.at[i].where && pq_starts_with(errs.at[i].where, "f.yml") && pq_code_status(errs.at[i].code) == 2);
    if (!good)
        return 0;
    for (size_t i = 0; i < config.registry_count; i++)
        check_registry(&config, &config.registries[i]);
    must(config.hub.line == 0 || (config.hub.host.text && config.hub.factory.text));
    time_t then;
    must(pq_time_add_period(1700000000, config.targets_expire_after.text, &then));
    return 0;
}
