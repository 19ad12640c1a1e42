#include "config/config.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/host.h"
#include "config/parts.h"
#include "config/registries.h"

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

bool pq_config_parse(const void *bytes, size_t length, const char *name, pq_config *out, pq_errors *errs)
{
    return pq_config_parse_by(read_root, bytes, length, name, out, errs);
}

bool pq_config_load(const char *path, const char *name, pq_config *out, pq_errors *errs)
{
    return pq_config_load_by(read_root, path, name, out, errs);
}
