#include "config/parts.h"

#include <string.h>

#include "config/host.h"

enum { AWS = 1 << PQ_REGISTRY_AWS, AZURE = 1 << PQ_REGISTRY_AZURE, GAR = 1 << PQ_REGISTRY_GAR };
enum { GENERIC = 1 << PQ_REGISTRY_GENERIC, CLOUDS = AWS | AZURE | GAR, ALL = CLOUDS | GENERIC };

static const char *const type_names[] = {
    [PQ_REGISTRY_AWS] = "aws",
    [PQ_REGISTRY_AZURE] = "azure",
    [PQ_REGISTRY_GAR] = "gar",
    [PQ_REGISTRY_GENERIC] = "generic",
};
static const char *const secret_keys[] = {
    [PQ_REGISTRY_AWS] = "aws_creds_secret_name",
    [PQ_REGISTRY_AZURE] = "azure_principal_secret_name",
    [PQ_REGISTRY_GAR] = "gar_creds_secret_name",
    [PQ_REGISTRY_GENERIC] = "generic_secret_name",
};
enum { TYPES = sizeof type_names / sizeof *type_names, MAX_REGISTRIES = 1000 };

const char *pq_registry_type_name(pq_registry_type type)
{
    return type_names[type];
}

const char *pq_registry_secret_key(pq_registry_type type)
{
    return secret_keys[type];
}

/* --- checks of single values ------------------------------------------------------------------------------------ */

static bool only(const char *text, const char *more)
{
    for (; *text; text++)
        if (!pq_ascii_alnum(*text) && !strchr(more, *text))
            return false;
    return true;
}

static const char *check_region(const char *text)
{
    return only(text, "-_") ? NULL : "a region such as us-east-2";
}

bool pq_config_role_valid(const char *arn)
{
    /* arn:PARTITION:iam::ACCOUNT:role/NAME (AWS, "IAM identifiers"). */
    const char *iam = strstr(arn, ":iam::");
    if (!pq_starts_with(arn, "arn:aws") || !iam || strlen(arn) > 2048)
        return false;
    const char *account = iam + strlen(":iam::");
    return strspn(account, "0123456789") == 12 && pq_starts_with(account + 12, ":role/") &&
           account[12 + strlen(":role/")] && only(arn, ":/_+=,.@-");
}

static const char *check_role(const char *text)
{
    return pq_config_role_valid(text) ? NULL : "a role such as arn:aws:iam::123456789012:role/pull";
}

/* Lengths and characters from the parameters of AssumeRole (STS API). */
bool pq_config_session_valid(const char *name)
{
    size_t length = strlen(name);
    return length >= 2 && length <= 64 && only(name, "_+=,.@-");
}

static const char *check_session(const char *text)
{
    return pq_config_session_valid(text) ? NULL : "2 to 64 letters, digits and _+=,.@-";
}

static const char *check_external_id(const char *text)
{
    size_t length = strlen(text);
    return length >= 2 && length <= 1224 && only(text, "_+=,.@:/-") ? NULL : "2 to 1224 letters, digits and _+=,.@:/-";
}

static const char *check_id(const char *text)
{
    return only(text, ".-") ? NULL : "an id such as 72f988bf-86f1-41af-91ab-2d7cd011db47";
}

static const char *check_provider(const char *text)
{
    const char *name = pq_starts_with(text, "//iam.googleapis.com/") ? text + strlen("//iam.googleapis.com/") : text;
    return pq_starts_with(name, "projects/") && strstr(name, "/workloadIdentityPools/") && strstr(name, "/providers/")
               ? NULL
               : "projects/N/locations/global/workloadIdentityPools/POOL/providers/PROVIDER";
}

static const char *check_account(const char *text)
{
    const char *at = strchr(text, '@');
    return at && at > text && strchr(at, '.') && only(text, "@.-_") ? NULL : "NAME@PROJECT.iam.gserviceaccount.com";
}

