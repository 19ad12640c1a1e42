/* pratique config check: everything that can be known offline. */
#include "base/file.h"
#include "cmd/commands.h"
#include "cmd/device_report.h"
#include "config/device.h"

static void print_entry(pq_cli *cli, json_t *list, const pq_config_registry *entry)
{
    const char *host = entry->host.text ? entry->host.text : "(every host of Google's)";
    const char *from = entry->auth == PQ_AUTH_OIDC          ? "the CI's OIDC token"
                       : entry->auth == PQ_AUTH_ENVIRONMENT ? "the environment"
                                                            : entry->secret.text;
    pq_print(cli, "%-8s %-52s %s\n", pq_registry_type_name(entry->type), host, from ? from : "-");
    json_t *item = json_object();
    pq_json_set(item, "registry", pq_json_text(entry->host.text));
    pq_json_set(item, "type", pq_json_text(pq_registry_type_name(entry->type)));
    pq_json_set(item, "region", pq_json_text(entry->region.text));
    pq_json_set(item, "secret", pq_json_text(entry->secret.text));
    pq_json_set(item, "line", json_integer((json_int_t)entry->line));
    pq_json_append(list, item);
}

static void print_hub(pq_cli *cli, const pq_session *session)
{
    const pq_config *config = &session->config;
    if (!config->hub.line)
        return;
    const char *secret = config->hub.secret.text ? config->hub.secret.text : "hub_creds or osftok";
    PQ_AUTO_FREE char *place = pq_asprintf("%s/%s", config->hub.host.text, config->hub.factory.text);
    pq_print(cli, "%-8s %-52s %s\n", "hub", place, secret);
}

static void check_factory(pq_cli *cli, pq_session *session)
{
    json_t *list = json_array();
    for (size_t i = 0; i < session->config.registry_count; i++)
        print_entry(cli, list, &session->config.registries[i]);
    print_hub(cli, session);
    if (cli->json)
        pq_json_set(cli->document, "registries", list);
    else
        json_decref(list);
    if (!session->config.registry_count && !session->config.hub.line)
        pq_note("the configuration is good, but names no registry and no hub (a device.yml is named with "
                "--device-config)");
    pq_auth_options options = {.config = &session->config, .secrets = session->secrets};
    PQ_AUTO_AUTH *auth = pq_auth_new(&options);
    if (pq_auth_check(auth, &cli->errors) && (session->config.registry_count || session->config.hub.line))
        pq_print(cli, "the configuration is good, and every secret that it names is there\n");
}

static void check_device(pq_cli *cli, pq_session *session)
{
    PQ_AUTO_DEVICE_FACTS facts = {0};
    bool good = pq_device_report_check(cli, session, &facts);
    pq_device_report(cli, session, &facts);
    if (!session->config.registry_count)
        pq_note("the configuration is good, but names no registry");
    else if (good)
        pq_print(cli, "the configuration is good, and so is what it names\n");
}

/* On a device there is no factory-config.yml to be found, but a device.yml in its usual place. */
static bool read_any(pq_cli *cli, pq_session *session)
{
    bool named = cli->config_option || cli->device_option || pq_getenv("PRATIQUE_CONFIG");
    bool may_be_device = !named && pq_path_exists(PQ_DEVICE_CONFIG);
    if (!pq_session_read_config(session, cli, NULL, !may_be_device)) {
        if (!named && !session->config_path && !session->config_skipped && cli->errors.count == 1) {
            free(cli->errors.at[0].hint);
            cli->errors.at[0].hint =
                pq_strdup("name it with --config FILE or $PRATIQUE_CONFIG; on a device, write " PQ_DEVICE_CONFIG
                          " or name one with --device-config FILE");
        }
        return false;
    }
    if (session->config_path)
        return true;
    pq_note("using %s", PQ_DEVICE_CONFIG);
    return pq_session_read_device(session, cli, NULL);
}

static void config_check(pq_cli *cli, const pq_arguments *arguments)
{
    (void)arguments;
    PQ_AUTO_SESSION session = {0};
    if (cli->json)
        pq_json_set(cli->document, "config", json_null());
    bool read = read_any(cli, &session);
    if (cli->json)
        pq_json_set(cli->document, "config", pq_json_text(session.config_path));
    if (!read || !pq_session_open_secrets(&session, cli))
        return;
    if (session.config.device.is_device)
        check_device(cli, &session);
    else
        check_factory(cli, &session);
}

const pq_command pq_cmd_config_check = {
    .name = "config check",
    .synopsis = "",
    .summary = "the configuration and the secrets it names, offline",
    .description =
        "Reads factory-config.yml and looks up every secret that it names. All problems are reported, each "
        "with its line. Nothing is sent anywhere: `pratique check` logs in.\n\n"
        "On a device it reads " PQ_DEVICE_CONFIG " (where no factory-config.yml is found, or with "
        "--device-config), and looks at the certificate, the key and the other files that it names: are they "
        "there, do they belong together, are they in date, and are the secret ones closed to "
        "others? `pratique device setup` also judges owners, groups and folders; `pratique device check` goes over "
        "the network.",
    .examples = "$ pratique config check\n"
                "$ pratique --config ci-scripts/factory-config.yml config check --json\n"
                "$ pratique --device-config device.yml config check",
    .least = 0,
    .most = 0,
    .run = config_check,
};
