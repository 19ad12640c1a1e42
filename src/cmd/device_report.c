#include "cmd/device_report.h"

#include "config/device.h"

bool pq_device_report_check(pq_cli *cli, const pq_session *session, pq_device_facts *out)
{
    pq_auth_options options = {.config = &session->config, .secrets = session->secrets};
    PQ_AUTO_AUTH *auth = pq_auth_new(&options);
    return pq_device_check(auth, &session->config, out, &cli->errors);
}

char *pq_device_way_words(const pq_config_registry *entry, const pq_device_facts *facts)
{
    const char *way = pq_config_device_way(entry->auth);
    const char *thing = entry->iot_thing_name.text ? entry->iot_thing_name.text : facts->name;
    switch (entry->auth) {
    case PQ_AUTH_IOT:
        return pq_asprintf("%s: role alias %s, thing %s", way, entry->iot_role_alias.text,
                           thing && *thing ? thing : "-");
    case PQ_AUTH_ROLES_ANYWHERE:
        return pq_asprintf("%s: %s", way, entry->anywhere_role_arn.text);
    case PQ_AUTH_ENTRA:
        return pq_asprintf("%s: application %s", way, entry->azure_client_id.text);
    case PQ_AUTH_FEDERATION:
        return entry->service_account.text ? pq_asprintf("%s: as %s", way, entry->service_account.text)
                                           : pq_asprintf("%s: %s", way, entry->audience.text);
    case PQ_AUTH_GATEWAY:
        return pq_asprintf("%s: %s", way, entry->gateway.text);
    case PQ_AUTH_FILE:
        return pq_asprintf("%s: %s, while bootstrapping only", way, entry->credentials_file.text);
    case PQ_AUTH_SECRET:
    case PQ_AUTH_OIDC:
    case PQ_AUTH_ENVIRONMENT:
        break; /* of no device.yml */
    }
    return pq_strdup("-");
}

static void print_identity(pq_cli *cli, const pq_session *session, const pq_device_facts *facts)
{
    const pq_config *config = &session->config;
    if (!config->device.line)
        return;
    char begins[PQ_TIME_TEXT] = "", ends[PQ_TIME_TEXT] = "";
    if (facts->name) {
        pq_time_text(facts->begins, begins);
        pq_time_text(facts->ends, ends);
        pq_print(cli, "%-8s ", "device");
        pq_print_text(cli, *facts->name ? facts->name : "(no common name)");
        pq_print(cli, ", %s, until %s%s\n", facts->key_words, ends, facts->ends_soon ? " (soon)" : "");
    }
    pq_print(cli, "%-8s %s\n", "key", facts->key_in_token ? "in a token, where it stays" : config->device.key.text);
    if (!cli->json)
        return;
    json_t *device = json_object();
    pq_json_set(device, "name", pq_json_text(facts->name));
    pq_json_set(device, "certificate", pq_json_text(config->device.certificate.text));
    pq_json_set(device, "begins", pq_json_time(facts->begins));
    pq_json_set(device, "ends", pq_json_time(facts->ends));
    pq_json_set(device, "key", pq_json_text(config->device.key.text));
    pq_json_set(device, "key_type", pq_json_text(facts->key_words));
    pq_json_set(device, "key_in_token", json_boolean(facts->key_in_token));
    pq_json_set(device, "ca", pq_json_text(config->device.ca.text));
    pq_json_set(device, "good", json_boolean(facts->good));
    pq_json_set(cli->document, "device", device);
}

void pq_device_report(pq_cli *cli, const pq_session *session, const pq_device_facts *facts)
{
    const pq_config *config = &session->config;
    json_t *list = json_array();
    if (cli->json)
        pq_json_set(cli->document, "device", json_null());
    print_identity(cli, session, facts);
    for (size_t i = 0; i < config->registry_count; i++) {
        const pq_config_registry *entry = &config->registries[i];
        PQ_AUTO_FREE char *words = pq_device_way_words(entry, facts);
        const char *host = entry->host.text ? entry->host.text : "(every host of Google's)";
        pq_print(cli, "%-8s %-52s ", pq_registry_type_name(entry->type), host);
        pq_print_text(cli, words);
        pq_print(cli, "\n");
        json_t *item = json_object();
        pq_json_set(item, "registry", pq_json_text(entry->host.text));
        pq_json_set(item, "type", pq_json_text(pq_registry_type_name(entry->type)));
        pq_json_set(item, "region", pq_json_text(entry->region.text));
        pq_json_set(item, "secret", json_null());
        pq_json_set(item, "way", pq_json_text(pq_config_device_way(entry->auth)));
        pq_json_set(item, "line", json_integer((json_int_t)entry->line));
        pq_json_append(list, item);
    }
    if (cli->json)
        pq_json_set(cli->document, "registries", list);
    else
        json_decref(list);
}