static const char *check_variable(const char *text)
{
    return only(text, "_") && !pq_ascii_digit(*text) ? NULL : "the name of an environment variable";
}

/* --- the keys ----------------------------------------------------------------------------------------------------- */

typedef struct key {
    const char *name;
    int types; /* that have it */
    size_t offset;
    pq_text_check *check;
} key;

#define FIELD(member) offsetof(pq_config_registry, member)
static const key keys[] = {
    {"type", ALL, SIZE_MAX, NULL},
    {"url", ALL, SIZE_MAX, NULL},
    {"auth", ALL, SIZE_MAX, NULL},
    {"aws_creds_secret_name", AWS, FIELD(secret), pq_config_check_secret_name},
    {"azure_principal_secret_name", AZURE, FIELD(secret), pq_config_check_secret_name},
    {"gar_creds_secret_name", GAR, FIELD(secret), pq_config_check_secret_name},
    {"generic_secret_name", GENERIC, FIELD(secret), pq_config_check_secret_name},
    {"region", AWS, FIELD(region), check_region},
    {"profile", AWS, FIELD(profile), NULL},
    {"role_arn", AWS, FIELD(role_arn), check_role},
    {"external_id", AWS, FIELD(external_id), check_external_id},
    {"role_session_name", AWS, FIELD(role_session_name), check_session},
    {"azure_tenant", AZURE, FIELD(azure_tenant), check_id},
    {"azure_client_id", AZURE, FIELD(azure_client_id), check_id},
    {"azure_cert_secret_name", AZURE, FIELD(azure_cert_secret), pq_config_check_secret_name},
    {"workload_identity_provider", GAR, FIELD(workload_identity_provider), check_provider},
    {"service_account", GAR, FIELD(service_account), check_account},
    {"oidc_audience", CLOUDS, FIELD(oidc_audience), NULL},
    {"oidc_token_env", CLOUDS, FIELD(oidc_token_env), check_variable},
    {"oidc_token_file", CLOUDS, FIELD(oidc_token_file), NULL},
};
enum { KEYS = sizeof keys / sizeof *keys };

static pq_setting *field(pq_config_registry *registry, const key *which)
{
    return (pq_setting *)(void *)((char *)registry + which->offset);
}

void pq_config_clear_registry(pq_config_registry *registry)
{
    /* The settings stand one behind the other, but several keys may fill the same one. */
    pq_setting_clear(&registry->host);
    for (size_t i = 0; i < KEYS; i++)
        if (keys[i].offset != SIZE_MAX)
            pq_setting_clear(field(registry, &keys[i]));
    *registry = (pq_config_registry){0};
}

/* One entry while it is read. */
typedef struct reader {
    pq_report *report;
    pq_yaml_node node;
    pq_config_registry *registry;
    int types;        /* the entry's one bit, or ALL when its type is not known */
    bool key_refused; /* a key was misspelt: what seems missing may be it */
} reader;

static const key *find_key(const char *name)
{
    for (size_t i = 0; name && i < KEYS; i++)
        if (pq_streq(keys[i].name, name))
            return &keys[i];
    return NULL;
}

static void unknown_key(reader *r, const pq_yaml_entry *entry)
{
    const char *names[KEYS], *name = pq_yaml_text(entry->key);
    size_t count = 0;
    for (size_t i = 0; i < KEYS; i++)
        if (keys[i].types & r->types)
            names[count++] = keys[i].name;
    PQ_AUTO_FREE char *hint = pq_report_known(name, names, count);
    r->key_refused = true;
    if (r->types == ALL)
        (void)pq_report_at(r->report, entry->key, hint, "unknown key");
    else
        (void)pq_report_at(r->report, entry->key, hint, "unknown key in an entry of type %s",
                           type_names[r->registry->type]);
}

