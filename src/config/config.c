#include "config/config.h"

#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "config/host.h"
#include "config/parts.h"

void pq_setting_clear(pq_setting *setting)
{
    free(setting->text);
    *setting = (pq_setting){0};
}

void pq_config_clear(pq_config *config)
{
    for (size_t i = 0; i < config->registry_count; i++)
        pq_config_clear_registry(&config->registries[i]);
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

const char *pq_config_check_secret_name(const char *text)
{
    return pq_config_secret_name_valid(text) ? NULL : "the name of a secret: letters, digits, _ - . and no path";
}

static bool has_control(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return true;
    return false;
}

bool pq_config_text(pq_report *report, const pq_yaml_entry *entry, const char *key, pq_text_check *check,
                    pq_setting *out)
{
    pq_yaml_node node = entry->value;
    switch (pq_yaml_type_of(node)) {
    case PQ_YAML_IS_NULL:
        return pq_report_at(report, node, "give it a value or remove it", "`%s` has no value", key);
    case PQ_YAML_IS_NOT_SCALAR:
        return pq_report_at(report, node, NULL, "`%s` must be a text, but this is %s", key, pq_yaml_kind_words(node));
    case PQ_YAML_IS_BOOL:
    case PQ_YAML_IS_NUMBER:
        return pq_report_at(report, node, "if it is meant, put it in quotes", "`%s` must be a text, but this is %s",
                            key, pq_yaml_kind_words(node));
    case PQ_YAML_IS_TEXT:
        break;
    }
    const char *text = pq_yaml_text(node);
    if (!*text)
        return pq_report_at(report, node, "give it a value or remove it", "`%s` has no value", key);
    if (has_control(text))
        return pq_report_at(report, node, NULL, "`%s` must be one line without control characters", key);
    const char *wanted = check ? check(text) : NULL;
    if (wanted)
        return pq_report_at(report, node, NULL, "`%s` must be %s", key, wanted);
    pq_setting_clear(out);
    *out = (pq_setting){.text = pq_strdup(text), .line = pq_yaml_span_of(node).line};
    return true;
}

/* --- sections ------------------------------------------------------------------------------------------------------
 */

/* The mapping of a section, or absent when there is none; `lmp:` with nothing below is as if it were not there. */
static pq_yaml_node section(pq_report *report, pq_yaml_node root, const char *name)
{
    pq_yaml_node node = pq_yaml_get(root, name);
    pq_yaml_kind kind = pq_yaml_kind_of(node);
    if (kind == PQ_YAML_MAPPING)
        return node;
    if (kind != PQ_YAML_ABSENT && kind != PQ_YAML_NULL)
        (void)pq_report_at(report, node, NULL, "`%s` must be a mapping, but this is %s", name,
                           pq_yaml_kind_words(node));
    return PQ_YAML_NONE;
}

static bool refuse_unknown(pq_report *report, pq_yaml_node node, const char *const *known, size_t count)
{
    pq_yaml_entry entry;
    bool good = true;
    for (size_t i = 0; pq_yaml_entry_at(node, i, &entry); i++) {
        const char *name = pq_yaml_text(entry.key);
        bool found = false;
        for (size_t j = 0; j < count; j++)
            found = found || pq_streq(name, known[j]);
        if (found)
            continue;
        PQ_AUTO_FREE char *hint = pq_report_known(name, known, count);
        good = pq_report_at(report, entry.key, hint, "unknown key");
    }
    return good;
}

/* A factory is one component of a repository's path (distribution/reference). */
static bool valid_factory(const char *name)
{
    size_t length = strlen(name);
    if (length == 0 || length > 128 || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") != length)
        return false;
    return !strchr("._-", name[0]) && !strchr("._-", name[length - 1]);
}

static void read_hub_url(pq_report *report, const pq_yaml_entry *entry, pq_config *out)
{
    pq_setting url = {0};
    if (!pq_config_text(report, entry, "url", NULL, &url))
        return;
    PQ_AUTO_FREE char *text = url.text;
    PQ_AUTO_FREE char *right_host = NULL;
    const char *scheme = strstr(text, "://"), *from = scheme ? scheme + 3 : text, *reason;
    const char *slash = strchr(from, '/');
    PQ_AUTO_FREE char *host = pq_strndup(from, slash ? (size_t)(slash - from) : strlen(from));
    PQ_AUTO_FREE char *factory = pq_strdup(slash ? slash + 1 : "");
    size_t length = strlen(factory);
    bool final_slash = length && factory[length - 1] == '/';
    if (final_slash)
        factory[length - 1] = '\0';
    PQ_AUTO_FREE char *normal = NULL;
    bool good_host = pq_host_parse(host, &normal, &reason, &right_host), good_factory = valid_factory(factory);
    if (good_host && good_factory && !scheme && !final_slash) {
        out->hub.host = (pq_setting){.text = pq_steal(normal), .line = url.line};
        out->hub.factory = (pq_setting){.text = pq_steal(factory), .line = url.line};
        return;
    }
    const char *shown = good_host ? normal : right_host;
    PQ_AUTO_FREE char *hint = shown && good_factory ? pq_asprintf("write `url: %s/%s`", shown, factory)
                                                    : pq_strdup("write `url: hub.example.com/acme`");
    if (scheme)
        (void)pq_report_at(report, entry->value, hint, "`url` has a scheme");
    else if (!slash || !*factory)
        (void)pq_report_at(report, entry->value, hint, "`url` has no factory: it must be host/factory");
    else if (!good_host)
        (void)pq_report_at(report, entry->value, hint, "the host of `url` %s", reason);
    else if (!good_factory)
        (void)pq_report_at(report, entry->value, hint,
                           "the factory of `url` must be one name of lower-case letters, digits and . _ -");
    else
        (void)pq_report_at(report, entry->value, hint, "`url` ends in a slash");
}

static void read_hub(pq_report *report, pq_yaml_node root, pq_config *out)
{
    static const char *const known[] = {"url", "hub_secret_name"};
    pq_yaml_node hub = section(report, root, "hub");
    if (pq_yaml_kind_of(hub) == PQ_YAML_ABSENT)
        return;
    report->prefix = "hub";
    out->hub.line = pq_yaml_span_of(hub).line;
    bool all_known = refuse_unknown(report, hub, known, sizeof known / sizeof *known);
    pq_yaml_entry entry;
    if (pq_yaml_find(hub, "url", &entry))
        read_hub_url(report, &entry, out);
    else if (all_known)
        (void)pq_report_at(report, hub, "add `url: host/factory`", "`url` is missing");
    if (pq_yaml_find(hub, "hub_secret_name", &entry))
        (void)pq_config_text(report, &entry, "hub_secret_name", pq_config_check_secret_name, &out->hub.secret);
    report->prefix = NULL;
}

static const char *check_period(const char *text)
{
    const time_t some_day = 1700000000;
    time_t then;
    return pq_time_add_period(some_day, text, &then) && then > some_day
               ? NULL
               : "a period such as 1Y, 6M, 90D or 1Y3M5D (years, months, days)";
}

static void read_tuf(pq_report *report, pq_yaml_node root, pq_config *out)
{
    static const char *const known[] = {"targets_expire_after"};
    pq_yaml_node tuf = section(report, root, "tuf");
    report->prefix = "tuf";
    (void)refuse_unknown(report, tuf, known, sizeof known / sizeof *known);
    pq_yaml_entry entry;
    if (pq_yaml_find(tuf, "targets_expire_after", &entry))
        (void)pq_config_text(report, &entry, "targets_expire_after", check_period, &out->targets_expire_after);
    if (!out->targets_expire_after.text)
        out->targets_expire_after.text = pq_strdup("1Y");
    report->prefix = NULL;
}

static const char *check_machine(const char *text)
{
    for (const char *at = text; *at; at++)
        if (!pq_ascii_alnum(*at) && !strchr("._-+", *at))
            return "names of letters, digits and . _ - +";
    return NULL;
}

static const char *check_platform(const char *text)
{
    bool good = pq_streq(text, "arm") || pq_streq(text, "arm64") || pq_streq(text, "amd64");
    return good ? NULL : "arm, arm64 or amd64";
}

/* A list of texts without repetitions. */
static void read_list(pq_report *report, pq_yaml_node parent, const char *key, pq_text_check *check, pq_strings *out,
                      unsigned *line)
{
    enum { MAX_LIST = 1000 };
    pq_yaml_node list = pq_yaml_get(parent, key);
    pq_yaml_kind kind = pq_yaml_kind_of(list);
    if (kind == PQ_YAML_ABSENT || kind == PQ_YAML_NULL)
        return;
    *line = pq_yaml_span_of(list).line;
    if (kind != PQ_YAML_SEQUENCE || pq_yaml_size(list) > MAX_LIST) {
        (void)pq_report_at(report, list, "write `[a, b]`, or each on a line of its own after `- `",
                           kind == PQ_YAML_SEQUENCE ? "`%s` is too long" : "`%s` must be a list, but this is %s", key,
                           pq_yaml_kind_words(list));
        return;
    }
    for (size_t i = 0; i < pq_yaml_size(list); i++) {
        pq_yaml_entry entry = {.value = pq_yaml_at(list, i)};
        pq_setting item = {0};
        if (pq_config_text(report, &entry, key, check, &item) && !pq_strings_add_once(out, item.text))
            (void)pq_report_at(report, entry.value, "remove one of them", "`%s` has this twice", key);
        pq_setting_clear(&item);
    }
}

static void read_containers(pq_report *report, pq_yaml_node root, pq_config *out)
{
    pq_yaml_node containers = section(report, root, "containers");
    report->prefix = "containers";
    read_list(report, containers, "platforms", check_platform, &out->platforms, &out->platforms_line);
    pq_yaml_node secrets = pq_yaml_get(containers, "docker_build_secrets");
    pq_yaml_kind kind = pq_yaml_kind_of(secrets);
    if (kind != PQ_YAML_ABSENT && kind != PQ_YAML_NULL && !pq_yaml_bool(secrets, &out->docker_build_secrets))
        (void)pq_report_at(report, secrets, "write it without quotes",
                           "`docker_build_secrets` must be true or false, but this is %s", pq_yaml_kind_words(secrets));
    report->prefix = NULL;
}

/* A top-level key that looks like ours misspelt is left alone, as the contract has it, but not in silence. */
static void warn_of_misspelling(const char *name, pq_yaml_node root)
{
    static const char *const ours[] = {"container_registries", "container_registry"};
    pq_yaml_entry entry;
    for (size_t i = 0; pq_yaml_entry_at(root, i, &entry); i++) {
        const char *key = pq_yaml_text(entry.key);
        if (!key || pq_streq(key, ours[0]) || !pq_nearest(key, ours, sizeof ours / sizeof *ours))
            continue;
        PQ_AUTO_FREE char *where = pq_yaml_where(name, entry.key);
        pq_warn(where, "did you mean `container_registries`?", "a section that is not read");
    }
}

static void read_root(pq_report *report, const pq_yaml *yaml, pq_config *out)
{
    if (pq_yaml_count(yaml) > 1) {
        (void)pq_report_at(report, pq_yaml_root(yaml, 1), "put all sections into one", "a second YAML document");
        return;
    }
    pq_yaml_node root = pq_yaml_root(yaml, 0);
    switch (pq_yaml_kind_of(root)) {
    case PQ_YAML_SEQUENCE:
        pq_config_read_registries(report, root, out);
        root = PQ_YAML_NONE;
        break;
    case PQ_YAML_MAPPING:
        warn_of_misspelling(report->name, root);
        pq_config_read_registries(report, pq_yaml_get(root, "container_registries"), out);
        break;
    case PQ_YAML_ABSENT:
    case PQ_YAML_NULL:
        (void)pq_report_at(report, root, "begin with `container_registries:`", "the file is empty");
        return;
    case PQ_YAML_SCALAR:
        (void)pq_report_at(report, root, "begin with `container_registries:`",
                           "a mapping or a list of registries is needed, but this is %s", pq_yaml_kind_words(root));
        return;
    }
    read_hub(report, root, out);
    read_tuf(report, root, out);
    pq_yaml_node lmp = section(report, root, "lmp");
    report->prefix = "lmp";
    read_list(report, lmp, "machines", check_machine, &out->machines, &out->machines_line);
    read_containers(report, root, out);
}

static void report_cleanup(pq_report *report)
{
    pq_report_clear(report);
}

bool pq_config_parse(const void *bytes, size_t length, const char *name, pq_config *out, pq_errors *errs)
{
    *out = (pq_config){0};
    PQ_AUTO_YAML *yaml = NULL;
    if (!pq_yaml_parse(name, bytes, length, &yaml, errs))
        return false;
    PQ_CLEANUP(report_cleanup) pq_report report = {.name = name};
    PQ_AUTO_CONFIG config = {.name = pq_strdup(name)};
    read_root(&report, yaml, &config);
    if (!pq_report_end(&report, errs))
        return false;
    *out = config;
    config = (pq_config){0};
    return true;
}

typedef bool parser(const void *bytes, size_t length, const char *name, pq_config *out, pq_errors *errs);

static bool load(parser *parse, const char *path, const char *name, pq_config *out, pq_errors *errs)
{
    *out = (pq_config){0};
    PQ_AUTO_BUF bytes = PQ_BUF(PQ_MAX_CONFIG);
    PQ_AUTO_ERROR err = {0};
    if (!pq_read_file(path, &bytes, &err)) {
        pq_errors_take(errs, &err);
        return false;
    }
    return parse(pq_buf_text(&bytes), bytes.length, name ? name : path, out, errs);
}

bool pq_config_load(const char *path, const char *name, pq_config *out, pq_errors *errs)
{
    return load(pq_config_parse, path, name, out, errs);
}

bool pq_config_load_device(const char *path, const char *name, pq_config *out, pq_errors *errs)
{
    return load(pq_config_parse_device, path, name, out, errs);
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
