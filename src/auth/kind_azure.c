/* Azure Container Registry with the id and password of a service principal, or of a scoped token: both go to the
 * registry as they are (Azure/acr, docs/Token-BasicAuth.md). */
#include "auth/kind.h"

static const char form[] = "<ID>:<PASSWORD>, the application id and its client secret";

static const char *not_built_in(const pq_config_registry *entry, unsigned *line)
{
    if (entry->auth != PQ_AUTH_SECRET) {
        *line = entry->auth_line;
        return entry->auth == PQ_AUTH_OIDC ? "auth: oidc" : "auth: environment";
    }
    const struct {
        const char *name;
        const pq_setting *value;
    } settings[] = {{"azure_tenant", &entry->azure_tenant},
                    {"azure_client_id", &entry->azure_client_id},
                    {"azure_cert_secret_name", &entry->azure_cert_secret}};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (settings[i].value->text) {
            *line = settings[i].value->line;
            return settings[i].name;
        }
    return NULL;
}

static bool check(const pq_auth_ask *ask, pq_errors *errors)
{
    PQ_AUTO_CREDENTIAL pair = {0};
    return pq_pair_read(ask->secret, ask->secret_name, form, &pair, errors);
}

static char *share_key(const pq_auth_ask *ask)
{
    return pq_asprintf("azure %s %s", ask->secret_name, ask->host);
}

static bool get(const pq_auth_ask *ask, pq_credential *out, pq_error *err)
{
    PQ_AUTO_ERRORS errors = {0};
    if (pq_pair_read(ask->secret, ask->secret_name, form, out, &errors))
        return true;
    pq_error_move(err, &errors.at[0]);
    return false;
}

const pq_auth_kind pq_auth_kind_azure = {
    .type = PQ_REGISTRY_AZURE, .not_built_in = not_built_in, .check = check, .share_key = share_key, .get = get};
