#include "config/entry.h"

#include <string.h>

#include "config/host.h"

static const char *const type_names[] = {
    [PQ_REGISTRY_AWS] = "aws",         [PQ_REGISTRY_AZURE] = "azure",     [PQ_REGISTRY_GAR] = "gar",
    [PQ_REGISTRY_GENERIC] = "generic", [PQ_REGISTRY_GATEWAY] = "gateway",
};
enum { TYPES = sizeof type_names / sizeof *type_names, MAX_REGISTRIES = 1000 };

const char *pq_registry_type_name(pq_registry_type type)
{
    return type_names[type];
}

/* --- checks of single values ------------------------------------------------------------------------------------ */

bool pq_only(const char *text, const char *more)
{
    for (; *text; text++)
        if (!pq_ascii_alnum(*text) && !strchr(more, *text))
            return false;
    return true;
}

const char *pq_check_region(const char *text)
{
    return pq_only(text, "-_") ? NULL : "a region such as us-east-2";
}

bool pq_config_role_valid(const char *arn)
{
    /* arn:PARTITION:iam::ACCOUNT:role/NAME (AWS, "IAM identifiers"). */
    const char *iam = strstr(arn, ":iam::");
    if (!pq_starts_with(arn, "arn:aws") || !iam || strlen(arn) > 2048)
        return false;
    const char *account = iam + strlen(":iam::");
    return strspn(account, "0123456789") == 12 && pq_starts_with(account + 12, ":role/") &&
           account[12 + strlen(":role/")] && pq_only(arn, ":/_+=,.@-");
}

const char *pq_check_role(const char *text)
{
    return pq_config_role_valid(text) ? NULL : "a role such as arn:aws:iam::123456789012:role/pull";
}

/* Lengths and characters from the parameters of AssumeRole (STS API). */
bool pq_config_session_valid(const char *name)
{
    size_t length = strlen(name);
    return length >= 2 && length <= 64 && pq_only(name, "_+=,.@-");
}

const char *pq_check_id(const char *text)
{
    return pq_only(text, ".-") ? NULL : "an id such as 72f988bf-86f1-41af-91ab-2d7cd011db47";
}

const char *pq_check_provider(const char *text)
{
    const char *name = pq_starts_with(text, "//iam.googleapis.com/") ? text + strlen("//iam.googleapis.com/") : text;
    return pq_starts_with(name, "projects/") && strstr(name, "/workloadIdentityPools/") && strstr(name, "/providers/")
               ? NULL
               : "projects/N/locations/global/workloadIdentityPools/POOL/providers/PROVIDER";
}

const char *pq_check_account(const char *text)
{
    const char *at = strchr(text, '@');
    return at && at > text && strchr(at, '.') && pq_only(text, "@.-_") ? NULL : "NAME@PROJECT.iam.gserviceaccount.com";
}

/* --- keys --------------------------------------------------------------------------------------------------------- */

static pq_setting *field_of(pq_config_registry *registry, const pq_entry_key *which)
{
    return (pq_setting *)(void *)((char *)registry + which->offset);
}

static const pq_entry_key *find_key(const pq_entry_form *form, const char *name)
{
    for (size_t i = 0; name && i < form->key_count; i++)
        if (pq_streq(form->keys[i].name, name))
            return &form->keys[i];
    return NULL;
}

static void unknown_key(pq_entry_reader *r, const pq_yaml_entry *entry)
{
    const pq_entry_form *form = r->form;
    const char *name = pq_yaml_text(entry->key);
    PQ_AUTO_FREE const char **names = pq_alloc(form->key_count, sizeof *names);
    size_t count = 0;
    for (size_t i = 0; i < form->key_count; i++)
        if (form->keys[i].types & r->types)
            names[count++] = form->keys[i].name;
    PQ_AUTO_FREE char *hint = pq_report_known(name, names, count);
    r->key_refused = true;
    if (r->types == r->form->types)
        (void)pq_report_at(r->report, entry->key, hint, "unknown key");
    else
        (void)pq_report_at(r->report, entry->key, hint, "unknown key in an entry of type %s",
                           type_names[r->registry->type]);
}