static void foreign_key(reader *r, const pq_yaml_entry *entry, const key *which)
{
    PQ_AUTO_BUF owners = PQ_BUF(200);
    for (size_t i = 0; i < TYPES; i++)
        if (which->types & 1 << i)
            pq_buf_addf(&owners, "%s%s", owners.length ? ", " : "", type_names[i]);
    r->key_refused = true;
    (void)pq_report_at(r->report, entry->key, NULL, "`%s` belongs to entries of type %s, not %s", which->name,
                       pq_buf_text(&owners), type_names[r->registry->type]);
}

static void read_keys(reader *r)
{
    pq_yaml_entry entry;
    for (size_t i = 0; pq_yaml_entry_at(r->node, i, &entry); i++) {
        const key *which = find_key(pq_yaml_text(entry.key));
        if (!which)
            unknown_key(r, &entry);
        else if (!(which->types & r->types))
            foreign_key(r, &entry, which);
        else if (which->offset != SIZE_MAX) {
            /* With an unknown type several secrets could fill one field: the values are then only looked at. */
            pq_setting unused = {0};
            pq_setting *out = r->types == ALL ? &unused : field(r->registry, which);
            if (!pq_config_text(r->report, &entry, which->name, which->check, out))
                r->key_refused = true;
            pq_setting_clear(&unused);
        }
    }
}

static bool read_type(reader *r)
{
    pq_yaml_entry entry;
    pq_setting type = {0};
    if (!pq_yaml_find(r->node, "type", &entry))
        return pq_report_at(r->report, r->node, "add `type: aws`, azure, gar or generic", "`type` is missing");
    if (!pq_config_text(r->report, &entry, "type", NULL, &type))
        return false;
    PQ_AUTO_FREE char *name = type.text;
    for (size_t i = 0; i < TYPES; i++)
        if (pq_streq(name, type_names[i])) {
            r->registry->type = (pq_registry_type)i;
            r->types = 1 << i;
            return true;
        }
    const char *near = pq_nearest(name, type_names, TYPES);
    PQ_AUTO_FREE char *hint = near ? pq_asprintf("did you mean `%s`?", near) : NULL;
    return pq_report_at(r->report, entry.value, hint, "`type` must be aws, azure, gar or generic");
}

static void read_auth(reader *r)
{
    pq_yaml_entry entry;
    pq_setting auth = {0};
    if (!pq_yaml_find(r->node, "auth", &entry))
        return;
    r->registry->auth_line = pq_yaml_span_of(entry.value).line;
    if (!pq_config_text(r->report, &entry, "auth", NULL, &auth)) {
        r->key_refused = true;
        return;
    }
    PQ_AUTO_FREE char *name = auth.text;
    static const char *const words[] = {"environment", "oidc"};
    /* A registry that is no cloud's knows no OIDC tokens; the environment is what clients are logged in with. */
    bool cloud = (r->types & CLOUDS) != 0;
    if (cloud && pq_streq(name, words[1]))
        r->registry->auth = PQ_AUTH_OIDC;
    else if (pq_streq(name, words[0]))
        r->registry->auth = PQ_AUTH_ENVIRONMENT;
    else {
        const char *near = pq_nearest(name, words, cloud ? 2 : 1);
        PQ_AUTO_FREE char *hint = near ? pq_asprintf("did you mean `%s`?", near) : NULL;
        (void)pq_report_at(r->report, entry.value, hint,
                           cloud ? "`auth` must be oidc or environment"
                                 : "`auth` must be environment in an entry of type generic");
        r->key_refused = true;
    }
}

/* --- url ---------------------------------------------------------------------------------------------------------- */

static void read_url(reader *r)
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
    const char *example = r->types == AZURE ? "acme.azurecr.io" : "registry.example.com:5000";
    PQ_AUTO_FREE char *hint = right_form ? pq_asprintf("write `url: %s`", right_form)
                                         : pq_asprintf("write the host only, such as `url: %s`", example);
    (void)pq_report_at(r->report, entry.value, hint, "`url` %s", reason);
}

