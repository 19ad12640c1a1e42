#include "device/check/registry.h"

#include <string.h>

#include "auth/auth.h"
#include "auth/aws/sts_xml.h"
#include "base/file.h"
#include "base/limits.h"
#include "config/device.h"
#include "device/check/endpoint.h"
#include "oci/manifest.h"
#include "registry/transfer.h"

/* Any host of Google's gets the same credential; this one stands for those that nobody named. */
static const char any_google_host[] = "us-docker.pkg.dev";

typedef struct walk {
    const pq_check_options *options;
    const pq_check_target *target;
    const char *host; /* of the registry */
    char *ca_file;    /* of certs.d */
    pq_auth *auth;
    pq_credential credential; /* what the registry is asked with */
    pq_check_steps *steps;
    pq_strings reached;  /* endpoints whose links are good */
    bool broken;         /* a link of an endpoint is */
    bool unsure;         /* the certificate may be what an answer is about */
    const char *pending; /* the step whose request was answered with success: what comes of it is not known yet */
    char *pending_endpoint;
    const char *asking; /* the step of the last request */
    char *asking_endpoint;
} walk;

static void walk_clear(walk *w)
{
    pq_auth_free(w->auth);
    pq_credential_clear(&w->credential);
    pq_strings_clear(&w->reached);
    free(w->ca_file);
    free(w->pending_endpoint);
    free(w->asking_endpoint);
}

/* --- words -------------------------------------------------------------------------------------------------------- */

static bool shows_certificate(const pq_config_registry *entry)
{
    return entry->auth == PQ_AUTH_IOT || entry->auth == PQ_AUTH_FEDERATION || entry->auth == PQ_AUTH_GATEWAY;
}

/* What a way's login gave, once it is known to be good. Owned. */
static char *login_words(const walk *w)
{
    const pq_config_registry *entry = w->target->entry;
    const pq_identity *identity = w->options->identity;
    switch (entry->auth) {
    case PQ_AUTH_IOT:
        return pq_asprintf("AWS IoT gives the thing %s keys by the role alias %s",
                           entry->iot_thing_name.text ? entry->iot_thing_name.text
                           : identity                 ? pq_certificate_name(pq_identity_certificate(identity))
                                                      : "",
                           entry->iot_role_alias.text);
    case PQ_AUTH_ROLES_ANYWHERE:
        return pq_asprintf("IAM Roles Anywhere gives a session of %s", entry->anywhere_role_arn.text);
    case PQ_AUTH_ENTRA:
        return pq_asprintf("Entra ID gives a token to %s", entry->azure_client_id.text);
    case PQ_AUTH_FEDERATION:
        return pq_strdup("Google takes the certificate");
    case PQ_AUTH_GATEWAY:
        return pq_strdup("the gateway gives a user and a password");
    default:
        return pq_strdup("the login service gives a token");
    }
}

static char *step_words(const walk *w, const char *name)
{
    if (pq_streq(name, PQ_CHECK_TOKEN))
        return pq_strdup(w->target->entry->type == PQ_REGISTRY_AZURE
                             ? "the registry exchanges it for a token of its own"
                             : "ECR gives a password for the registry");
    if (pq_streq(name, PQ_CHECK_ROLE))
        return pq_asprintf("a token of %s", w->target->entry->service_account.text
                                                ? w->target->entry->service_account.text
                                                : "the service account that the file names");
    return login_words(w);
}

/* --- what is asked on the way ------------------------------------------------------------------------------------- */

static bool has_header(const pq_http_request *request, const char *start)
{
    for (size_t i = 0; request->headers && i < request->headers->count; i++)
        if (strncasecmp(request->headers->at[i], start, strlen(start)) == 0)
            return true;
    return false;
}

/* Who the keys are: asked for people only, and a device may well have no way to STS. */
static bool asks_who(const pq_http_request *request)
{
    static const char action[] = "Action=GetCallerIdentity";
    return request->body && request->body_length >= sizeof action - 1 &&
           memcmp(request->body, action, sizeof action - 1) == 0;
}

