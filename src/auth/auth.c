#include "auth/auth.h"

#include <string.h>

#include "auth/aws/keys.h"
#include "auth/common/device_identity.h"
#include "auth/common/kind.h"
#include "auth/common/pair.h"
#include "auth/static_file.h"
#include "base/limits.h"
#include "base/log.h"
#include "config/device.h"
#include "config/host.h"

/* A token that ends sooner than this is asked for anew. */
enum { REFRESH_BEFORE = 5 * 60 };

static const pq_auth_kind *const kinds[] = {
    [PQ_REGISTRY_AWS] = &pq_auth_kind_aws,         [PQ_REGISTRY_AZURE] = &pq_auth_kind_azure,
    [PQ_REGISTRY_GAR] = &pq_auth_kind_gar,         [PQ_REGISTRY_GENERIC] = &pq_auth_kind_generic,
    [PQ_REGISTRY_GATEWAY] = &pq_auth_kind_gateway,
};

/* An answer, good or bad, and the hosts that it was given for. */
typedef struct remembered {
    char *key;
    char *entry; /* its name in the cache */
    pq_strings hosts;
    pq_credential credential;
    pq_error failure; /* code PQ_OK when the credential is good */
} remembered;

struct pq_auth {
    pq_auth_options options;
    char *hub_host; /* normal form, NULL without a hub */
    remembered *answers;
    size_t count, capacity;
    pq_auth_run run;
    pq_identity *device;   /* of a device.yml; opened when it is first needed */
    pq_error device_fault; /* or why it cannot be */
};

static void remembered_clear(remembered *item)
{
    free(item->key);
    free(item->entry);
    pq_strings_clear(&item->hosts);
    pq_credential_clear(&item->credential);
    pq_error_clear(&item->failure);
}

static bool send_by_http(void *context, const pq_http_request *request, pq_http_answer *out, pq_error *err)
{
    return pq_http_do(context, request, out, err);
}

/* `host[:port]` as hosts are compared; what is no such name stays as it is, and nothing serves it. Owned. */
static char *normal_host(const char *host)
{
    char *normal = pq_host_asked(host);
    return normal ? normal : pq_strdup(host);
}

pq_auth *pq_auth_new(const pq_auth_options *options)
{
    pq_auth *auth = pq_alloc(1, sizeof *auth);
    auth->options = *options;
    bool own = options->send != NULL;
    auth->run = (pq_auth_run){.config = options->config,
                              .secrets = options->secrets,
                              .once = options->once,
                              .ask_who = options->ask_who,
                              .send = own ? options->send : send_by_http,
                              .send_context = own ? options->send_context : options->http,
                              .aws_memory = pq_aws_memory_new()};
    const char *hub = options->hub_host;
    if (!hub && options->config)
        hub = options->config->hub.host.text;
    auth->hub_host = hub ? normal_host(hub) : NULL;
    return auth;
}

void pq_auth_free(pq_auth *auth)
{
    if (!auth)
        return;
    for (size_t i = 0; i < auth->count; i++)
        remembered_clear(&auth->answers[i]);
    free(auth->answers);
    pq_aws_memory_free(auth->run.aws_memory);
    pq_access_tokens_clear(&auth->run.tokens);
    pq_identity_free(auth->device);
    pq_error_clear(&auth->device_fault);
    free(auth->hub_host);
    free(auth);
}

void pq_auth_cleanup(pq_auth **auth)
{
    pq_auth_free(*auth);
}

/* --- who serves a host -------------------------------------------------------------------------------------------- */

static bool is_hub(const pq_auth *auth, const char *host)
{
    return pq_streq(auth->hub_host, host);
}

static const pq_config_registry *entry_for(const pq_auth *auth, const char *host)
{
    return auth->options.config ? pq_config_registry_for_host(auth->options.config, host) : NULL;
}

