/* A registry whose user and password a device gateway hands out (hub_creds.h). What the gateway gives is sent to the
 * entry's own host and to no other. */
#include "auth/common/kind.h"
#include "auth/common/device_identity.h"
#include "auth/gateway/hub_creds.h"
#include "base/file.h"
#include "base/limits.h"

/* identity.ca, or NULL. */
static const pq_setting *ca_of(const pq_auth_ask *ask)
{
    return &ask->run->config->device.ca;
}

static bool check(const pq_auth_ask *ask, pq_errors *errors)
{
    const pq_setting *ca = ca_of(ask);
    PQ_AUTO_BUF text = PQ_BUF(PQ_MAX_SECRET);
    PQ_AUTO_CERTIFICATE *unused = NULL;
    PQ_AUTO_ERROR err = {0};
    pq_device_warn_of_use(ask->identity);
    if (!ca->text)
        return true;
    PQ_AUTO_FREE char *said = pq_config_where(ask->run->config, ca->line);
    PQ_AUTO_FREE char *where = pq_asprintf("%s: %s", said, ca->text);
    if (pq_read_file(ca->text, &text, &err) &&
        pq_certificate_from_pem(pq_buf_text(&text), text.length, where, &unused, &err))
        return true;
    (void)pq_error_at(&err, where);
    return pq_errors_add(errors, PQ_ECONFIG, where, err.hint, "identity.ca, which the gateway is trusted by: %s",
                         err.message);
}

static char *share_key(const pq_auth_ask *ask)
{
    PQ_AUTO_FREE char *certificate = pq_device_key(ask->identity);
    const char *ca = ca_of(ask)->text;
    return pq_asprintf("gateway %s %s %s ca=%s", ask->host, ask->entry->gateway.text, certificate, ca ? ca : "");
}

static bool get(const pq_auth_ask *ask, pq_credential *out, pq_error *err)
{
    const pq_hub_creds_call call = {.gateway = ask->entry->gateway.text,
                                    .ca_file = ca_of(ask)->text,
                                    .identity = ask->identity,
                                    .where = ask->host,
                                    .send = ask->run->send,
                                    .send_context = ask->run->send_context};
    if (!pq_hub_creds_get(&call, out, err))
        return err->code == PQ_EINTERRUPTED ? false : pq_error_wrap(err, "gateway %s", call.gateway);
    out->source = pq_asprintf("gateway %s, certificate %s", call.gateway,
                              pq_certificate_name(pq_identity_certificate(ask->identity)));
    return true;
}

const pq_auth_kind pq_auth_kind_gateway = {
    .type = PQ_REGISTRY_GATEWAY, .check = check, .share_key = share_key, .get = get};