/* The step that a request of pq_auth is. */
static const char *step_of(const walk *w, const pq_http_request *request)
{
    bool token = w->target->entry->type == PQ_REGISTRY_AZURE ? strstr(request->url, "/oauth2/exchange") != NULL
                                                             : has_header(request, "X-Amz-Target:");
    if (token)
        return PQ_CHECK_TOKEN;
    return strstr(request->url, ":generateAccessToken") ? PQ_CHECK_ROLE : PQ_CHECK_LOGIN;
}

static void confirm(walk *w, const char *until)
{
    if (!w->pending)
        return;
    PQ_AUTO_FREE char *words = step_words(w, w->pending);
    pq_check_ok(w->steps, w->pending, w->pending_endpoint, NULL, "%s%s", words, until);
    w->pending = NULL;
}

static void copy_error(const pq_error *from, pq_error *to)
{
    (void)pq_fail(to, from->code, from->where, from->hint, "%s", from->message);
}

static const char *trust_hint_of(const walk *w, const pq_http_trust *trust)
{
    if (trust && trust->alone)
        return "`identity.ca` in device.yml must name the file with the CA of the gateway's certificate";
    if (w->target->entry->auth == PQ_AUTH_GATEWAY)
        return "name the file with its CA: `identity.ca` in device.yml for the gateway, "
               "/etc/docker/certs.d/HOST/ca.crt for a registry";
    return "a public CA is expected here: does a proxy open TLS on the way? Where that is meant, "
           "SSL_CERT_FILE names the proxy's CA. Is the package ca-certificates installed?";
}

static bool ask_time(void *context, time_t *out, char **out_server)
{
    const walk *w = context;
    return pq_check_entry_time(w->options, w->target->entry, out, out_server);
}

static bool reach(walk *w, const char *url, const pq_http_trust *trust, const pq_identity *shown, pq_error *err)
{
    PQ_AUTO_FREE char *endpoint = pq_check_endpoint_of(url);
    if (!endpoint || pq_strings_have(&w->reached, endpoint))
        return true;
    const pq_check_endpoint_ask ask = {.http = w->options->http,
                                       .url = url,
                                       .trust = trust,
                                       .shown = shown,
                                       .must_ask = shown && w->target->entry->auth != PQ_AUTH_GATEWAY,
                                       .ask_time = ask_time,
                                       .ask_time_context = w,
                                       .trust_hint = trust_hint_of(w, trust),
                                       .seconds = w->options->seconds};
    if (!pq_check_endpoint(&ask, w->steps, &w->unsure)) {
        w->broken = true;
        copy_error(&w->steps->error, err);
        return false;
    }
    pq_strings_add(&w->reached, endpoint);
    return true;
}

static bool send_who(walk *w, const pq_http_request *request, pq_http_answer *out, pq_error *err)
{
    pq_http_request once = *request;
    once.tries = 1;
    once.connect_timeout = w->options->seconds;
    once.try_timeout = 2 * w->options->seconds;
    PQ_AUTO_STS_XML answer = {0};
    PQ_AUTO_FREE char *endpoint = pq_check_endpoint_of(request->url);
    confirm(w, "");
    bool good = pq_http_do(w->options->http, &once, out, err);
    if (good && out->status == 200 && pq_sts_xml_read(pq_buf_text(&out->body), out->body.length, &answer) && answer.arn)
        pq_check_ok(w->steps, PQ_CHECK_ROLE, endpoint, NULL, "AWS knows these keys as %s", answer.arn);
    else
        pq_check_skip(w->steps, PQ_CHECK_ROLE, endpoint,
                      "AWS does not say whose these keys are, which pulling does not need%s%s", good ? "" : ": ",
                      good ? "" : err->message);
    return good;
}

