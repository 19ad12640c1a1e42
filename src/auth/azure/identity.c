#include "auth/azure/identity.h"

#include <string.h>

#include "auth/azure/entra.h"
#include "auth/azure/managed_identity.h"
#include "auth/common/oidc.h"
#include "auth/common/pair.h"
#include "base/file.h"
#include "base/limits.h"
#include "config/host.h"
#include "crypto/hash.h"

/* What differs between the clouds. Login services: Microsoft, "National clouds". Resources: the audiences that Azure's
 * SDKs know for registries (KnownContainerRegistryAudience); of the public cloud the registries' own, which is all that
 * a registry takes once `authentication-as-arm` is off. Audiences of OIDC tokens: "Configure an app to trust an
 * external identity provider". */
typedef struct pq_azure_cloud_facts {
    const char *login, *resource, *oidc_audience;
} pq_azure_cloud_facts;

static const pq_azure_cloud_facts clouds[] = {
    [PQ_AZURE_PUBLIC] = {"https://login.microsoftonline.com", "https://containerregistry.azure.net",
                         "api://AzureADTokenExchange"},
    [PQ_AZURE_US_GOVERNMENT] = {"https://login.microsoftonline.us", "https://management.usgovcloudapi.net",
                                "api://AzureADTokenExchangeUSGov"},
    [PQ_AZURE_CHINA] = {"https://login.partner.microsoftonline.cn", "https://management.chinacloudapi.cn",
                        "api://AzureADTokenExchangeChina"},
};

void pq_azure_identity_clear(pq_azure_identity *identity)
{
    free(identity->authority);
    free(identity->tenant);
    free(identity->client);
    pq_secret_free(identity->secret);
    pq_entra_key_clear(&identity->key);
    free(identity->token_file);
    free(identity->words);
    free(identity->renew);
    *identity = (pq_azure_identity){0};
}

/* --- where to log in ---------------------------------------------------------------------------------------------- */

static bool find_authority(const pq_auth_ask *ask, pq_azure_identity *out, pq_errors *errors)
{
    pq_azure_cloud cloud;
    if (!pq_acr_host_parse(ask->host, &cloud))
        return pq_errors_add(errors, PQ_ECONFIG, ask->where, "no token of Entra ID goes anywhere else",
                             "%s is not the host of a registry of Azure", ask->host);
    out->cloud = &clouds[cloud];
    const char *given = pq_getenv("AZURE_AUTHORITY_HOST");
    if (!given)
        given = out->cloud->login;
    /* azure-identity takes a bare host too. */
    PQ_AUTO_FREE char *url = pq_asprintf("%s%s", strstr(given, "://") ? "" : "https://", given);
    size_t length = strlen(url);
    while (length && url[length - 1] == '/')
        url[--length] = '\0';
    const char *host = strstr(url, "://") + 3;
    if (!pq_url_is_safe(url) || !*host || strpbrk(host, "/?#@\\ \r\n"))
        return pq_errors_add(errors, PQ_ECONFIG, "AZURE_AUTHORITY_HOST", "write https://HOST",
                             "must be an https URL (http only on loopback) with nothing behind the host");
    out->authority = pq_steal(url);
    return true;
}

/* A client secret goes to the login service: one that is bound to hosts must be bound to that one too. */
static bool check_binding(const pq_auth_ask *ask, const pq_azure_identity *identity, pq_errors *errors)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_SECRET *unused = NULL;
    const char *host = strstr(identity->authority, "://") + 3;
    if (pq_secrets_get(ask->run->secrets, ask->entry->secret.text, host, &unused, &err))
        return true;
    (void)pq_error_at(&err, ask->where);
    pq_errors_take(errors, &err);
    return false;
}

/* --- an entry's own ----------------------------------------------------------------------------------------------- */

