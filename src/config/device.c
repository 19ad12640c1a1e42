#include "config/device.h"

#include <ctype.h>
#include <string.h>

#include "config/entry.h"

enum { AWS = PQ_AWS_BIT, AZURE = PQ_AZURE_BIT, GAR = PQ_GAR_BIT, GENERIC = PQ_GENERIC_BIT, GATEWAY = PQ_GATEWAY_BIT };
enum { CLOUDS = AWS | AZURE | GAR, ALL = CLOUDS | GENERIC | GATEWAY };

/* --- checks of single values ------------------------------------------------------------------------------------ */

static const char *check_path(const char *text)
{
    return *text == '/' ? NULL : "an absolute path";
}

/* A PIN in the URI would stand in a file that many may read, and in every error that names the URI (RFC 7512 says
 * `pin-source` for the file that holds it). */
static const char *check_object(const char *text)
{
    if (strncasecmp(text, "pkcs11:", 7) != 0)
        return *text == '/' ? NULL : "an absolute path, or a URI that begins with pkcs11:";
    return strcasestr(text, "pin-value=") ? "without `pin-value`: put the PIN into a file (mode 0600) and "
                                            "name it, `pin-source=file:/etc/pratique/pin`"
                                          : NULL;
}

static const char *check_endpoint(const char *text)
{
    return pq_only(text, ".-") && strchr(text, '.')
               ? NULL
               : "the host that `aws iot describe-endpoint --endpoint-type iot:CredentialProvider` prints, without "
                 "https:// and path";
}

/* An application's id is a GUID (Microsoft, "Application and service principal objects in Microsoft Entra ID"); its
 * name will not do. */
static const char *check_application(const char *text)
{
    static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    size_t i = 0;
    while (form[i] && (form[i] == '-' ? text[i] == '-' : isxdigit((unsigned char)text[i])))
        i++;
    return !form[i] && !text[i] ? NULL : "the application's (client) id, such as 72f988bf-86f1-41af-91ab-2d7cd011db47";
}

static const char *check_tenant(const char *text)
{
    return !pq_check_id(text) ? NULL : "an id such as 72f988bf-86f1-41af-91ab-2d7cd011db47, or a domain of the tenant";
}

/* "Role alias: 1 to 128 of [\w=,@-]" (AWS IoT API, CreateRoleAlias). */
static const char *check_alias(const char *text)
{
    return strlen(text) <= 128 && pq_only(text, "_=,@-") ? NULL : "the name of a role alias: letters, digits and _=,@-";
}

/* "Thing name: 1 to 128 of [a-zA-Z0-9:_-]" (AWS IoT API, CreateThing). */
static const char *check_thing(const char *text)
{
    return strlen(text) <= 128 && pq_only(text, ":_-") ? NULL : "the name of a thing: letters, digits and :_-";
}

/* arn:PARTITION:rolesanywhere:REGION:ACCOUNT:WHAT/ID (AWS, "Actions, resources, and condition keys for IAM Roles
 * Anywhere"). */
static bool is_anywhere_arn(const char *text, const char *what)
{
    const char *service = strstr(text, ":rolesanywhere:");
    if (!pq_starts_with(text, "arn:aws") || !service || !pq_only(text, ":/-"))
        return false;
    const char *region = service + strlen(":rolesanywhere:"), *account = strchr(region, ':');
    if (!account || account == region || strspn(account + 1, "0123456789") != 12)
        return false;
    const char *kind = account + 1 + 12;
    PQ_AUTO_FREE char *start = pq_asprintf(":%s/", what);
    return pq_starts_with(kind, start) && kind[strlen(start)];
}

static const char *check_profile_arn(const char *text)
{
    return is_anywhere_arn(text, "profile")
               ? NULL
               : "a profile such as arn:aws:rolesanywhere:eu-west-1:123456789012:profile/ID";
}

static const char *check_anchor_arn(const char *text)
{
    return is_anywhere_arn(text, "trust-anchor")
               ? NULL
               : "a trust anchor such as arn:aws:rolesanywhere:eu-west-1:123456789012:trust-anchor/ID";
}

static const char *check_audience(const char *text)
{
    return pq_starts_with(text, "//iam.googleapis.com/") && !pq_check_provider(text)
               ? NULL
               : "//iam.googleapis.com/projects/N/locations/global/workloadIdentityPools/POOL/providers/PROVIDER";
}