static bool send_watched(void *context, const pq_http_request *request, pq_http_answer *out, pq_error *err)
{
    walk *w = context;
    if (w->broken) {
        copy_error(&w->steps->error, err);
        return false;
    }
    if (asks_who(request))
        return send_who(w, request, out, err);
    const char *step = step_of(w, request);
    PQ_AUTO_FREE char *endpoint = pq_check_endpoint_of(request->url);
    /* The same once more is a second try, of which the first one's answer says nothing. */
    if (!pq_streq(step, w->pending) || !pq_streq(endpoint, w->pending_endpoint))
        confirm(w, "");
    w->pending = NULL;
    const pq_identity *shown = request->identity ? request->identity->context : NULL;
    w->unsure = false;
    if (!reach(w, request->url, request->trust, shown, err))
        return false;
    free(w->asking_endpoint);
    w->asking = step;
    w->asking_endpoint = pq_strdup(endpoint);
    if (!pq_http_do(w->options->http, request, out, err))
        return false;
    if (out->status == 200 || out->status == 201) {
        if (w->unsure)
            pq_check_ok(w->steps, PQ_CHECK_CLIENT, endpoint, NULL, "taken, for what matters here");
        w->unsure = false;
        w->pending = step;
        free(w->pending_endpoint);
        w->pending_endpoint = pq_steal(endpoint);
    }
    return true;
}

/* --- the credential ----------------------------------------------------------------------------------------------- */

/* Servers of TLS look at what a certificate says that it is for (RFC 5280, section 4.2.1.12). */
static bool judge_use(walk *w)
{
    const pq_identity *identity = w->options->identity;
    if (!identity || !shows_certificate(w->target->entry) ||
        pq_certificate_may_be_client(pq_identity_certificate(identity)))
        return true;
    PQ_AUTO_ERROR err = {0};
    (void)pq_fail(&err, PQ_EDENIED, pq_identity_certificate_place(identity),
                  "have one issued with the key usage digitalSignature and the extended key usage clientAuth",
                  "the device's certificate is not one for TLS clients, and servers refuse such in the handshake");
    return pq_check_fail(w->steps, PQ_CHECK_CERTIFICATE, NULL, &err);
}

static bool check_settings(walk *w)
{
    const pq_config_registry *entry = w->target->entry;
    PQ_AUTO_STRINGS hosts = {0};
    PQ_AUTO_ERRORS errors = {0};
    pq_strings_add(&hosts, w->host);
    if (!pq_auth_check_hosts(w->auth, &hosts, &errors)) {
        for (size_t i = 1; i < errors.count; i++)
            pq_errors_take(&w->steps->others, &errors.at[i]);
        return pq_check_fail(w->steps, PQ_CHECK_SETTINGS, NULL, &errors.at[0]);
    }
    const char *way = pq_config_device_way(entry->auth);
    PQ_AUTO_FREE char *words = NULL;
    if (entry->auth == PQ_AUTH_FILE)
        words = pq_asprintf("a copied file, %s", entry->credentials_file.text);
    else if (entry->auth == PQ_AUTH_IOT)
        words = pq_asprintf("%s, by the role alias %s", entry->iot_endpoint.text, entry->iot_role_alias.text);
    else if (entry->auth == PQ_AUTH_ROLES_ANYWHERE)
        words = pq_asprintf("%s", entry->trust_anchor_arn.text);
    else if (entry->auth == PQ_AUTH_ENTRA)
        words = pq_asprintf("client %s of the tenant %s", entry->azure_client_id.text, entry->azure_tenant.text);
    else if (entry->auth == PQ_AUTH_FEDERATION)
        words = pq_asprintf("%s", entry->audience.text);
    else
        words = pq_asprintf("%s", entry->gateway.text);
    pq_check_ok(w->steps, PQ_CHECK_SETTINGS, NULL,
                entry->auth == PQ_AUTH_FILE ? "for bootstrapping only; the warning says what replaces it" : NULL,
                "%s: %s", way, words);
    if (entry->auth == PQ_AUTH_ROLES_ANYWHERE || entry->auth == PQ_AUTH_ENTRA)
        pq_check_skip(w->steps, PQ_CHECK_CLIENT, NULL, "its key signs a request, and TLS does without it");
    return true;
}

