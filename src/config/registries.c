#include "config/registries.h"

#include <string.h>

#include "config/entry.h"

enum { AWS = PQ_AWS_BIT, AZURE = PQ_AZURE_BIT, GAR = PQ_GAR_BIT, GENERIC = PQ_GENERIC_BIT };
enum { CLOUDS = AWS | AZURE | GAR, ALL = CLOUDS | GENERIC };

static const char *const secret_keys[] = {
    [PQ_REGISTRY_AWS] = "aws_creds_secret_name",
    [PQ_REGISTRY_AZURE] = "azure_principal_secret_name",
    [PQ_REGISTRY_GAR] = "gar_creds_secret_name",
    [PQ_REGISTRY_GENERIC] = "generic_secret_name",
    [PQ_REGISTRY_GATEWAY] = NULL,
};
const char *pq_registry_secret_key(pq_registry_type type)
{
    return secret_keys[type];
}

static const char *check_session(const char *text)
{
    return pq_config_session_valid(text) ? NULL : "2 to 64 letters, digits and _+=,.@-";
}

static const char *check_external_id(const char *text)
{
    size_t length = strlen(text);
    return length >= 2 && length <= 1224 && pq_only(text, "_+=,.@:/-") ? NULL
                                                                       : "2 to 1224 letters, digits and _+=,.@:/-";
}

static const char *check_variable(const char *text)
{
    return pq_only(text, "_") && !pq_ascii_digit(*text) ? NULL : "the name of an environment variable";
}

/* --- the keys ----------------------------------------------------------------------------------------------------- */

#define FIELD(member) offsetof(pq_config_registry, member)
static const pq_entry_key keys[] = {
    {"type", ALL, SIZE_MAX, NULL},
    {"url", ALL, SIZE_MAX, NULL},
    {"auth", ALL, SIZE_MAX, NULL},
    {"aws_creds_secret_name", AWS, FIELD(secret), pq_config_check_secret_name},
    {"azure_principal_secret_name", AZURE, FIELD(secret), pq_config_check_secret_name},
    {"gar_creds_secret_name", GAR, FIELD(secret), pq_config_check_secret_name},
    {"generic_secret_name", GENERIC, FIELD(secret), pq_config_check_secret_name},
    {"region", AWS, FIELD(region), pq_check_region},
    {"profile", AWS, FIELD(profile), NULL},
    {"role_arn", AWS, FIELD(role_arn), pq_check_role},
    {"external_id", AWS, FIELD(external_id), check_external_id},
    {"role_session_name", AWS, FIELD(role_session_name), check_session},
    {"azure_tenant", AZURE, FIELD(azure_tenant), pq_check_id},
    {"azure_client_id", AZURE, FIELD(azure_client_id), pq_check_id},
    {"azure_cert_secret_name", AZURE, FIELD(azure_cert_secret), pq_config_check_secret_name},
    {"workload_identity_provider", GAR, FIELD(workload_identity_provider), pq_check_provider},
    {"service_account", GAR, FIELD(service_account), pq_check_account},
    {"oidc_audience", CLOUDS, FIELD(oidc_audience), NULL},
    {"oidc_token_env", CLOUDS, FIELD(oidc_token_env), check_variable},
    {"oidc_token_file", CLOUDS, FIELD(oidc_token_file), NULL},
};
static const pq_entry_form form = {
    .keys = keys,
    .key_count = sizeof keys / sizeof *keys,
    .types = ALL,
    .type_words = "aws, azure, gar or generic",
};

static void read_auth(pq_entry_reader *r)
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
        PQ_AUTO_FREE char *hint =
            near ? pq_asprintf("did you mean `%s`?", near) : pq_strdup("without `auth`, the entry names a secret");
        (void)pq_report_at(r->report, entry.value, hint,
                           cloud ? "`auth` must be oidc or environment"
                                 : "`auth` must be environment in an entry of type generic");
        r->key_refused = true;
    }
}

/* --- which keys go together --------------------------------------------------------------------------------------- */

