/* Google Artifact Registry, and Container Registry where it is left: an access token of Google Cloud is the password of
 * the user `oauth2accesstoken` (Artifact Registry, "Configure authentication to Artifact Registry for Docker"). One
 * token serves every host of Google's. */
#include <string.h>

#include "auth/common/device_identity.h"
#include "auth/common/kind.h"
#include "auth/common/oidc.h"
#include "auth/google/default.h"
#include "auth/google/endpoint.h"
#include "auth/google/federation.h"
#include "auth/google/key.h"
#include "auth/google/metadata.h"
#include "auth/google/subject.h"
#include "base/limits.h"
#include "base/trust.h"
#include "crypto/hash.h"

static const char user[] = "oauth2accesstoken";

/* --- who we are --------------------------------------------------------------------------------------------------- */

/* What the entry, its secret and the environment say of that. */
typedef struct identity {
    pq_google_file file;
    pq_google_trust trust;
    bool metadata; /* there is no file: the machine's own identity */
    char *where;   /* the secret, the file; for what is wrong in it */
    char *path;    /* of the file, or NULL */
} identity;

static void identity_clear(identity *who)
{
    pq_google_file_clear(&who->file);
    free(who->where);
    free(who->path);
}
#define AUTO_IDENTITY PQ_CLEANUP(identity_clear) identity

/* projects/N/…, however much of it was written. */
static const char *provider_of(const pq_config_registry *entry)
{
    static const char service[] = "//iam.googleapis.com/";
    const char *text = entry->workload_identity_provider.text;
    return pq_starts_with(text, service) ? text + sizeof service - 1 : text;
}

static pq_oidc_ask oidc_ask(const pq_auth_ask *ask, const char *audience)
{
    return (pq_oidc_ask){.entry = ask->entry,
                         .audience = audience,
                         .where = ask->where,
                         .send = ask->run->send,
                         .send_context = ask->run->send_context};
}

/* What the provider expects unless it was told others (IAM, "Configure workload identity federation"). Owned. */
static char *audience_of(const pq_config_registry *entry)
{
    return pq_asprintf("https://iam.googleapis.com/%s", provider_of(entry));
}

static void identity_of_ci(const pq_auth_ask *ask, identity *out)
{
    out->file = (pq_google_file){
        .type = PQ_GOOGLE_EXTERNAL_ACCOUNT,
        .token_url = pq_strdup("https://sts.googleapis.com/v1/token"),
        .audience = pq_asprintf("//iam.googleapis.com/%s", provider_of(ask->entry)),
        .subject_token_type = pq_strdup("urn:ietf:params:oauth:token-type:jwt"),
        .source = {.type = PQ_GOOGLE_FROM_CI},
    };
    out->where = pq_strdup(ask->where);
}

static void identity_of_device(const pq_auth_ask *ask, identity *out)
{
    out->file = (pq_google_file){
        .type = PQ_GOOGLE_EXTERNAL_ACCOUNT,
        .token_url = pq_strdup("https://sts.mtls.googleapis.com/v1/token"),
        .audience = pq_strdup(ask->entry->audience.text),
        .subject_token_type = pq_strdup("urn:ietf:params:oauth:token-type:mtls"),
        .source = {.type = PQ_GOOGLE_FROM_DEVICE},
    };
    out->where = pq_strdup(ask->secret_name);
}

static bool read_file(const void *bytes, size_t length, identity *out, pq_errors *errors)
{
    return pq_google_file_read(bytes, length, out->where, &out->file, errors) &&
           pq_google_file_bounded(&out->file, out->trust, out->where, errors);
}

static bool uses_program(const pq_google_file *file)
{
    return file->base ? uses_program(file->base)
                      : file->type == PQ_GOOGLE_EXTERNAL_ACCOUNT && file->source.type == PQ_GOOGLE_FROM_EXECUTABLE;
}

static bool identity_of_environment(identity *out, pq_errors *errors)
{
    PQ_AUTO_BUF bytes = PQ_SENSITIVE_BUF(PQ_MAX_SECRET);
    PQ_AUTO_ERROR err = {0};
    out->trust = PQ_GOOGLE_OWN;
    if (!pq_google_default_read(&bytes, &out->path, &err)) {
        pq_errors_take(errors, &err);
        return false;
    }
    out->metadata = out->path == NULL;
    if (out->metadata)
        return true;
    out->where = pq_strdup(out->path);
    if (!read_file(pq_buf_text(&bytes), bytes.length, out, errors))
        return false;
    if (!uses_program(&out->file) || pq_trust_to_run(out->path, &err))
        return true;
    pq_errors_take(errors, &err);
    return false;
}

/* `out` is the caller's to clear, also on failure. */
static bool find_identity(const pq_auth_ask *ask, identity *out, pq_errors *errors)
{
    *out = (identity){0};
    switch (ask->entry->auth) {
    case PQ_AUTH_OIDC:
        identity_of_ci(ask, out);
        return true;
    case PQ_AUTH_ENVIRONMENT:
        return identity_of_environment(out, errors);
    case PQ_AUTH_FEDERATION:
        identity_of_device(ask, out);
        return true;
    default: /* a file in a secret, or a file */
        break;
    }
    out->trust = PQ_GOOGLE_SECRET;
    out->where = pq_strdup(ask->secret_name);
    return read_file(pq_secret_bytes(ask->secret), pq_secret_length(ask->secret), out, errors);
}