/* The step that an error of pq_auth is about. */
static bool fail_credential(walk *w, pq_error *err)
{
    if (w->broken)
        return false; /* it is told already */
    const char *step = w->pending ? w->pending : w->asking ? w->asking : PQ_CHECK_SETTINGS;
    const char *endpoint = w->pending ? w->pending_endpoint : w->asking_endpoint;
    if (w->unsure && err->code == PQ_EDENIED)
        step = PQ_CHECK_CLIENT;
    if (step == w->asking && pq_streq(step, PQ_CHECK_TOKEN) && w->pending && w->pending != step)
        confirm(w, "");
    return pq_check_fail(w->steps, step, endpoint, err);
}

static bool get_credential(walk *w)
{
    const pq_config_registry *entry = w->target->entry;
    PQ_AUTO_ERROR err = {0};
    if (!pq_auth_get(w->auth, w->host, NULL, &w->credential, &err))
        return fail_credential(w, &err);
    char ends[PQ_TIME_TEXT];
    pq_time_text(w->credential.expires, ends);
    PQ_AUTO_FREE char *until = w->credential.expires ? pq_asprintf(", good until %s", ends) : pq_strdup("");
    bool asked = w->pending != NULL;
    confirm(w, until);
    if (!asked && !pq_check_have(w->steps, PQ_CHECK_LOGIN))
        pq_check_skip(w->steps, PQ_CHECK_LOGIN, NULL,
                      "no login service is asked: the registry takes what is in the file");
    if (!pq_check_have(w->steps, PQ_CHECK_TOKEN))
        pq_check_skip(w->steps, PQ_CHECK_TOKEN, NULL, "the registry takes %s itself",
                      entry->auth == PQ_AUTH_FILE ? "it" : "that");
    return true;
}

/* --- the registry ------------------------------------------------------------------------------------------------- */

static bool give_credential(void *context, const char *host, bool again, pq_credential *out, pq_error *err)
{
    const walk *w = context;
    (void)host, (void)again, (void)err;
    pq_credential_copy(&w->credential, out);
    return true;
}

static bool read_image(walk *w, pq_registry *registry, const pq_reference *image)
{
    PQ_AUTO_FREE char *where = pq_reference_pull_string(image);
    const pq_repository repository = {.host = image->domain, .name = image->path, .where = where};
    PQ_AUTO_REMOTE_MANIFEST found = {0}, single = {0};
    PQ_AUTO_MANIFEST manifest = {0}, chosen = {0};
    PQ_AUTO_PLATFORM here = {0};
    PQ_AUTO_BUF blob = PQ_BUF(PQ_MAX_MANIFEST);
    PQ_AUTO_ERROR err = {0};
    const pq_manifest *last = &manifest;
    PQ_AUTO_FREE char *platform = NULL;
    pq_platform_of_this_machine(&here);
    platform = pq_platform_string(&here);
    bool good = pq_registry_pull_manifest(registry, &repository, pq_reference_target(image), &found, &err) &&
                pq_manifest_parse(pq_buf_text(&found.bytes), found.bytes.length, found.media_type, &manifest, &err);
    if (good && manifest.is_index) {
        const pq_descriptor *fits = pq_manifest_select(&manifest, &here);
        good = fits ? pq_registry_pull_manifest(registry, &repository, fits->digest, &single, &err) &&
                          pq_manifest_parse(pq_buf_text(&single.bytes), single.bytes.length, single.media_type, &chosen,
                                            &err)
                    : pq_fail(&err, PQ_ENOTFOUND, NULL, "build it for this device's platform too",
                              "the image is not made for this machine, %s", platform);
        last = &chosen;
    }
    /* A right to manifests is not yet one to blobs: the configuration is a small one. */
    good = good && (last->is_index || pq_registry_pull_blob(registry, &repository, last->config.digest, &blob, &err));
    if (!good) {
        (void)pq_error_at(&err, where);
        return pq_check_fail(w->steps, PQ_CHECK_IMAGE, w->host, &err);
    }
    pq_check_ok(w->steps, PQ_CHECK_IMAGE, w->host, NULL, "%s can be pulled, %s", where, found.digest);
    return true;
}