static bool find_pair(const pq_auth_ask *ask, pq_azure_identity *out, pq_errors *errors)
{
    static const char form[] = "<ID>:<PASSWORD>, the application id and its client secret";
    PQ_AUTO_CREDENTIAL pair = {0};
    if (!pq_pair_read(ask->secret, ask->secret_name, form, &pair, errors))
        return false;
    const char *named = ask->entry->azure_client_id.text;
    if (named && !pq_ascii_equal_nocase(named, pair.username))
        return pq_errors_add(errors, PQ_ECONFIG, ask->where, "remove azure_client_id: the secret says it",
                             "azure_client_id is not the id in %s", ask->secret_name);
    out->proof = PQ_AZURE_CLIENT_SECRET;
    out->client = pq_steal(pair.username);
    out->secret = pq_steal(pair.secret);
    return check_binding(ask, out, errors);
}

static bool find_certificate(const pq_secret *pem, const char *where, pq_azure_identity *out, pq_errors *errors)
{
    PQ_AUTO_ERROR err = {0};
    out->proof = PQ_AZURE_CERTIFICATE;
    if (pq_entra_key_read(pem, where, &out->key, &err))
        return true;
    pq_errors_take(errors, &err);
    return false;
}

/* A device's: the key stays where it is. */
static bool find_device(const pq_auth_ask *ask, pq_azure_identity *out, pq_errors *errors)
{
    PQ_AUTO_ERROR err = {0};
    out->proof = PQ_AZURE_CERTIFICATE;
    const char *place = pq_identity_certificate_place(ask->identity);
    out->certificate = *place == '/' ? place : NULL;
    out->renew = pq_asprintf("`identity` in %s", ask->run->config->name);
    if (pq_entra_key_borrow(ask->identity, ask->where, &out->key, &err))
        return true;
    pq_errors_take(errors, &err);
    return false;
}

static pq_oidc_ask oidc_ask(const pq_auth_ask *ask, const pq_azure_identity *identity)
{
    return (pq_oidc_ask){.entry = ask->entry,
                         .audience = identity->cloud->oidc_audience,
                         .where = ask->where,
                         .send = ask->run->send,
                         .send_context = ask->run->send_context};
}

static bool find_oidc(const pq_auth_ask *ask, pq_azure_identity *out, pq_errors *errors)
{
    PQ_AUTO_ERROR err = {0};
    const pq_oidc_ask oidc = oidc_ask(ask, out);
    out->proof = PQ_AZURE_OIDC;
    if (pq_oidc_check(&oidc, &err))
        return true;
    pq_errors_take(errors, &err);
    return false;
}

/* --- the environment's -------------------------------------------------------------------------------------------- */

static bool find_certificate_file(const char *path, pq_azure_identity *out, pq_errors *errors)
{
    PQ_AUTO_BUF text = PQ_SENSITIVE_BUF(PQ_MAX_SECRET);
    PQ_AUTO_ERROR err = {0};
    if (pq_getenv("AZURE_CLIENT_CERTIFICATE_PASSWORD"))
        return pq_errors_add(errors, PQ_ECONFIG, "AZURE_CLIENT_CERTIFICATE_PASSWORD",
                             "`openssl pkcs12 -in … -nodes` makes PEM text of it",
                             "keys with a password are not supported");
    if (!pq_read_file(path, &text, &err)) {
        err.code = err.code == PQ_ENOTFOUND || err.code == PQ_EINPUT ? PQ_ECONFIG : err.code;
        (void)pq_error_wrap(&err, "AZURE_CLIENT_CERTIFICATE_PATH");
        pq_errors_take(errors, &err);
        return false;
    }
    PQ_AUTO_SECRET *pem = pq_secret_from_buf(&text);
    return find_certificate(pem, path, out, errors);
}

static bool find_managed(const pq_auth_ask *ask, pq_azure_identity *out, pq_errors *errors)
{
    PQ_AUTO_ERROR err = {0};
    out->proof = PQ_AZURE_MANAGED;
    if (pq_managed_identity_check(ask->where, &err))
        return true;
    pq_errors_take(errors, &err);
    return false;
}