const char *pq_auth_access(const pq_auth *auth, const char *host)
{
    PQ_AUTO_FREE char *normal = normal_host(host);
    const pq_config_registry *entry = entry_for(auth, normal);
    if (entry)
        return pq_registry_type_name(entry->type);
    return is_hub(auth, normal) ? "hub" : "anonymous";
}

char *pq_auth_group(const pq_auth *auth, const char *host)
{
    PQ_AUTO_FREE char *normal = normal_host(host);
    const pq_config_registry *entry = entry_for(auth, normal);
    if (!entry || entry->type == PQ_REGISTRY_GENERIC)
        return NULL;
    const pq_setting *const parts[] = {
        &entry->secret,          &entry->profile,           &entry->role_arn,          &entry->azure_tenant,
        &entry->azure_client_id, &entry->azure_cert_secret, &entry->service_account,   &entry->oidc_audience,
        &entry->oidc_token_env,  &entry->oidc_token_file,   &entry->iot_endpoint,      &entry->iot_role_alias,
        &entry->iot_thing_name,  &entry->profile_arn,       &entry->anywhere_role_arn, &entry->trust_anchor_arn,
        &entry->audience,        &entry->gateway,           &entry->credentials_file};
    PQ_AUTO_BUF group = PQ_BUF(PQ_MAX_TEXT);
    pq_buf_addf(&group, "%s %d", pq_registry_type_name(entry->type), (int)entry->auth);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        pq_buf_addf(&group, " %s", parts[i]->text ? parts[i]->text : "");
    return pq_buf_steal(&group);
}

/* --- what was answered before ------------------------------------------------------------------------------------- */

static bool is_fresh(const remembered *item)
{
    return item->failure.code != PQ_OK || item->credential.expires == 0 ||
           item->credential.expires - pq_now() > REFRESH_BEFORE;
}

static void drop(pq_auth *auth, size_t index)
{
    remembered_clear(&auth->answers[index]);
    auth->answers[index] = auth->answers[--auth->count];
    auth->answers[auth->count] = (remembered){0};
}

/* The answer for a host, or for a key, when it is still good; else it is let go. */
static remembered *recall(pq_auth *auth, const char *host, const char *key)
{
    for (size_t i = 0; i < auth->count; i++) {
        remembered *item = &auth->answers[i];
        if (host ? !pq_strings_have(&item->hosts, host) : !pq_streq(item->key, key))
            continue;
        if (is_fresh(item))
            return item;
        drop(auth, i);
        return NULL;
    }
    return NULL;
}

static bool give(const remembered *item, const char *host, pq_credential *out, pq_error *err)
{
    if (item->failure.code == PQ_OK) {
        pq_credential_copy(&item->credential, out);
        return true;
    }
    /* What a cloud said once holds for each host that it was asked for. */
    return pq_fail(err, item->failure.code, item->failure.where ? item->failure.where : host, item->failure.hint, "%s",
                   item->failure.message);
}

void pq_auth_forget(pq_auth *auth, const char *host)
{
    PQ_AUTO_FREE char *normal = normal_host(host);
    for (size_t i = auth->count; i-- > 0;)
        if (pq_strings_have(&auth->answers[i].hosts, normal)) {
            pq_cache_forget(auth->options.cache, auth->answers[i].entry);
            drop(auth, i);
        }
    /* The keys behind it may be what is wrong. */
    pq_aws_memory_forget(auth->run.aws_memory);
}

const char *pq_auth_cache_entry(const pq_auth *auth, const char *host)
{
    PQ_AUTO_FREE char *normal = normal_host(host);
    for (size_t i = 0; i < auth->count; i++)
        if (pq_strings_have(&auth->answers[i].hosts, normal))
            return auth->answers[i].entry;
    return NULL;
}

/* --- registries --------------------------------------------------------------------------------------------------- */

/* What the entry's identity is made of, for sending to a host, and the words for it. */
typedef struct identity {
    pq_secret *secret;         /* NULL when the entry names none */
    const pq_identity *device; /* borrowed; NULL when it is not that */
    char *name, *where;
} identity;