/* What `url` says is the default, and a contradiction is an error. */
static void check_region_is(reader *r, const char *region, const char *hint)
{
    pq_config_registry *registry = r->registry;
    if (!registry->region.text)
        registry->region.text = pq_strdup(region);
    else if (!pq_streq(registry->region.text, region))
        (void)pq_report_at(r->report, pq_yaml_get(r->node, "region"), hint,
                           "`region` is not the one of `url`, which is %s", region);
}

static void check_aws_host(reader *r)
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

static void check_google_host(reader *r)
{
    const char *host = r->registry->host.text;
    if (r->registry->type != PQ_REGISTRY_GAR || !host || pq_google_host(host))
        return;
    (void)pq_report_at(r->report, pq_yaml_get(r->node, "url"),
                       "write LOCATION-docker.pkg.dev, docker.LOCATION.rep.pkg.dev, gcr.io or NAME.gcr.io; under a "
                       "name of your own it works as type: generic, with `_json_key:` and the key",
                       "`url` is not the host of a registry of Google");
}

static void check_azure_host(reader *r)
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

/* `name` was given but has no meaning here. */
static void refuse_with(reader *r, const char *name, const char *why)
{
    pq_yaml_entry entry;
    if (pq_yaml_find(r->node, name, &entry))
        (void)pq_report_at(r->report, entry.key, NULL, "`%s` %s", name, why);
}

static void require(reader *r, const char *name, const char *why, const char *hint)
{
    if (pq_yaml_kind_of(pq_yaml_get(r->node, name)) == PQ_YAML_ABSENT)
        (void)pq_report_at(r->report, r->node, hint, "`%s` is missing%s", name, why);
}

static bool given(const reader *r, const char *name)
{
    return pq_yaml_kind_of(pq_yaml_get(r->node, name)) != PQ_YAML_ABSENT;
}

static void check_identity(reader *r)
{
    pq_config_registry *registry = r->registry;
    const char *secret = secret_keys[registry->type];
    bool has_secret = given(r, secret), has_cert = r->types == AZURE && given(r, "azure_cert_secret_name"),
         has_auth = given(r, "auth");
    if (has_auth && has_secret)
        refuse_with(r, "auth", "and a secret exclude each other: remove one");
    else if (has_auth && has_cert)
        refuse_with(r, "auth", "and a certificate exclude each other: remove one");
    else if (has_secret && has_cert)
        refuse_with(r, "azure_cert_secret_name", "and `azure_principal_secret_name` exclude each other: remove one");
    else if (!has_auth && !has_secret && !has_cert && !r->key_refused)
        (void)pq_report_at(r->report, r->node,
                           registry->type == PQ_REGISTRY_GENERIC
                               ? "name the secret that holds <user>:<token>, or say `auth: environment` to use the "
                                 "logins of docker and podman"
                               : "or say `auth: oidc` or `auth: environment`",
                           "`%s` is missing", secret);
}

static void check_aws_keys(reader *r)
{
    if (r->registry->auth == PQ_AUTH_OIDC) {
        require(r, "role_arn", ", which `auth: oidc` needs", "name the role that trusts the CI's OIDC provider");
        refuse_with(r, "profile", "has no meaning with `auth: oidc`");
        /* AssumeRoleWithWebIdentity has no such parameter. */
        refuse_with(r, "external_id", "has no meaning with `auth: oidc`");
    }
    if (!given(r, "role_arn") && r->registry->auth != PQ_AUTH_OIDC) {
        refuse_with(r, "external_id", "has no meaning without `role_arn`");
        refuse_with(r, "role_session_name", "has no meaning without `role_arn`");
    }
}

static void check_azure_keys(reader *r)
{
    if (given(r, "azure_principal_secret_name"))
        return;
    const char *why = given(r, "azure_cert_secret_name")  ? ", which a certificate needs"
                      : r->registry->auth == PQ_AUTH_OIDC ? ", which `auth: oidc` needs"
                                                          : NULL;
    if (!why)
        return;
    require(r, "azure_tenant", why, "it is shown by `az account show --query tenantId`");
    require(r, "azure_client_id", why, "it is the application id of the service principal");
}