/* --- words -------------------------------------------------------------------------------------------------------- */

/* `account` is the metadata server's word for who we are, or NULL. */
static char *source_of(const pq_auth_ask *ask, const identity *who, const char *account)
{
    PQ_AUTO_FREE char *place = ask->entry->auth == PQ_AUTH_OIDC ? pq_oidc_source(ask->entry)
                               : who->metadata                  ? pq_strdup("metadata server")
                                                                : pq_strdup(who->where);
    const char *named = ask->entry->service_account.text ? ask->entry->service_account.text : account;
    PQ_AUTO_FREE char *whom = named            ? pq_asprintf("service account %s", named)
                              : !who->metadata ? pq_google_file_who(&who->file)
                                               : NULL;
    return whom ? pq_asprintf("%s, %s", place, whom) : pq_steal(place);
}

/* --- the token ---------------------------------------------------------------------------------------------------- */

/* The subject token that a file cannot name; `*out_known` is false when the file does. */
static bool own_subject(const pq_auth_ask *ask, const pq_google_file *file, pq_secret **out, bool *out_known,
                        pq_error *err)
{
    *out_known = true;
    if (file->source.type == PQ_GOOGLE_FROM_CI) {
        PQ_AUTO_FREE char *audience = audience_of(ask->entry);
        const pq_oidc_ask oidc = oidc_ask(ask, audience);
        return pq_oidc_token(&oidc, out, err);
    }
    if (file->source.type == PQ_GOOGLE_FROM_DEVICE) {
        const pq_certificate *certificate = pq_identity_certificate(ask->identity);
        return pq_google_certificate_check(certificate, ask->where, err) &&
               pq_google_certificate_token(certificate, certificate, ask->where, out, err);
    }
    *out_known = false;
    return true;
}

static bool exchange(const pq_auth_ask *ask, const pq_google_ask *google, const identity *who,
                     const pq_google_file *file, const char *scope, pq_access_token *out, pq_error *err)
{
    PQ_AUTO_GOOGLE_SUBJECT subject = {0};
    bool own = false;
    if (!own_subject(ask, file, &subject.token, &own, err) ||
        (!own && !pq_google_subject_get(google, file, who->trust, who->where, &subject, err)))
        return false;
    const pq_http_identity device = pq_device_http(ask->identity);
    const pq_http_trust trust = {.client_cert = subject.certificate, .client_key = subject.key};
    const pq_google_exchange call = {.token_url = file->token_url,
                                     .audience = file->audience,
                                     .subject_token_type = file->subject_token_type,
                                     .subject_token = subject.token,
                                     .scope = scope,
                                     .user_project = file->user_project,
                                     .client_id = file->client_id,
                                     .client_secret = file->client_secret,
                                     .trust = subject.certificate ? &trust : NULL,
                                     .identity = ask->identity ? &device : NULL};
    return pq_google_exchange_token(google, &call, out, err);
}

static bool token_of_file(const pq_auth_ask *ask, const pq_google_ask *google, const identity *who,
                          const pq_google_file *file, const char *scope, pq_access_token *out, pq_error *err)
{
    PQ_AUTO_ACCESS_TOKEN base = {0};
    const char *asked = file->impersonation_url ? PQ_GOOGLE_IAM_SCOPE : scope;
    pq_access_token *to = file->impersonation_url ? &base : out;
    bool good = false;
    switch (file->type) {
    case PQ_GOOGLE_SERVICE_ACCOUNT:
        good = pq_google_key_token(google, file, who->where, asked, to, err);
        break;
    case PQ_GOOGLE_AUTHORIZED_USER:
        good = pq_google_login_token(google, file, to, err);
        break;
    case PQ_GOOGLE_EXTERNAL_ACCOUNT:
        good = exchange(ask, google, who, file, asked, to, err);
        break;
    case PQ_GOOGLE_IMPERSONATED:
        good = token_of_file(ask, google, who, file->base, asked, to, err);
        break;
    }
    if (!good || !file->impersonation_url)
        return good;
    PQ_AUTO_FREE char *account = pq_google_impersonated_account(file->impersonation_url);
    const pq_google_impersonation as = {.url = file->impersonation_url,
                                        .account = account,
                                        .lifetime = file->impersonation_lifetime,
                                        .scope = scope,
                                        .delegates = &file->delegates,
                                        .federated = file->type == PQ_GOOGLE_EXTERNAL_ACCOUNT};
    return pq_google_impersonate(google, &as, &base, out, err);
}

/* The entry's own `service_account` comes on top of whatever identity there is. `*account` is the metadata server's
 * word for who we are. */