static void identity_clear(identity *who)
{
    pq_secret_free(who->secret);
    free(who->name);
    free(who->where);
}
#define AUTO_IDENTITY PQ_CLEANUP(identity_clear) identity

/* Opened once; a key in a token is slow to reach. */
static bool find_device(pq_auth *auth, const pq_identity **out, pq_error *err)
{
    const pq_config *config = auth->options.config;
    PQ_AUTO_DEVICE_PLACE place = pq_device_place_of(config);
    const pq_error *fault = &auth->device_fault;
    if (!auth->device && (fault->code != PQ_OK || !pq_identity_open(&place.at, &auth->device, &auth->device_fault)))
        return pq_fail(err, fault->code, fault->where, fault->hint, "%s", fault->message);
    *out = auth->device;
    bool soon = false;
    if (!pq_identity_judge_dates(auth->device, pq_now(), &soon, err))
        return false;
    if (soon) {
        char ends[PQ_TIME_TEXT];
        pq_time_text(pq_certificate_ends(pq_identity_certificate(auth->device)), ends);
        pq_warn(place.certificate_where, "have a new one issued while this one is good",
                "the device's certificate ends at %s", ends);
    }
    return true;
}

static bool find_identity(pq_auth *auth, const pq_config_registry *entry, const char *host, identity *out,
                          pq_error *err)
{
    const char *way = pq_config_device_way(entry->auth);
    if (way && entry->auth != PQ_AUTH_FILE) {
        out->where = pq_config_where(auth->options.config, entry->auth_line);
        out->name = pq_strdup(way);
        return find_device(auth, &out->device, err);
    }
    if (entry->auth == PQ_AUTH_FILE) {
        out->where = pq_config_where(auth->options.config, entry->auth_line);
        out->name = pq_asprintf("file %s", entry->credentials_file.text);
        return pq_static_file_read(entry, out->where, &out->secret, err);
    }
    const pq_setting *named = entry->secret.text ? &entry->secret : &entry->azure_cert_secret;
    if (entry->auth != PQ_AUTH_SECRET) {
        out->where = pq_config_where(auth->options.config, entry->auth_line);
        out->name = pq_asprintf("auth: %s", entry->auth == PQ_AUTH_OIDC ? "oidc" : "environment");
        return true;
    }
    out->where = pq_config_where(auth->options.config, named->line);
    out->name = pq_asprintf("secret %s", named->text);
    return pq_secrets_get(auth->options.secrets, named->text, host, &out->secret, err) || pq_error_at(err, out->where);
}

static pq_auth_ask make_ask(pq_auth *auth, const pq_config_registry *entry, const char *host, const identity *who)
{
    return (pq_auth_ask){.entry = entry,
                         .secret = who->secret,
                         .identity = who->device,
                         .secret_name = who->name,
                         .where = who->where,
                         .host = host,
                         .run = &auth->run};
}

typedef struct question {
    const pq_auth_kind *kind;
    const pq_auth_ask *ask;
} question;

static bool ask_kind(void *context, pq_credential *out, pq_error *err)
{
    const question *q = context;
    return q->kind->get(q->ask, out, err);
}

/* Asks the cloud and remembers what it says. Others may ask here while we wait, so that nothing of the list is held on
 * to meanwhile. False when we were interrupted. */