/* A certificate is shown over TLS only, and hub-creds is asked for below the address itself. */
static const char *check_gateway(const char *text)
{
    const char *host = pq_starts_with(text, "https://") ? text + strlen("https://") : "";
    if (strstr(host, "/hub-creds"))
        return "without /hub-creds/, which is added to it";
    return *host && *host != '/' && !strpbrk(host, "?#@ \\")
               ? NULL
               : "an https address such as https://gateway.example.com:8443";
}

/* --- the ways ----------------------------------------------------------------------------------------------------- */

#define FIELD(member) offsetof(pq_config_registry, member)

/* A setting within the mapping of a way. */
typedef struct part {
    const char *name;
    size_t offset;
    pq_text_check *check;
    bool required;
} part;

/* How an entry comes to its identity; `parts` is empty where the key itself is the setting. */
typedef struct way {
    const char *name;
    pq_config_auth auth;
    int types;
    part whole;
    part parts[4];
} way;

static const way ways[] = {
    {.name = "iot",
     .auth = PQ_AUTH_IOT,
     .types = AWS,
     .parts = {{"endpoint", FIELD(iot_endpoint), check_endpoint, true},
               {"role_alias", FIELD(iot_role_alias), check_alias, true},
               {"thing_name", FIELD(iot_thing_name), check_thing, false}}},
    {.name = "roles_anywhere",
     .auth = PQ_AUTH_ROLES_ANYWHERE,
     .types = AWS,
     .parts = {{"profile_arn", FIELD(profile_arn), check_profile_arn, true},
               {"role_arn", FIELD(anywhere_role_arn), pq_check_role, true},
               {"trust_anchor_arn", FIELD(trust_anchor_arn), check_anchor_arn, true}}},
    {.name = "entra",
     .auth = PQ_AUTH_ENTRA,
     .types = AZURE,
     .parts = {{"tenant", FIELD(azure_tenant), check_tenant, true},
               {"client_id", FIELD(azure_client_id), check_application, true}}},
    {.name = "federation",
     .auth = PQ_AUTH_FEDERATION,
     .types = GAR,
     .parts = {{"audience", FIELD(audience), check_audience, true},
               {"service_account", FIELD(service_account), pq_check_account, false}}},
    {.name = "gateway",
     .auth = PQ_AUTH_GATEWAY,
     .types = GATEWAY,
     .whole = {"gateway", FIELD(gateway), check_gateway, true}},
    {.name = "credentials_file",
     .auth = PQ_AUTH_FILE,
     .types = CLOUDS | GENERIC,
     .whole = {"credentials_file", FIELD(credentials_file), check_path, true}},
};
enum { WAYS = sizeof ways / sizeof *ways, PARTS = sizeof ways[0].parts / sizeof *ways[0].parts };

const char *pq_config_device_way(pq_config_auth auth)
{
    for (size_t i = 0; i < WAYS; i++)
        if (ways[i].auth == auth)
            return ways[i].name;
    return NULL;
}

static const pq_entry_key keys[] = {
    {"type", ALL, SIZE_MAX, NULL},
    {"url", ALL, SIZE_MAX, NULL},
    {"region", AWS, FIELD(region), pq_check_region},
    {"iot", AWS, SIZE_MAX, NULL},
    {"roles_anywhere", AWS, SIZE_MAX, NULL},
    {"entra", AZURE, SIZE_MAX, NULL},
    {"federation", GAR, SIZE_MAX, NULL},
    {"gateway", GATEWAY, SIZE_MAX, NULL},
    {"credentials_file", CLOUDS | GENERIC, SIZE_MAX, NULL},
};
static const pq_entry_form form = {
    .keys = keys,
    .key_count = sizeof keys / sizeof *keys,
    .types = ALL,
    .type_words = "aws, azure, gar, generic or gateway",
};

static size_t part_count(const way *which)
{
    size_t count = 0;
    while (count < PARTS && which->parts[count].name)
        count++;
    return count;
}