static void check_identity(pq_entry_reader *r)
{
    pq_config_registry *registry = r->registry;
    const char *secret = secret_keys[registry->type];
    bool has_secret = pq_entry_given(r, secret),
         has_cert = r->types == AZURE && pq_entry_given(r, "azure_cert_secret_name"),
         has_auth = pq_entry_given(r, "auth");
    if (has_auth && has_secret)
        pq_entry_refuse(r, "auth", "and a secret exclude each other: remove one");
    else if (has_auth && has_cert)
        pq_entry_refuse(r, "auth", "and a certificate exclude each other: remove one");
    else if (has_secret && has_cert)
        pq_entry_refuse(r, "azure_cert_secret_name",
                        "and `azure_principal_secret_name` exclude each other: remove one");
    else if (!has_auth && !has_secret && !has_cert && !r->key_refused)
        (void)pq_report_at(r->report, r->node,
                           registry->type == PQ_REGISTRY_GENERIC
                               ? "name the secret that holds <user>:<token>, or say `auth: environment` to use the "
                                 "logins of docker and podman"
                               : "or say `auth: oidc` or `auth: environment`",
                           "`%s` is missing", secret);
}

static void check_aws_keys(pq_entry_reader *r)
{
    if (r->registry->auth == PQ_AUTH_OIDC) {
        pq_entry_require(r, "role_arn", ", which `auth: oidc` needs",
                         "name the role that trusts the CI's OIDC provider");
        pq_entry_refuse(r, "profile", "has no meaning with `auth: oidc`");
        /* AssumeRoleWithWebIdentity has no such parameter. */
        pq_entry_refuse(r, "external_id", "has no meaning with `auth: oidc`");
    }
    if (!pq_entry_given(r, "role_arn") && r->registry->auth != PQ_AUTH_OIDC) {
        pq_entry_refuse(r, "external_id", "has no meaning without `role_arn`");
        pq_entry_refuse(r, "role_session_name", "has no meaning without `role_arn`");
    }
}

static void check_azure_keys(pq_entry_reader *r)
{
    if (pq_entry_given(r, "azure_principal_secret_name"))
        return;
    const char *why = pq_entry_given(r, "azure_cert_secret_name") ? ", which a certificate needs"
                      : r->registry->auth == PQ_AUTH_OIDC         ? ", which `auth: oidc` needs"
                                                                  : NULL;
    if (!why)
        return;
    pq_entry_require(r, "azure_tenant", why, "it is shown by `az account show --query tenantId`");
    pq_entry_require(r, "azure_client_id", why, "it is the application id of the service principal");
}

static void check_gar_keys(pq_entry_reader *r)
{
    if (r->registry->auth == PQ_AUTH_OIDC)
        pq_entry_require(r, "workload_identity_provider", ", which `auth: oidc` needs",
                         "projects/N/locations/global/workloadIdentityPools/POOL/providers/PROVIDER");
    else
        pq_entry_refuse(r, "workload_identity_provider", "has a meaning only with `auth: oidc`");
}

static void check_together(pq_entry_reader *r)
{
    pq_config_registry *registry = r->registry;
    if (registry->type != PQ_REGISTRY_GAR && !r->key_refused)
        pq_entry_require(r, "url", "", "add the registry's host, such as `url: registry.example.com`");
    check_identity(r);
    if (registry->type == PQ_REGISTRY_AWS)
        check_aws_keys(r);
    if (registry->type == PQ_REGISTRY_AZURE)
        check_azure_keys(r);
    if (registry->type == PQ_REGISTRY_GAR)
        check_gar_keys(r);
    if (registry->auth != PQ_AUTH_OIDC && !(pq_entry_given(r, "auth") && r->key_refused)) {
        static const char *const oidc[] = {"oidc_audience", "oidc_token_env", "oidc_token_file"};
        for (size_t i = 0; registry->type != PQ_REGISTRY_GENERIC && i < sizeof oidc / sizeof *oidc; i++)
            pq_entry_refuse(r, oidc[i], "has a meaning only with `auth: oidc`");
    } else if (pq_entry_given(r, "oidc_token_env"))
        pq_entry_refuse(r, "oidc_token_file", "and `oidc_token_env` exclude each other: remove one");
}

static void finish(pq_entry_reader *r)
{
    read_auth(r);
    check_together(r);
}

void pq_config_read_registries(pq_report *report, pq_yaml_node list, pq_config *out)
{
    pq_entries_read(report, &form, "container_registries", list, out, finish);
}