static bool fetch(pq_auth *auth, question *q, const char *key, remembered **out, pq_error *err)
{
    PQ_AUTO_CREDENTIAL credential = {0};
    PQ_AUTO_ERROR failure = {0};
    PQ_AUTO_FREE char *entry = pq_cache_name(key, q->ask->secret);
    if (!pq_cache_get(auth->options.cache, entry, auth->options.manner, ask_kind, q, &credential, &failure) &&
        failure.code == PQ_EINTERRUPTED) {
        pq_error_move(err, &failure);
        return false;
    }
    /* What names this host would name the wrong one for the others. */
    if (pq_streq(failure.where, q->ask->host))
        free(pq_steal(failure.where));
    auth->answers = pq_grow(auth->answers, &auth->capacity, auth->count + 1, sizeof *auth->answers);
    *out = &auth->answers[auth->count++];
    **out = (remembered){.key = pq_strdup(key), .entry = pq_steal(entry), .credential = credential, .failure = failure};
    credential = (pq_credential){0};
    failure = (pq_error){0};
    return true;
}

static bool get_by_entry(pq_auth *auth, const pq_config_registry *entry, const char *host, const char *repository,
                         pq_credential *out, pq_error *err)
{
    const pq_auth_kind *kind = kinds[entry->type];
    remembered *known = recall(auth, host, NULL);
    if (known)
        return give(known, host, out, err);
    /* Also when another host has fetched the answer already: this one may not be among those the secret is bound to. */
    AUTO_IDENTITY who = {0};
    if (!find_identity(auth, entry, host, &who, err))
        return false;
    pq_auth_ask ask = make_ask(auth, entry, host, &who);
    ask.repository = repository;
    PQ_AUTO_FREE char *key = kind->share_key(&ask);
    known = recall(auth, NULL, key);
    question q = {.kind = kind, .ask = &ask};
    if (!known && !fetch(auth, &q, key, &known, err))
        return false;
    (void)pq_strings_add_once(&known->hosts, host);
    return give(known, host, out, err);
}

/* --- the hub ------------------------------------------------------------------------------------------------------ */

static const char hub_form[] = "<user>:<token>";

/* osftok is what a FoundriesFactory puts there: a bare token, for which any user name will do (ci-scripts log in as
 * "doesntmatter"). */
static bool read_hub_secret(const char *name, const pq_secret *secret, pq_credential *out, pq_errors *errors)
{
    PQ_AUTO_FREE char *where = pq_asprintf("secret %s", name);
    size_t length = pq_secret_length(secret);
    const char *text = pq_secret_bytes(secret);
    if (!pq_streq(name, "osftok") || memchr(text, ':', length))
        return pq_pair_read(secret, where, hub_form, out, errors);
    PQ_AUTO_BUF pair = PQ_SENSITIVE_BUF(length + 32);
    pq_buf_adds(&pair, "doesntmatter:");
    pq_buf_add(&pair, text, length);
    PQ_AUTO_SECRET *padded = pq_secret_from_buf(&pair);
    return pq_pair_read(padded, where, hub_form, out, errors);
}

/* The hub's secret by its name or its usual names. `*out` stays NULL when nobody named one and there is none. */
static bool find_hub_secret(pq_auth *auth, const char *host, const char **out_name, pq_secret **out, pq_error *err)
{
    static const char *const usual[] = {"hub_creds", "osftok"};
    const pq_config *config = auth->options.config;
    const char *named = auth->options.hub_secret;
    PQ_AUTO_FREE char *where = NULL;
    if (!named && config && config->hub.secret.text) {
        named = config->hub.secret.text;
        where = pq_config_where(config, config->hub.secret.line);
    }
    if (named) {
        *out_name = named;
        return pq_secrets_get(auth->options.secrets, named, host, out, err) ||
               pq_error_at(err, where ? where : "--hub-secret");
    }
    for (size_t i = 0; i < sizeof usual / sizeof *usual && !*out; i++) {
        PQ_AUTO_SECRET_FOUND found = {0};
        bool here = false;
        if (!pq_secrets_find(auth->options.secrets, usual[i], host, &found, &here, err))
            return false;
        *out_name = usual[i];
        *out = here ? pq_steal(found.value) : NULL;
    }
    return true;
}