static bool token_of(const pq_auth_ask *ask, const identity *who, char **account, pq_access_token *out, pq_error *err)
{
    enum { LIFETIME = 3600 };
    const pq_google_ask google = {.where = ask->host, .send = ask->run->send, .send_context = ask->run->send_context};
    const char *wanted = ask->entry->service_account.text;
    PQ_AUTO_ACCESS_TOKEN base = {0};
    pq_access_token *to = wanted ? &base : out;
    const char *scope = wanted ? PQ_GOOGLE_IAM_SCOPE : PQ_GOOGLE_READ_SCOPE;
    bool good = who->metadata ? pq_google_metadata_token(&google, to, account, err)
                              : token_of_file(ask, &google, who, &who->file, scope, to, err);
    if (!good || !wanted)
        return good;
    PQ_AUTO_FREE char *url = pq_google_impersonation_url(wanted);
    const pq_google_impersonation as = {.url = url,
                                        .account = wanted,
                                        .lifetime = LIFETIME,
                                        .scope = PQ_GOOGLE_READ_SCOPE,
                                        .federated = who->file.type == PQ_GOOGLE_EXTERNAL_ACCOUNT &&
                                                     !who->file.impersonation_url};
    return pq_google_impersonate(&google, &as, &base, out, err);
}

static bool get(const pq_auth_ask *ask, pq_credential *out, pq_error *err)
{
    PQ_AUTO_ERRORS errors = {0};
    AUTO_IDENTITY who = {0};
    if (!find_identity(ask, &who, &errors)) {
        pq_error_move(err, &errors.at[0]);
        return false;
    }
    PQ_AUTO_ACCESS_TOKEN token = {0};
    PQ_AUTO_FREE char *account = NULL;
    bool good = token_of(ask, &who, &account, &token, err);
    PQ_AUTO_FREE char *source = source_of(ask, &who, account);
    if (!good)
        return err->code == PQ_ECONFIG || err->code == PQ_EINTERRUPTED ? false : pq_error_wrap(err, "%s", source);
    *out = (pq_credential){.username = pq_strdup(user),
                           .secret = pq_steal(token.token),
                           .expires = token.expires,
                           .source = pq_steal(source)};
    return true;
}

/* --- offline ------------------------------------------------------------------------------------------------------ */

static bool check_file(const pq_google_file *file, const char *where, pq_error *err)
{
    if (file->base)
        return check_file(file->base, where, err);
    if (file->type == PQ_GOOGLE_SERVICE_ACCOUNT)
        return pq_google_key_check(file, where, err);
    return file->type != PQ_GOOGLE_EXTERNAL_ACCOUNT || pq_google_subject_check(file, where, err);
}

static bool check(const pq_auth_ask *ask, pq_errors *errors)
{
    PQ_AUTO_ERROR err = {0};
    AUTO_IDENTITY who = {0};
    if (!find_identity(ask, &who, errors))
        return false;
    bool good = true;
    if (ask->entry->auth == PQ_AUTH_OIDC) {
        PQ_AUTO_FREE char *audience = audience_of(ask->entry);
        const pq_oidc_ask oidc = oidc_ask(ask, audience);
        good = pq_oidc_check(&oidc, &err);
    } else if (ask->identity) {
        pq_device_warn_of_use(ask->identity);
        good = pq_google_certificate_check(pq_identity_certificate(ask->identity), ask->where, &err);
    } else if (!who.metadata) {
        good = check_file(&who.file, who.where, &err);
    }
    if (!good)
        pq_errors_take(errors, &err);
    return good;
}

/* The environment's identity may change from one run to the next: what it is made of is in the key, as a hash. Owned.
 */
static char *environment_key(void)
{
    PQ_AUTO_BUF bytes = PQ_SENSITIVE_BUF(PQ_MAX_SECRET);
    PQ_AUTO_FREE char *path = NULL;
    PQ_AUTO_ERROR err = {0};
    bool read = pq_google_default_read(&bytes, &path, &err);
    if (read && path) {
        PQ_AUTO_FREE char *digest = pq_sha256_digest(pq_buf_text(&bytes), bytes.length);
        return pq_asprintf("%s %s", path, digest);
    }
    PQ_AUTO_FREE char *metadata = pq_google_metadata_url();
    return pq_asprintf("metadata %s", metadata ? metadata : "-");
}

/* No host is in it: what opens one registry of Google's opens all that the identity may read. */
static char *share_key(const pq_auth_ask *ask)
{
    const pq_config_registry *entry = ask->entry;
    PQ_AUTO_FREE char *who = NULL;
    if (entry->auth == PQ_AUTH_ENVIRONMENT)
        who = environment_key();
    else if (entry->auth == PQ_AUTH_OIDC) {
        PQ_AUTO_FREE char *job = pq_oidc_share_key(entry);
        who = pq_asprintf("%s %s", provider_of(entry), job);
    } else if (ask->identity) {
        PQ_AUTO_FREE char *certificate = pq_device_key(ask->identity);
        who = pq_asprintf("%s %s", entry->audience.text, certificate);
    }
    return pq_asprintf("gar %s%s%s as %s", ask->secret_name, who ? " " : "", who ? who : "",
                       entry->service_account.text ? entry->service_account.text : "itself");
}

const pq_auth_kind pq_auth_kind_gar = {.type = PQ_REGISTRY_GAR, .check = check, .share_key = share_key, .get = get};