static void foreign_key(pq_entry_reader *r, const pq_yaml_entry *entry, const pq_entry_key *which)
{
    PQ_AUTO_BUF owners = PQ_BUF(200);
    for (size_t i = 0; i < TYPES; i++)
        if (which->types & 1 << i)
            pq_buf_addf(&owners, "%s%s", owners.length ? ", " : "", type_names[i]);
    r->key_refused = true;
    (void)pq_report_at(r->report, entry->key, NULL, "`%s` belongs to entries of type %s, not %s", which->name,
                       pq_buf_text(&owners), type_names[r->registry->type]);
}

static void read_keys(pq_entry_reader *r)
{
    pq_yaml_entry entry;
    for (size_t i = 0; pq_yaml_entry_at(r->node, i, &entry); i++) {
        const pq_entry_key *which = find_key(r->form, pq_yaml_text(entry.key));
        if (!which)
            unknown_key(r, &entry);
        else if (!(which->types & r->types))
            foreign_key(r, &entry, which);
        else if (which->offset != SIZE_MAX) {
            /* With an unknown type several secrets could fill one field: the values are then only looked at. */
            pq_setting unused = {0};
            pq_setting *out = r->types == r->form->types ? &unused : field_of(r->registry, which);
            if (!pq_config_text(r->report, &entry, which->name, which->check, out))
                r->key_refused = true;
            pq_setting_clear(&unused);
        }
    }
}

static bool fail_without_type(pq_entry_reader *r)
{
    const char *rest = strchr(r->form->type_words, ',');
    PQ_AUTO_FREE char *first = pq_strndup(r->form->type_words, (size_t)(rest - r->form->type_words));
    PQ_AUTO_FREE char *hint = pq_asprintf("add `type: %s`%s", first, rest);
    return pq_report_at(r->report, r->node, hint, "`type` is missing");
}

static bool read_type(pq_entry_reader *r)
{
    pq_yaml_entry entry;
    pq_setting type = {0};
    if (!pq_yaml_find(r->node, "type", &entry))
        return fail_without_type(r);
    if (!pq_config_text(r->report, &entry, "type", NULL, &type))
        return false;
    PQ_AUTO_FREE char *name = type.text;
    for (size_t i = 0; i < TYPES; i++)
        if (r->form->types & 1 << i && pq_streq(name, type_names[i])) {
            r->registry->type = (pq_registry_type)i;
            r->types = 1 << i;
            return true;
        }
    const char *near = pq_nearest(name, type_names, TYPES);
    PQ_AUTO_FREE char *hint = near ? pq_asprintf("did you mean `%s`?", near) : NULL;
    return pq_report_at(r->report, entry.value, hint, "`type` must be %s", r->form->type_words);
}

/* --- url ---------------------------------------------------------------------------------------------------------- */

static void read_url(pq_entry_reader *r)
{
    pq_yaml_entry entry;
    pq_setting url = {0};
    if (!pq_yaml_find(r->node, "url", &entry) || !pq_config_text(r->report, &entry, "url", NULL, &url))
        return;
    PQ_AUTO_FREE char *text = url.text;
    PQ_AUTO_FREE char *right_form = NULL;
    const char *reason;
    r->registry->host.line = url.line;
    if (pq_host_parse(text, &r->registry->host.text, &reason, &right_form))
        return;
    const char *example = r->types == PQ_AZURE_BIT ? "acme.azurecr.io" : "registry.example.com:5000";
    PQ_AUTO_FREE char *hint = right_form ? pq_asprintf("write `url: %s`", right_form)
                                         : pq_asprintf("write the host only, such as `url: %s`", example);
    (void)pq_report_at(r->report, entry.value, hint, "`url` %s", reason);
}

