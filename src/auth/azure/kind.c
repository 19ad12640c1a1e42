/* Azure Container Registry. The id and password of a service principal, or of a scoped token, go to the registry as
 * they are (Azure/acr, docs/Token-BasicAuth.md); every other identity goes through Entra ID, whose token the registry
 * takes for a refresh token of its own. */
#include "auth/common/kind.h"
#include "auth/azure/acr.h"
#include "auth/azure/identity.h"
#include "auth/common/pair.h"
#include "config/host.h"

/* Without a tenant nobody knows where to log in: the registry does it itself. */
static bool is_plain(const pq_config_registry *entry)
{
    return entry->auth == PQ_AUTH_FILE ||
           (entry->auth == PQ_AUTH_SECRET && entry->secret.text && !entry->azure_tenant.text);
}

static bool read_pair(const pq_auth_ask *ask, pq_credential *out, pq_errors *errors)
{
    return pq_pair_read(ask->secret, ask->secret_name, "<ID>:<PASSWORD>, the application id and its client secret", out,
                        errors);
}

static bool check(const pq_auth_ask *ask, pq_errors *errors)
{
    PQ_AUTO_CREDENTIAL pair = {0};
    PQ_AUTO_AZURE_IDENTITY identity = {0};
    if (!is_plain(ask->entry))
        return pq_azure_identity_find(ask, &identity, errors);
    if (ask->entry->azure_client_id.text)
        return pq_errors_add(errors, PQ_ECONFIG, ask->where, "add azure_tenant, or remove azure_client_id",
                             "azure_client_id has a meaning only with azure_tenant, `auth: oidc` or "
                             "`auth: environment`");
    return read_pair(ask, &pair, errors);
}

static char *share_key(const pq_auth_ask *ask)
{
    PQ_AUTO_ERRORS ignored = {0}; /* get() will say what is wrong */
    PQ_AUTO_AZURE_IDENTITY identity = {0};
    if (is_plain(ask->entry) || !pq_azure_identity_find(ask, &identity, &ignored))
        return pq_asprintf("azure %s %s", ask->secret_name, ask->host);
    PQ_AUTO_FREE char *who = pq_azure_identity_key(ask, &identity);
    return pq_asprintf("azure %s %s", ask->host, who);
}

static bool fail_first(pq_errors *errors, pq_error *err)
{
    pq_error_move(err, &errors->at[0]);
    return false;
}

static bool exchange(const pq_auth_ask *ask, const pq_azure_identity *identity, pq_credential *out, pq_error *err)
{
    pq_azure_cloud cloud;
    PQ_AUTO_ACCESS_TOKEN token = {0};
    if (!pq_acr_host_parse(ask->host, &cloud))
        return pq_fail(err, PQ_ECONFIG, ask->where, NULL, "%s is not the host of a registry of Azure", ask->host);
    if (!pq_azure_identity_token(ask, identity, &token, err))
        return false;
    const pq_acr_call call = {.host = ask->host,
                              .tenant = identity->tenant,
                              .access_token = token.token,
                              .send = ask->run->send,
                              .send_context = ask->run->send_context};
    return pq_acr_exchange(&call, out, err);
}

static bool get(const pq_auth_ask *ask, pq_credential *out, pq_error *err)
{
    PQ_AUTO_ERRORS errors = {0};
    PQ_AUTO_AZURE_IDENTITY identity = {0};
    if (is_plain(ask->entry))
        return read_pair(ask, out, &errors) || fail_first(&errors, err);
    if (!pq_azure_identity_find(ask, &identity, &errors))
        return fail_first(&errors, err);
    if (!exchange(ask, &identity, out, err))
        return err->code == PQ_ECONFIG || err->code == PQ_EINTERRUPTED ? false
                                                                       : pq_error_wrap(err, "%s", identity.words);
    out->source = pq_steal(identity.words);
    return true;
}

const pq_auth_kind pq_auth_kind_azure = {.type = PQ_REGISTRY_AZURE, .check = check, .share_key = share_key, .get = get};