static bool read_part(pq_entry_reader *r, const pq_yaml_entry *entry, const way *which, const part *what)
{
    PQ_AUTO_FREE char *name =
        what == &which->whole ? pq_strdup(what->name) : pq_asprintf("%s.%s", which->name, what->name);
    pq_setting *out = (pq_setting *)(void *)((char *)r->registry + what->offset);
    return pq_config_text(r->report, entry, name, what->check, out);
}

static void refuse_unknown_parts(pq_entry_reader *r, const way *which, pq_yaml_node node)
{
    const char *names[PARTS];
    size_t count = part_count(which);
    for (size_t i = 0; i < count; i++)
        names[i] = which->parts[i].name;
    pq_yaml_entry entry;
    for (size_t i = 0; pq_yaml_entry_at(node, i, &entry); i++) {
        const char *name = pq_yaml_text(entry.key);
        bool known = false;
        for (size_t j = 0; j < count; j++)
            known = known || pq_streq(name, names[j]);
        if (known)
            continue;
        PQ_AUTO_FREE char *hint = pq_report_known(name, names, count);
        (void)pq_report_at(r->report, entry.key, hint, "unknown key in `%s`", which->name);
    }
}

static void read_way(pq_entry_reader *r, const way *which, const pq_yaml_entry *entry)
{
    size_t count = part_count(which);
    r->registry->auth = which->auth;
    r->registry->auth_line = pq_yaml_span_of(entry->key).line;
    if (!count) {
        (void)read_part(r, entry, which, &which->whole);
        return;
    }
    if (pq_yaml_kind_of(entry->value) != PQ_YAML_MAPPING) {
        (void)pq_report_at(r->report, entry->value, NULL, "`%s` must be a mapping, but this is %s", which->name,
                           pq_yaml_kind_words(entry->value));
        return;
    }
    refuse_unknown_parts(r, which, entry->value);
    for (size_t i = 0; i < count; i++) {
        pq_yaml_entry found;
        if (pq_yaml_find(entry->value, which->parts[i].name, &found))
            (void)read_part(r, &found, which, &which->parts[i]);
        else if (which->parts[i].required)
            (void)pq_report_at(r->report, entry->key, NULL, "`%s.%s` is missing", which->name, which->parts[i].name);
    }
}

/* What an entry of this type may say, for a hint. Owned. */
static char *possible_ways(const pq_entry_reader *r)
{
    PQ_AUTO_BUF words = PQ_BUF(200);
    for (size_t i = 0; i < WAYS; i++)
        if (ways[i].types & r->types)
            pq_buf_addf(&words, "%s`%s`", words.length ? " or " : "say ", ways[i].name);
    return pq_buf_steal(&words);
}

/* Profile and trust anchor are of one account, region and partition, and the role is of that account's. */
static void check_arns(pq_entry_reader *r)
{
    const char *profile = r->registry->profile_arn.text, *anchor = r->registry->trust_anchor_arn.text,
               *role = r->registry->anywhere_role_arn.text;
    if (!profile || !anchor || !role)
        return;
    size_t length = (size_t)(strstr(anchor, ":trust-anchor/") - anchor);
    pq_yaml_node node = pq_yaml_get(r->node, "roles_anywhere");
    if (strncmp(profile, anchor, length + 1) != 0)
        (void)pq_report_at(r->report, pq_yaml_get(node, "profile_arn"), NULL,
                           "the profile is not of the account and region of the trust anchor");
    const char *account = anchor + length - 12, *own = strstr(role, ":iam::") + strlen(":iam::");
    if (strncmp(account, own, 12) != 0)
        (void)pq_report_at(r->report, pq_yaml_get(node, "role_arn"),
                           "a role of another account is assumed from a role of this one",
                           "the role is not of the account of the trust anchor");
}

static void finish(pq_entry_reader *r)
{
    const way *chosen = NULL;
    if (r->registry->type != PQ_REGISTRY_GAR && !r->key_refused)
        pq_entry_require(r, "url", "", "add the registry's host, such as `url: registry.example.com`");
    for (size_t i = 0; i < WAYS; i++) {
        pq_yaml_entry entry;
        if (!(ways[i].types & r->types) || !pq_yaml_find(r->node, ways[i].name, &entry))
            continue;
        if (chosen)
            (void)pq_report_at(r->report, entry.key, "remove one", "`%s` and `%s` exclude each other", ways[i].name,
                               chosen->name);
        else
            read_way(r, chosen = &ways[i], &entry);
    }
    PQ_AUTO_FREE char *hint = possible_ways(r);
    if (!chosen && !r->key_refused)
        (void)pq_report_at(r->report, r->node, hint, "it is not said how the device proves itself");
    if (chosen && chosen->auth == PQ_AUTH_ROLES_ANYWHERE)
        check_arns(r);
}