static void check_gar_keys(reader *r)
{
    if (r->registry->auth == PQ_AUTH_OIDC)
        require(r, "workload_identity_provider", ", which `auth: oidc` needs",
                "projects/N/locations/global/workloadIdentityPools/POOL/providers/PROVIDER");
    else
        refuse_with(r, "workload_identity_provider", "has a meaning only with `auth: oidc`");
}

static void check_together(reader *r)
{
    pq_config_registry *registry = r->registry;
    if (registry->type != PQ_REGISTRY_GAR && !r->key_refused)
        require(r, "url", "", "add the registry's host, such as `url: registry.example.com`");
    check_identity(r);
    if (registry->type == PQ_REGISTRY_AWS)
        check_aws_keys(r);
    if (registry->type == PQ_REGISTRY_AZURE)
        check_azure_keys(r);
    if (registry->type == PQ_REGISTRY_GAR)
        check_gar_keys(r);
    if (registry->auth != PQ_AUTH_OIDC && !(given(r, "auth") && r->key_refused)) {
        static const char *const oidc[] = {"oidc_audience", "oidc_token_env", "oidc_token_file"};
        for (size_t i = 0; registry->type != PQ_REGISTRY_GENERIC && i < sizeof oidc / sizeof *oidc; i++)
            refuse_with(r, oidc[i], "has a meaning only with `auth: oidc`");
    } else if (given(r, "oidc_token_env"))
        refuse_with(r, "oidc_token_file", "and `oidc_token_env` exclude each other: remove one");
}

/* --- entries ------------------------------------------------------------------------------------------------------ */

static void check_twice(reader *r, const pq_config *config)
{
    const pq_config_registry *registry = r->registry;
    bool all_of_google = r->types == GAR && !given(r, "url");
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

static void read_entry(pq_report *report, pq_yaml_node node, size_t number, pq_config *out)
{
    PQ_AUTO_FREE char *prefix = pq_asprintf("registry %zu", number);
    report->prefix = prefix;
    out->registries =
        pq_grow(out->registries, &out->registry_capacity, out->registry_count + 1, sizeof *out->registries);
    pq_config_registry *registry = &out->registries[out->registry_count++];
    *registry = (pq_config_registry){.number = number, .line = pq_yaml_span_of(node).line};
    reader r = {.report = report, .node = node, .registry = registry, .types = ALL};
    if (pq_yaml_kind_of(node) != PQ_YAML_MAPPING) {
        (void)pq_report_at(report, node, "begin it with `- type: …`", "an entry must be a mapping, but this is %s",
                           pq_yaml_kind_words(node));
    } else {
        bool typed = read_type(&r);
        read_keys(&r);
        read_url(&r);
        if (typed) {
            read_auth(&r);
            check_together(&r);
            check_aws_host(&r);
            check_google_host(&r);
            check_azure_host(&r);
        }
        check_twice(&r, out);
    }
    report->prefix = NULL;
}

void pq_config_read_registries(pq_report *report, pq_yaml_node list, pq_config *out)
{
    pq_yaml_kind kind = pq_yaml_kind_of(list);
    if (kind == PQ_YAML_ABSENT || kind == PQ_YAML_NULL)
        return;
    if (kind != PQ_YAML_SEQUENCE) {
        (void)pq_report_at(report, list, "put `- ` before the first key of each entry",
                           "`container_registries` must be a list, but this is %s", pq_yaml_kind_words(list));
        return;
    }
    if (pq_yaml_size(list) > MAX_REGISTRIES) {
        (void)pq_report_at(report, list, NULL, "more than %d registries", MAX_REGISTRIES);
        return;
    }
    for (size_t i = 0; i < pq_yaml_size(list); i++)
        read_entry(report, pq_yaml_at(list, i), i + 1, out);
}
