#include "device/check/offline.h"

#include "auth/common/device_identity.h"
#include "base/file.h"
#include "base/limits.h"

void pq_device_facts_clear(pq_device_facts *facts)
{
    free(facts->name);
    free(facts->key_words);
    *facts = (pq_device_facts){0};
}

/* --- the identity ------------------------------------------------------------------------------------------------- */

static bool check_trust(const pq_config *config, pq_errors *errors)
{
    const pq_setting *ca = &config->device.ca;
    if (!ca->text)
        return true;
    PQ_AUTO_FREE char *line = pq_config_where(config, ca->line);
    PQ_AUTO_FREE char *where = pq_asprintf("%s: %s", line, ca->text);
    PQ_AUTO_BUF text = PQ_BUF(PQ_MAX_SECRET);
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_CERTIFICATE *first = NULL;
    if (!pq_read_file(ca->text, &text, &err)) {
        err.code = PQ_ECONFIG;
        free(err.where);
        err.where = pq_steal(where);
        (void)pq_error_wrap(&err, "the gateway's trust");
    } else if (pq_certificate_from_pem(pq_buf_text(&text), text.length, where, &first, &err)) {
        return true;
    }
    pq_errors_take(errors, &err);
    return false;
}

static bool check_identity(const pq_config *config, pq_device_facts *out, pq_errors *errors)
{
    PQ_AUTO_DEVICE_PLACE place = pq_device_place_of(config);
    PQ_AUTO_IDENTITY *identity = NULL;
    PQ_AUTO_ERROR err = {0};
    bool good = pq_identity_examine(&place.at, &identity, errors);
    out->key_in_token = pq_identity_is_token(place.at.key);
    if (!identity)
        return false;
    const pq_certificate *certificate = pq_identity_certificate(identity);
    out->name = pq_strdup(pq_certificate_name(certificate));
    out->key_words = pq_certificate_key_words(certificate);
    out->begins = pq_certificate_begins(certificate);
    out->ends = pq_certificate_ends(certificate);
    if (!pq_identity_judge_dates(identity, pq_now(), &out->ends_soon, &err)) {
        err.code = PQ_ECONFIG;
        pq_errors_take(errors, &err);
        good = false;
    }
    pq_device_warn_of_use(identity);
    return good;
}

/* --- the entries -------------------------------------------------------------------------------------------------- */

/* A host that an entry serves. */
static const char *host_of(const pq_config_registry *entry)
{
    return entry->host.text ? entry->host.text : "us-docker.pkg.dev";
}

bool pq_device_check(pq_auth *auth, const pq_config *config, pq_device_facts *out, pq_errors *errors)
{
    size_t before = errors->count;
    if (!config->device.line)
        return pq_auth_check(auth, errors);
    out->good = check_identity(config, out, errors);
    bool trusted = check_trust(config, errors);
    PQ_AUTO_STRINGS hosts = {0};
    for (size_t i = 0; i < config->registry_count; i++) {
        pq_config_auth way = config->registries[i].auth;
        if (way == PQ_AUTH_FILE || (out->good && (trusted || way != PQ_AUTH_GATEWAY)))
            pq_strings_add(&hosts, host_of(&config->registries[i]));
    }
    return pq_auth_check_hosts(auth, &hosts, errors) && errors->count == before;
}