/* --- the identity ------------------------------------------------------------------------------------------------- */

static bool needs_identity(const pq_config *config)
{
    for (size_t i = 0; i < config->registry_count; i++)
        if (config->registries[i].auth != PQ_AUTH_FILE && pq_config_device_way(config->registries[i].auth))
            return true;
    return false;
}

static void read_identity(pq_report *report, pq_yaml_node root, pq_config *out)
{
    static const char *const names[] = {"certificate", "key", "ca"};
    pq_setting *const settings[] = {&out->device.certificate, &out->device.key, &out->device.ca};
    pq_yaml_entry section, entry;
    if (!pq_yaml_find(root, "identity", &section)) {
        if (needs_identity(out))
            (void)pq_report_at(report, root, "add `identity:` with `certificate:` and `key:`", "`identity` is missing");
        return;
    }
    out->device.line = pq_yaml_span_of(section.key).line;
    if (pq_yaml_kind_of(section.value) != PQ_YAML_MAPPING) {
        (void)pq_report_at(report, section.value, NULL, "`identity` must be a mapping, but this is %s",
                           pq_yaml_kind_words(section.value));
        return;
    }
    report->prefix = "identity";
    for (size_t i = 0; pq_yaml_entry_at(section.value, i, &entry); i++) {
        const char *name = pq_yaml_text(entry.key);
        if (pq_streq(name, names[0]) || pq_streq(name, names[1]) || pq_streq(name, names[2]))
            continue;
        PQ_AUTO_FREE char *hint = pq_report_known(name, names, 3);
        (void)pq_report_at(report, entry.key, hint, "unknown key");
    }
    for (size_t i = 0; i < 3; i++) {
        if (pq_yaml_find(section.value, names[i], &entry))
            (void)pq_config_text(report, &entry, names[i], i < 2 ? check_object : check_path, settings[i]);
        else if (i < 2)
            (void)pq_report_at(report, section.key, NULL, "`%s` is missing", names[i]);
    }
    report->prefix = NULL;
}

/* --- the file ----------------------------------------------------------------------------------------------------- */

static void read_root(pq_report *report, const pq_yaml *yaml, pq_config *out)
{
    static const char *const names[] = {"identity", "registries"};
    pq_yaml_node root = pq_yaml_root(yaml, 0);
    pq_yaml_entry entry;
    out->device.is_device = true;
    if (pq_yaml_count(yaml) > 1) {
        (void)pq_report_at(report, pq_yaml_root(yaml, 1), "put all of it into one", "a second YAML document");
        return;
    }
    if (pq_yaml_kind_of(root) != PQ_YAML_MAPPING) {
        (void)pq_report_at(report, root, "begin with `identity:`",
                           "a mapping with `identity` and `registries` is needed, but this is %s",
                           pq_yaml_kind_words(root));
        return;
    }
    for (size_t i = 0; pq_yaml_entry_at(root, i, &entry); i++) {
        const char *name = pq_yaml_text(entry.key);
        if (pq_streq(name, names[0]) || pq_streq(name, names[1]))
            continue;
        PQ_AUTO_FREE char *hint = pq_streq(name, "container_registries")
                                      ? pq_strdup("that is a factory-config.yml; a device.yml has `registries`")
                                      : pq_report_known(name, names, 2);
        (void)pq_report_at(report, entry.key, hint, "unknown key");
    }
    pq_entries_read(report, &form, "registries", pq_yaml_get(root, "registries"), out, finish);
    read_identity(report, root, out);
}

bool pq_config_parse_device(const void *bytes, size_t length, const char *name, pq_config *out, pq_errors *errs)
{
    return pq_config_parse_by(read_root, bytes, length, name, out, errs);
}

bool pq_config_load_device(const char *path, const char *name, pq_config *out, pq_errors *errs)
{
    return pq_config_load_by(read_root, path, name, out, errs);
}