/* What `url` says is the default, and a contradiction is an error. */
static void check_region_is(pq_entry_reader *r, const char *region, const char *hint)
{
    pq_config_registry *registry = r->registry;
    if (!registry->region.text)
        registry->region.text = pq_strdup(region);
    else if (!pq_streq(registry->region.text, region))
        (void)pq_report_at(r->report, pq_yaml_get(r->node, "region"), hint,
                           "`region` is not the one of `url`, which is %s", region);
}

static void check_aws_host(pq_entry_reader *r)
{
    pq_config_registry *registry = r->registry;
    if (registry->type != PQ_REGISTRY_AWS || !registry->host.text)
        return;
    pq_yaml_node node = pq_yaml_get(r->node, "url");
    PQ_AUTO_ECR_HOST ecr = {0};
    if (pq_streq(registry->host.text, "public.ecr.aws") || pq_streq(registry->host.text, "ecr-public.aws.com")) {
        /* Anybody may pull there; who logs in, which the API does in this region only, may pull more often. */
        check_region_is(r, "us-east-1", "remove `region`: the public gallery's API is in us-east-1 only");
        return;
    }
    if (!pq_ecr_host_parse(registry->host.text, &ecr)) {
        (void)pq_report_at(r->report, node,
                           "write ACCOUNT.dkr.ecr.REGION.amazonaws.com, the account with its 12 digits",
                           "`url` is not the host of a private ECR registry");
        return;
    }
    const char *suffix = pq_ecr_suffix(ecr.region, ecr.dual_stack);
    if (!pq_streq(suffix, ecr.suffix)) {
        PQ_AUTO_FREE char *head = pq_strndup(registry->host.text, strlen(registry->host.text) - strlen(ecr.suffix));
        PQ_AUTO_FREE char *hint = pq_asprintf("write `url: %s%s`", head, suffix);
        (void)pq_report_at(r->report, node, hint, "region %s is not served under %s", ecr.region, ecr.suffix);
        return;
    }
    check_region_is(r, ecr.region, "remove `region`: it is read from `url`");
}

static void check_google_host(pq_entry_reader *r)
{
    const char *host = r->registry->host.text;
    if (r->registry->type != PQ_REGISTRY_GAR || !host || pq_google_host(host))
        return;
    (void)pq_report_at(r->report, pq_yaml_get(r->node, "url"),
                       "write LOCATION-docker.pkg.dev, docker.LOCATION.rep.pkg.dev, gcr.io or NAME.gcr.io; under a "
                       "name of your own it works as type: generic, with `_json_key:` and the key",
                       "`url` is not the host of a registry of Google");
}

static void check_azure_host(pq_entry_reader *r)
{
    pq_azure_cloud cloud;
    const char *host = r->registry->host.text;
    if (r->registry->type != PQ_REGISTRY_AZURE || !host || pq_acr_host_parse(host, &cloud))
        return;
    pq_yaml_node node = pq_yaml_get(r->node, "url");
    const char *data = strstr(host, ".data.azurecr.");
    PQ_AUTO_FREE char *own =
        data ? pq_asprintf("%.*s%s", (int)strcspn(host, "."), host, data + strlen(".data")) : pq_strdup("");
    if (pq_acr_host_parse(own, &cloud)) {
        PQ_AUTO_FREE char *hint = pq_asprintf("write `url: %s`", own);
        (void)pq_report_at(r->report, node, hint, "`url` is where a registry keeps its layers, not the registry");
        return;
    }
    (void)pq_report_at(r->report, node,
                       "write NAME.azurecr.io (or .us, .cn); a registry of somebody else is of type generic",
                       "`url` is not the host of a registry of Azure");
}

/* --- which keys go together --------------------------------------------------------------------------------------- */

void pq_entry_refuse(pq_entry_reader *r, const char *name, const char *why)
{
    pq_yaml_entry entry;
    if (pq_yaml_find(r->node, name, &entry))
        (void)pq_report_at(r->report, entry.key, NULL, "`%s` %s", name, why);
}