static bool find_in_environment(const pq_auth_ask *ask, pq_azure_identity *out, pq_errors *errors)
{
    const char *secret = pq_getenv("AZURE_CLIENT_SECRET"), *certificate = pq_getenv("AZURE_CLIENT_CERTIFICATE_PATH");
    const char *file = pq_getenv("AZURE_FEDERATED_TOKEN_FILE");
    const char *variable = secret        ? "AZURE_CLIENT_SECRET"
                           : certificate ? "AZURE_CLIENT_CERTIFICATE_PATH"
                                         : "AZURE_FEDERATED_TOKEN_FILE";
    if (!secret && !certificate && !file)
        return find_managed(ask, out, errors);
    if (!out->tenant || !out->client)
        return pq_errors_add(errors, PQ_ECONFIG, ask->where, "set it, or say it in the entry",
                             "auth: environment: %s is set, but not %s", variable,
                             out->tenant ? "AZURE_CLIENT_ID" : "AZURE_TENANT_ID");
    out->renew = pq_asprintf("set %s", variable);
    if (secret) {
        out->proof = PQ_AZURE_CLIENT_SECRET;
        out->secret = pq_secret_new(secret, strlen(secret));
        return true;
    }
    if (certificate)
        return find_certificate_file(certificate, out, errors);
    out->proof = PQ_AZURE_TOKEN_FILE;
    out->token_file = pq_strdup(file);
    return pq_path_exists(file) ||
           pq_errors_add(errors, PQ_ECONFIG, ask->where, "does the platform mount the token?",
                         "auth: environment: AZURE_FEDERATED_TOKEN_FILE: there is no file %s", file);
}

/* --- all of it ---------------------------------------------------------------------------------------------------- */

static void add_words(const pq_auth_ask *ask, pq_azure_identity *out)
{
    PQ_AUTO_FREE char *source = NULL;
    switch (out->proof) {
    case PQ_AZURE_OIDC:
        source = pq_oidc_source(ask->entry);
        break;
    case PQ_AZURE_TOKEN_FILE:
        source = pq_strdup("AZURE_FEDERATED_TOKEN_FILE");
        break;
    case PQ_AZURE_MANAGED:
        source = pq_managed_identity_place();
        break;
    case PQ_AZURE_CLIENT_SECRET:
    case PQ_AZURE_CERTIFICATE:
        source = pq_strdup(ask->entry->auth != PQ_AUTH_ENVIRONMENT ? ask->secret_name
                           : out->proof == PQ_AZURE_CLIENT_SECRET  ? "AZURE_CLIENT_SECRET"
                                                                   : "AZURE_CLIENT_CERTIFICATE_PATH");
        break;
    }
    out->words = out->tenant && out->proof != PQ_AZURE_MANAGED ? pq_asprintf("%s, tenant %s", source, out->tenant)
                                                               : pq_steal(source);
}

static char *chosen(const pq_setting *setting, const char *variable, bool from_environment)
{
    return pq_strdup(setting->text || !from_environment ? setting->text : pq_getenv(variable));
}

static bool find_proof(const pq_auth_ask *ask, pq_azure_identity *out, pq_errors *errors)
{
    const pq_config_registry *entry = ask->entry;
    if (entry->auth == PQ_AUTH_ENVIRONMENT)
        return find_in_environment(ask, out, errors);
    if (entry->auth == PQ_AUTH_OIDC)
        return find_oidc(ask, out, errors);
    if (entry->auth == PQ_AUTH_ENTRA)
        return find_device(ask, out, errors);
    const pq_setting *named = entry->secret.text ? &entry->secret : &entry->azure_cert_secret;
    out->renew = pq_asprintf("`pratique secrets update %s=-`", named->text);
    return entry->secret.text ? find_pair(ask, out, errors)
                              : find_certificate(ask->secret, ask->secret_name, out, errors);
}

bool pq_azure_identity_find(const pq_auth_ask *ask, pq_azure_identity *out, pq_errors *errors)
{
    bool environment = ask->entry->auth == PQ_AUTH_ENVIRONMENT;
    *out = (pq_azure_identity){.tenant = chosen(&ask->entry->azure_tenant, "AZURE_TENANT_ID", environment)};
    if (!ask->entry->secret.text)
        out->client = chosen(&ask->entry->azure_client_id, "AZURE_CLIENT_ID", environment);
    if (!find_authority(ask, out, errors) || !find_proof(ask, out, errors))
        return false;
    add_words(ask, out);
    return true;
}