/* `out` stays empty when nobody named a secret and there is none. */
static bool get_hub(pq_auth *auth, const char *host, pq_credential *out, pq_error *err)
{
    const char *name = NULL;
    PQ_AUTO_SECRET *secret = NULL;
    PQ_AUTO_ERRORS errors = {0};
    if (!find_hub_secret(auth, host, &name, &secret, err))
        return false;
    pq_credential_clear(out);
    if (!secret || read_hub_secret(name, secret, out, &errors))
        return true;
    pq_error_move(err, &errors.at[0]);
    return false;
}

static const char no_hub_secret[] =
    "no secret for the hub: neither hub_creds nor osftok, and hub_secret_name is not set";
static const char make_hub_secret[] = "pratique secrets update hub_creds=<user>:<token>";

bool pq_auth_get_hub(pq_auth *auth, pq_credential *out, pq_error *err)
{
    if (!auth->hub_host)
        return pq_fail(err, PQ_ECONFIG, NULL, "add `hub: {url: HOST/FACTORY}` to factory-config.yml, or give --hub",
                       "no hub is configured");
    if (!get_hub(auth, auth->hub_host, out, err))
        return false;
    return out->secret || pq_fail(err, PQ_ECONFIG, auth->hub_host, make_hub_secret, "%s", no_hub_secret);
}

bool pq_auth_get(pq_auth *auth, const char *host, const char *repository, pq_credential *out, pq_error *err)
{
    PQ_AUTO_FREE char *normal = normal_host(host);
    const pq_config_registry *entry = entry_for(auth, normal);
    if (entry)
        return get_by_entry(auth, entry, normal, repository, out, err);
    pq_credential_clear(out);
    return !is_hub(auth, normal) || get_hub(auth, normal, out, err);
}

/* --- offline ------------------------------------------------------------------------------------------------------ */

static void check_entry(pq_auth *auth, const pq_config_registry *entry, pq_errors *errors)
{
    PQ_AUTO_ERROR err = {0};
    AUTO_IDENTITY who = {0};
    if (!find_identity(auth, entry, entry->host.text, &who, &err)) {
        pq_errors_take(errors, &err);
        return;
    }
    pq_auth_ask ask = make_ask(auth, entry, entry->host.text, &who);
    (void)kinds[entry->type]->check(&ask, errors);
}

static void check_hub(pq_auth *auth, pq_errors *errors)
{
    PQ_AUTO_CREDENTIAL credential = {0};
    PQ_AUTO_ERROR err = {0};
    if (!get_hub(auth, auth->hub_host, &credential, &err))
        pq_errors_take(errors, &err);
    else if (!credential.secret)
        pq_warn(auth->hub_host, make_hub_secret, "%s; Targets cannot be built without it", no_hub_secret);
}

bool pq_auth_check(pq_auth *auth, pq_errors *errors)
{
    const pq_config *config = auth->options.config;
    size_t before = errors->count;
    for (size_t i = 0; config && i < config->registry_count; i++)
        check_entry(auth, &config->registries[i], errors);
    if (auth->hub_host)
        check_hub(auth, errors);
    return errors->count == before;
}

bool pq_auth_check_hosts(pq_auth *auth, const pq_strings *hosts, pq_errors *errors)
{
    const pq_config *config = auth->options.config;
    size_t before = errors->count;
    for (size_t i = 0; config && i < config->registry_count; i++) {
        bool used = false;
        for (size_t j = 0; j < hosts->count && !used; j++) {
            PQ_AUTO_FREE char *normal = normal_host(hosts->at[j]);
            used = entry_for(auth, normal) == &config->registries[i];
        }
        if (used)
            check_entry(auth, &config->registries[i], errors);
    }
    bool hub = false;
    for (size_t j = 0; j < hosts->count && !hub; j++) {
        PQ_AUTO_FREE char *normal = normal_host(hosts->at[j]);
        hub = is_hub(auth, normal) && !entry_for(auth, normal);
    }
    if (hub)
        check_hub(auth, errors);
    return errors->count == before;
}