void pq_entry_require(pq_entry_reader *r, const char *name, const char *why, const char *hint)
{
    if (pq_yaml_kind_of(pq_yaml_get(r->node, name)) == PQ_YAML_ABSENT)
        (void)pq_report_at(r->report, r->node, hint, "`%s` is missing%s", name, why);
}

bool pq_entry_given(const pq_entry_reader *r, const char *name)
{
    return pq_yaml_kind_of(pq_yaml_get(r->node, name)) != PQ_YAML_ABSENT;
}

/* --- entries ------------------------------------------------------------------------------------------------------ */

static void check_twice(pq_entry_reader *r, const pq_config *config)
{
    const pq_config_registry *registry = r->registry;
    bool all_of_google = r->types == PQ_GAR_BIT && !pq_entry_given(r, "url");
    for (size_t i = 0; i + 1 < config->registry_count; i++) {
        const pq_config_registry *other = &config->registries[i];
        if (registry->host.text && pq_streq(other->host.text, registry->host.text)) {
            (void)pq_report_at(r->report, pq_yaml_get(r->node, "url"), "keep one entry for a host",
                               "the same host as in registry %zu, on line %u: %s", other->number, other->host.line,
                               registry->host.text);
            return;
        }
        if (all_of_google && other->type == PQ_REGISTRY_GAR && !other->host.text && other->host.line == 0) {
            (void)pq_report_at(r->report, r->node, "give one of them a `url`",
                               "a second entry for all registries of Google, after registry %zu on line %u",
                               other->number, other->line);
            return;
        }
    }
}

void pq_entry_read(pq_report *report, const pq_entry_form *form, pq_yaml_node node, size_t number, pq_config *out,
                   void (*finish)(pq_entry_reader *reader))
{
    PQ_AUTO_FREE char *prefix = pq_asprintf("registry %zu", number);
    report->prefix = prefix;
    out->registries =
        pq_grow(out->registries, &out->registry_capacity, out->registry_count + 1, sizeof *out->registries);
    pq_config_registry *registry = &out->registries[out->registry_count++];
    *registry = (pq_config_registry){.number = number, .line = pq_yaml_span_of(node).line};
    pq_entry_reader r = {.form = form, .report = report, .node = node, .registry = registry, .types = form->types};
    if (pq_yaml_kind_of(node) != PQ_YAML_MAPPING) {
        (void)pq_report_at(report, node, "begin it with `- type: …`", "an entry must be a mapping, but this is %s",
                           pq_yaml_kind_words(node));
    } else {
        bool typed = read_type(&r);
        read_keys(&r);
        read_url(&r);
        if (typed) {
            finish(&r);
            check_aws_host(&r);
            check_google_host(&r);
            check_azure_host(&r);
        }
        check_twice(&r, out);
    }
    report->prefix = NULL;
}

void pq_entries_read(pq_report *report, const pq_entry_form *form, const char *name, pq_yaml_node list, pq_config *out,
                     void (*finish)(pq_entry_reader *reader))
{
    pq_yaml_kind kind = pq_yaml_kind_of(list);
    if (kind == PQ_YAML_ABSENT || kind == PQ_YAML_NULL)
        return;
    if (kind != PQ_YAML_SEQUENCE) {
        (void)pq_report_at(report, list, "put `- ` before the first key of each entry",
                           "`%s` must be a list, but this is %s", name, pq_yaml_kind_words(list));
        return;
    }
    if (pq_yaml_size(list) > MAX_REGISTRIES) {
        (void)pq_report_at(report, list, NULL, "more than %d registries", MAX_REGISTRIES);
        return;
    }
    for (size_t i = 0; i < pq_yaml_size(list); i++)
        pq_entry_read(report, form, pq_yaml_at(list, i), i + 1, out, finish);
}