char *pq_azure_identity_key(const pq_auth_ask *ask, const pq_azure_identity *identity)
{
    PQ_AUTO_BUF key = PQ_BUF(PQ_MAX_TEXT);
    pq_buf_addf(&key, "entra %s tenant=%s client=%s resource=%s %s", identity->authority,
                identity->tenant ? identity->tenant : "", identity->client ? identity->client : "",
                identity->cloud->resource, identity->words);
    if (identity->proof == PQ_AZURE_OIDC) {
        PQ_AUTO_FREE char *oidc = pq_oidc_share_key(ask->entry);
        pq_buf_addf(&key, " %s", oidc);
    }
    if (identity->token_file)
        pq_buf_addf(&key, " %s", identity->token_file);
    if (identity->proof == PQ_AZURE_CERTIFICATE) {
        PQ_AUTO_BUF der = PQ_BUF(PQ_MAX_SECRET);
        pq_certificate_der(identity->key.certificate, 0, &der);
        PQ_AUTO_FREE char *digest = pq_sha256_digest(pq_buf_text(&der), der.length);
        pq_buf_addf(&key, " %s", digest);
    }
    /* A secret of the environment is not among what is added elsewhere. */
    if (identity->proof == PQ_AZURE_CLIENT_SECRET && !ask->secret) {
        PQ_AUTO_FREE char *digest =
            pq_sha256_digest(pq_secret_bytes(identity->secret), pq_secret_length(identity->secret));
        pq_buf_addf(&key, " %s", digest);
    }
    return pq_buf_steal(&key);
}

/* --- its token ---------------------------------------------------------------------------------------------------- */

static bool ask_managed(const pq_auth_ask *ask, const pq_azure_identity *identity, pq_access_token *out, pq_error *err)
{
    const pq_managed_identity_call call = {.resource = identity->cloud->resource,
                                           .client = identity->client,
                                           .send = ask->run->send,
                                           .send_context = ask->run->send_context};
    return pq_managed_identity_get_token(&call, out, err);
}

static bool find_assertion(const pq_auth_ask *ask, const pq_azure_identity *identity, pq_secret **out, pq_error *err)
{
    const pq_oidc_ask oidc = oidc_ask(ask, identity);
    if (identity->proof == PQ_AZURE_OIDC)
        return pq_oidc_token(&oidc, out, err);
    if (identity->proof == PQ_AZURE_TOKEN_FILE)
        return pq_oidc_token_file(identity->token_file, "auth: environment", "AZURE_FEDERATED_TOKEN_FILE", ask->where,
                                  out, err);
    return true;
}

static bool ask_entra(const pq_auth_ask *ask, const pq_azure_identity *identity, pq_access_token *out, pq_error *err)
{
    PQ_AUTO_SECRET *assertion = NULL;
    if (!find_assertion(ask, identity, &assertion, err))
        return false;
    PQ_AUTO_FREE char *scope = pq_asprintf("%s/.default", identity->cloud->resource);
    const pq_entra_call call = {.authority = identity->authority,
                                .tenant = identity->tenant,
                                .client = identity->client,
                                .scope = scope,
                                .secret = identity->secret,
                                .key = identity->proof == PQ_AZURE_CERTIFICATE ? &identity->key : NULL,
                                .certificate = identity->certificate,
                                .assertion = assertion,
                                .where = ask->host,
                                .renew = identity->renew,
                                .send = ask->run->send,
                                .send_context = ask->run->send_context,
                                .clock_offset = &ask->run->azure_clock_offset};
    return pq_entra_get_token(&call, out, err);
}

bool pq_azure_identity_token(const pq_auth_ask *ask, const pq_azure_identity *identity, pq_access_token *out,
                             pq_error *err)
{
    PQ_AUTO_FREE char *key = pq_azure_identity_key(ask, identity);
    const pq_access_token *known = pq_access_tokens_find(&ask->run->tokens, key);
    if (known) {
        *out = (pq_access_token){.token = pq_secret_copy(known->token), .expires = known->expires};
        return true;
    }
    bool good =
        identity->proof == PQ_AZURE_MANAGED ? ask_managed(ask, identity, out, err) : ask_entra(ask, identity, out, err);
    if (good)
        pq_access_tokens_keep(&ask->run->tokens, key, out);
    return good;
}