static bool ask_registry(walk *w)
{
    const pq_check_target *target = w->target;
    PQ_AUTO_ERROR err = {0};
    const pq_http_trust trust = {.ca_file = w->ca_file};
    if (!target->host) {
        pq_check_skip(w->steps, PQ_CHECK_REGISTRY, NULL, "the entry names no host: --image REF asks the one of REF");
        return true;
    }
    PQ_AUTO_FREE char *url = pq_asprintf("https://%s/", w->host);
    if (!reach(w, url, w->ca_file ? &trust : NULL, NULL, &err))
        return false;
    const pq_registry_options options = {.http = w->options->http,
                                         .identity = give_credential,
                                         .identity_context = w,
                                         .certs_dir = w->options->certs_dir};
    PQ_AUTO_REGISTRY *registry = pq_registry_new(&options);
    if (!pq_registry_login(registry, w->host, &err))
        return pq_check_fail(w->steps, PQ_CHECK_REGISTRY, w->host, &err);
    pq_check_ok(w->steps, PQ_CHECK_REGISTRY, w->host, NULL, "takes the credential");
    for (size_t i = 0; i < target->image_count; i++)
        if (!read_image(w, registry, &target->images[i]))
            return false;
    if (!target->image_count)
        pq_check_skip(w->steps, PQ_CHECK_IMAGE, w->host, "none was named: --image REF tries one");
    return true;
}

/* --- all of it ---------------------------------------------------------------------------------------------------- */

/* docker's own place for the CA of a registry. Owned; NULL when there is none. */
static char *find_ca(const pq_check_options *options, const char *host)
{
    PQ_AUTO_FREE char *folder = pq_path_join(options->certs_dir ? options->certs_dir : "/etc/docker/certs.d", host);
    PQ_AUTO_FREE char *file = pq_path_join(folder, "ca.crt");
    return pq_path_exists(file) ? pq_steal(file) : NULL;
}

static bool time_of(const pq_check_options *options, const char *url, const pq_http_trust *trust, time_t *out,
                    char **out_server)
{
    if (!pq_check_server_time(options->http, url, trust->ca_file ? trust : NULL, options->seconds, out))
        return false;
    *out_server = pq_check_endpoint_of(url);
    return true;
}

bool pq_check_entry_time(const pq_check_options *options, const pq_config_registry *entry, time_t *out,
                         char **out_server)
{
    const char *host = entry->host.text ? entry->host.text : any_google_host;
    PQ_AUTO_FREE char *url = pq_asprintf("https://%s/", host);
    PQ_AUTO_FREE char *file = find_ca(options, host);
    const pq_http_trust of_registry = {.ca_file = file};
    const pq_http_trust of_gateway = {.ca_file = options->config->device.ca.text, .alone = true};
    return time_of(options, url, &of_registry, out, out_server) ||
           (entry->gateway.text && time_of(options, entry->gateway.text, &of_gateway, out, out_server));
}

void pq_check_registry_skip(const pq_config_registry *entry, pq_check_steps *steps, const char *why)
{
    static const char *const names[] = {PQ_CHECK_SETTINGS, PQ_CHECK_DNS,   PQ_CHECK_TCP,   PQ_CHECK_TLS,
                                        PQ_CHECK_CLIENT,   PQ_CHECK_CLOCK, PQ_CHECK_LOGIN, PQ_CHECK_TOKEN,
                                        PQ_CHECK_REGISTRY, PQ_CHECK_IMAGE};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!pq_check_have(steps, names[i]) && (entry->auth != PQ_AUTH_FILE || !pq_streq(names[i], PQ_CHECK_CLIENT)))
            pq_check_skip(steps, names[i], NULL, "not tried: %s", why);
}

bool pq_check_registry(const pq_check_options *options, const pq_check_target *target, pq_check_steps *steps)
{
    PQ_CLEANUP(walk_clear)
    walk w = {
        .options = options, .target = target, .host = target->host ? target->host : any_google_host, .steps = steps};
    w.ca_file = find_ca(options, w.host);
    const pq_auth_options auth = {.config = options->config, .send = send_watched, .send_context = &w, .ask_who = true};
    w.auth = pq_auth_new(&auth);
    if (judge_use(&w) && check_settings(&w) && get_credential(&w) && ask_registry(&w))
        return true;
    pq_check_registry_skip(target->entry, steps, "a link before it is broken");
    return false;
}
