/* pratique credential: docker's credential helper protocol with the whole program behind it, and the kubelet's.
 *
 * What an answer holds must not pass pq_cli's output, which blots secrets out: it is written by itself. */
#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/binding.h"
#include "base/device_service.h"
#include "base/docker_protocol.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/token_cache.h"
#include "base/trust.h"
#include "client/kubelet.h"
#include "cmd/commands.h"
#include "cmd/session.h"
#include "config/device.h"

static const pq_option get_options[] = {
    {"binding", '\0', "FILE", "Answer as this binding of `login` says."},
    {0},
};

/* A question and all that is needed to answer it. */
typedef struct question {
    pq_cli *cli;
    pq_session session;
    pq_binding binding; /* one block, or none: the configuration is that of --config */
    char *binding_path;
    char *url;                /* as it was asked */
    char *host;               /* what it means */
    pq_credential credential; /* empty: anonymous */
} question;

static void question_clear(question *q)
{
    pq_session_clear(&q->session);
    pq_binding_clear(&q->binding);
    free(q->binding_path);
    free(q->url);
    free(q->host);
    pq_credential_clear(&q->credential);
}
#define AUTO_QUESTION PQ_CLEANUP(question_clear) question

static bool fail(question *q, pq_error *err)
{
    pq_cli_fail(q->cli, err);
    return false;
}

/* --- what is known of the host ------------------------------------------------------------------------------------ */

/* Reads standard input up to a cap. */
static bool read_input(question *q, pq_buf *out)
{
    PQ_AUTO_ERROR err = {0};
    return pq_read_fd(STDIN_FILENO, "standard input", out, &err) || fail(q, &err);
}

static bool read_host(question *q)
{
    PQ_AUTO_BUF text = PQ_BUF(PQ_DOCKER_URL_MAX);
    if (!read_input(q, &text))
        return false;
    const char *start = pq_buf_text(&text) + strspn(pq_buf_text(&text), " \t\r\n");
    q->url = pq_strndup(start, strcspn(start, " \t\r\n"));
    q->host = strlen(pq_buf_text(&text)) == text.length ? pq_docker_host(start) : NULL;
    return q->host || pq_errors_add(&q->cli->errors, PQ_EINPUT, NULL, NULL, PQ_DOCKER_NO_URL);
}

/* Finds the binding; `*out` is false when nothing is said about the host. */
static bool find_binding(question *q, const char *path, bool *out)
{
    PQ_AUTO_ERROR err = {0};
    *out = true;
    if (path) {
        q->binding_path = pq_strdup(path);
        if (!pq_binding_read(path, q->host, &q->binding, &err))
            return fail(q, &err);
        *out = q->binding.count > 0;
        return true;
    }
    *out = pq_binding_look_up(q->host, &q->binding, &q->binding_path, &err);
    return *out || err.code == PQ_OK || fail(q, &err);
}

/* The sources of secrets that the binding names, and no others. A key that a service manager hands over is one still.
 */
static pq_secret_environment bound_environment(const pq_bound *bound)
{
    pq_secret_environment environment = pq_secret_environment_read(bound->secrets);
    const char *credentials = environment.credentials_directory;
    environment.secrets_dir = bound->secrets_dir;
    environment.store = bound->store;
    bool handed_over = credentials && *credentials && bound->store_key && pq_starts_with(bound->store_key, credentials);
    environment.store_key_file = handed_over ? NULL : bound->store_key;
    return environment;
}

/* A device.yml that is root's: who may not read it asks the service by the helper, and nothing is opened here. */
static bool is_hidden(const pq_bound *bound)
{
    return bound->device && access(bound->config, R_OK) != 0 && errno == EACCES;
}

static bool open_bound(question *q)
{
    const pq_bound *bound = &q->binding.at[0];
    PQ_AUTO_ERROR err = {0};
    q->session.config_path = pq_strdup(bound->config);
    if (is_hidden(bound))
        return true;
    if (!(bound->device ? pq_trust_way(bound->config, &err) : pq_trust_file(bound->config, &err)))
        return fail(q, &err);
    bool read = bound->device ? pq_config_load_device(bound->config, NULL, &q->session.config, &q->cli->errors)
                              : pq_config_load(bound->config, NULL, &q->session.config, &q->cli->errors);
    if (!read)
        return false;
    /* A device has no secrets but its key. */
    pq_secret_environment environment = bound_environment(bound);
    if (!bound->device && !pq_secrets_open(&environment, &q->session.secrets, &err))
        return fail(q, &err);
    if (bound->cache) {
        PQ_AUTO_FREE char *folder = pq_path_dirname(bound->cache);
        pq_session_open_cache(&q->session, folder);
    }
    q->session.manner = PQ_CACHE_FAILURES;
    pq_session_open_auth(&q->session);
    return true;
}

static bool open_configured(question *q)
{
    q->session.manner = PQ_CACHE_FAILURES;
    if (!pq_session_read_config(&q->session, q->cli, NULL, true) || !pq_session_open_secrets(&q->session, q->cli))
        return false;
    pq_session_open_auth(&q->session);
    return true;
}

/* Opens what answers for the host. `*out_served` is false when there is no entry. */
static bool open_question(question *q, const char *binding, bool *out_served)
{
    /* The helper's lock goes on to no child of ours. */
    pq_close_from(3, true);
    if (q->cli->config_option || q->cli->device_option) {
        *out_served = true;
        return open_configured(q);
    }
    return find_binding(q, binding, out_served) && (!*out_served || open_bound(q));
}

/* --- the answer --------------------------------------------------------------------------------------------------- */

/* Docker Hub is one registry by several names; the configuration may have any of them. */
static const char *name_in_config(const question *q)
{
    static const char *const hub[] = {"docker.io", "index.docker.io", "registry-1.docker.io"};
    for (size_t i = 0; pq_streq(q->host, hub[0]) && i < sizeof hub / sizeof *hub; i++)
        if (pq_config_registry_for_host(&q->session.config, hub[i]))
            return hub[i];
    return q->host;
}

/* The files that the answer is made from, as they are before it is. */
static void note_sources(const question *q, const char *host, pq_strings *out)
{
    PQ_AUTO_STRINGS files = {0};
    const pq_config_registry *entry = pq_config_registry_for_host(&q->session.config, host);
    pq_strings_add(&files, q->binding_path);
    pq_strings_add(&files, q->session.config_path);
    if (entry && entry->secret.text)
        pq_secrets_files(q->session.secrets, entry->secret.text, &files);
    if (entry && entry->azure_cert_secret.text)
        pq_secrets_files(q->session.secrets, entry->azure_cert_secret.text, &files);
    if (entry && entry->credentials_file.text)
        pq_strings_add(&files, entry->credentials_file.text);
    const pq_setting *const device[] = {&q->session.config.device.certificate, &q->session.config.device.key,
                                        &q->session.config.device.ca};
    for (size_t i = 0; i < sizeof device / sizeof *device; i++)
        if (device[i]->text && *device[i]->text == '/')
            pq_strings_add(&files, device[i]->text);
    PQ_AUTO_STRINGS once = {0};
    for (size_t i = 0; i < files.count; i++)
        if (pq_strings_add_once(&once, files.at[i]))
            pq_strings_take(out, pq_token_source(files.at[i]));
}

/* A device.yml is for all to read; what it names is its owner's. Whoever else cannot use it was to ask the service, and
 * is told why that did not go. */
static void blame_service(const question *q, pq_error *err)
{
    const pq_bound *bound = q->binding.count ? &q->binding.at[0] : NULL;
    struct stat status;
    if (err->code != PQ_ECONFIG || !bound || !bound->socket || stat(bound->config, &status) != 0 ||
        status.st_uid == geteuid())
        return;
    PQ_AUTO_CLOSE int fd = pq_local_connect(bound->socket, 1);
    if (fd < 0)
        (void)pq_device_service_fail(bound, errno, err);
}

static bool ask(question *q)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_STRINGS sources = {0};
    const char *host = name_in_config(q);
    if (!q->session.auth)
        return pq_errors_add(&q->cli->errors, PQ_EDENIED, q->session.config_path,
                             "docker-credential-pratique asks the service that may", "this user may not read it");
    const char *answer = q->binding.count ? q->binding.at[0].cache : NULL;
    if (answer)
        note_sources(q, host, &sources);
    bool good = pq_auth_get(q->session.auth, host, NULL, &q->credential, &err);
    /* Each use of a credential that was copied here warns. */
    const pq_config_registry *entry = pq_config_registry_for_host(&q->session.config, host);
    const char *name = entry && entry->auth == PQ_AUTH_FILE ? NULL : pq_auth_cache_entry(q->session.auth, host);
    if (answer && q->session.cache)
        pq_cache_make_answer(q->session.cache, name, pq_path_basename(answer), &sources);
    if (!good)
        blame_service(q, &err);
    return good || fail(q, &err);
}

static bool write_answer(question *q, const pq_buf *text)
{
    PQ_AUTO_ERROR err = {0};
    if (text->overflow)
        return pq_errors_add(&q->cli->errors, PQ_EFAILED, q->host, NULL, "the credential is too large");
    return pq_write_fd(STDOUT_FILENO, "standard output", text->data, text->length, &err) || fail(q, &err);
}

/* The protocol's way to fail: the reason on standard output, exit status 1. */
static void refuse_as_helper(pq_cli *cli)
{
    cli->json = false;
    if (!cli->errors.count)
        return;
    PQ_AUTO_BUF text = PQ_BUF(PQ_MAX_MESSAGE);
    pq_error_format(&cli->errors.at[0], &text);
    pq_print(cli, "%s\n", pq_buf_text(&text));
    for (size_t i = 1; i < cli->errors.count; i++)
        pq_log_error(&cli->errors.at[i]);
    pq_errors_clear(&cli->errors);
    cli->status = 1;
}

static void not_found(pq_cli *cli)
{
    pq_print(cli, "%s\n", PQ_DOCKER_NOT_FOUND);
    cli->status = 1;
}

static void get_answer(question *q, const pq_arguments *arguments)
{
    bool served = false, asked = getenv(PQ_DOCKER_ASKED) != NULL;
    if (!read_host(q) || (!asked && !open_question(q, pq_arguments_value(arguments, "binding"), &served)) ||
        (served && !ask(q)))
        return;
    if (!served || !q->credential.secret) {
        not_found(q->cli);
        return;
    }
    PQ_AUTO_BUF text = PQ_SENSITIVE_BUF(8 * PQ_MAX_SECRET);
    pq_docker_answer(&text, q->url, q->credential.username, strlen(q->credential.username),
                     pq_secret_bytes(q->credential.secret), pq_secret_length(q->credential.secret));
    (void)write_answer(q, &text);
}

static void get(pq_cli *cli, const pq_arguments *arguments)
{
    AUTO_QUESTION q = {.cli = cli};
    cli->json = false;
    get_answer(&q, arguments);
    refuse_as_helper(cli);
}

/* --- store, erase, list ------------------------------------------------------------------------------------------- */

/* What a client wants kept. */
typedef struct offered {
    char *user;
    pq_secret *secret;
} offered;

static void offered_clear(offered *o)
{
    free(o->user);
    pq_secret_free(o->secret);
}

static bool read_offered(question *q, offered *out)
{
    PQ_AUTO_BUF text = PQ_SENSITIVE_BUF(PQ_MAX_CLIENT_REQUEST);
    if (!read_input(q, &text))
        return false;
    json_t *root = json_loadb(pq_buf_text(&text), text.length, 0, NULL);
    const char *url = json_string_value(json_object_get(root, "ServerURL"));
    const char *user = json_string_value(json_object_get(root, "Username"));
    const json_t *secret = json_object_get(root, "Secret");
    q->host = url ? pq_docker_host(url) : NULL;
    if (q->host && user && json_is_string(secret)) {
        out->user = pq_strdup(user);
        out->secret = pq_secret_new(json_string_value(secret), json_string_length(secret));
    }
    json_decref(root);
    return out->secret || pq_errors_add(&q->cli->errors, PQ_EINPUT, "standard input", NULL,
                                        "is no credential: ServerURL, Username and Secret are wanted");
}

/* Clients store after each login, also what they have just got from us. */
static bool is_ours(question *q, const offered *o)
{
    return ask(q) && q->credential.secret && pq_streq(q->credential.username, o->user) &&
           pq_secret_equal(q->credential.secret, o->secret);
}

static void store_offered(question *q)
{
    PQ_CLEANUP(offered_clear) offered o = {0};
    bool served = false;
    if (!read_offered(q, &o) || !open_question(q, NULL, &served))
        return;
    if (!served) {
        (void)pq_errors_add(
            &q->cli->errors, PQ_EFAILED, q->host,
            "keep it with `pratique secrets update`, name it in factory-config.yml, and `pratique login`; on a device, "
            "give the registry a way in device.yml, and `pratique device setup`",
            "nothing was stored: the registry is not bound to pratique");
        return;
    }
    if (is_ours(q, &o))
        return;
    pq_errors_clear(&q->cli->errors);
    const pq_config_registry *entry = pq_config_registry_for_host(&q->session.config, name_in_config(q));
    const char *secret = entry ? entry->secret.text : NULL;
    PQ_AUTO_FREE char *hint = secret ? pq_asprintf("to change it: `pratique secrets update %s=-`; to leave the "
                                                   "registry to the client: `pratique logout %s`",
                                                   secret, q->host)
                                     : pq_asprintf("to leave it to the client: `pratique logout %s`", q->host);
    pq_warn(q->host, hint, "what was typed is not kept: pratique serves this registry, as %s says",
            q->session.config_path);
}

static void store(pq_cli *cli, const pq_arguments *arguments)
{
    (void)arguments;
    AUTO_QUESTION q = {.cli = cli};
    cli->json = false;
    store_offered(&q);
    refuse_as_helper(cli);
}

static void erase_host(question *q)
{
    bool served = false;
    PQ_AUTO_ERROR err = {0};
    if (!read_host(q) || !find_binding(q, NULL, &served) || !served)
        return;
    const char *path = q->binding.at[0].cache;
    PQ_AUTO_FREE char *folder = path ? pq_path_dirname(path) : NULL;
    PQ_AUTO_CACHE *cache = folder ? pq_cache_open(folder, &err) : NULL;
    if (cache)
        pq_cache_forget_answer(cache, pq_path_basename(path));
    PQ_AUTO_FREE char *hint = pq_asprintf("`pratique logout %s` ends that", q->host);
    pq_warn(q->host, hint, "pratique still serves this registry");
}

static void erase(pq_cli *cli, const pq_arguments *arguments)
{
    (void)arguments;
    AUTO_QUESTION q = {.cli = cli};
    cli->json = false;
    erase_host(&q);
    refuse_as_helper(cli);
}

static void list(pq_cli *cli, const pq_arguments *arguments)
{
    (void)arguments;
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_BUF text = PQ_BUF(PQ_MAX_TEXT);
    cli->json = false;
    if (pq_binding_list(&text, &err))
        pq_print(cli, "%s", pq_buf_text(&text));
    else
        pq_cli_fail(cli, &err);
    refuse_as_helper(cli);
}

/* --- the kubelet -------------------------------------------------------------------------------------------------- */

static void answer_kubelet(question *q)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_BUF request = PQ_SENSITIVE_BUF(PQ_MAX_CLIENT_REQUEST), text = PQ_SENSITIVE_BUF(8 * PQ_MAX_SECRET);
    if (!read_input(q, &request))
        return;
    if (!pq_kubelet_read_request(pq_buf_text(&request), request.length, &q->host, &err)) {
        pq_cli_fail(q->cli, &err);
        return;
    }
    if (!open_configured(q) || !ask(q))
        return;
    const pq_credential *c = &q->credential;
    pq_kubelet_write_answer(&text, q->host, c->username, c->secret ? pq_secret_bytes(c->secret) : NULL,
                            c->secret ? pq_secret_length(c->secret) : 0, pq_kubelet_keep(pq_now(), c->expires));
    (void)write_answer(q, &text);
}

static void kubelet(pq_cli *cli, const pq_arguments *arguments)
{
    (void)arguments;
    AUTO_QUESTION q = {.cli = cli};
    cli->json = false;
    answer_kubelet(&q);
}

const pq_command pq_cmd_credential_get = {
    .name = "credential get",
    .synopsis = "",
    .summary = "a registry's credential, in the credential helper protocol",
    .description =
        "Reads a registry's host from standard input and prints its user name and secret as JSON, for the registries "
        "that `login` has bound, or with --config for those of that configuration. On failure the reason goes to "
        "standard output and the exit status is 1. Clients run docker-credential-pratique, which runs this when it has "
        "no fresh answer.",
    .examples = "$ echo ghcr.example.com | pratique credential get\n"
                "$ echo ghcr.example.com | pratique --config factory-config.yml credential get",
    .options = get_options,
    .least = 0,
    .most = 0,
    .run = get,
};

const pq_command pq_cmd_credential_store = {
    .name = "credential store",
    .synopsis = "",
    .summary = "what a client wants kept; said not to be, for a bound registry",
    .description =
        "What docker's login runs to have a password kept: {\"ServerURL\", \"Username\", \"Secret\"} on standard "
        "input. For a "
        "registry that `login` has bound nothing is kept, since pratique serves it anyway, and a warning says so when "
        "what was typed differs. For any other registry it refuses, so that nothing is lost unnoticed.",
    .examples = "$ pratique credential store < credential.json",
    .least = 0,
    .most = 0,
    .run = store,
};

const pq_command pq_cmd_credential_erase = {
    .name = "credential erase",
    .synopsis = "",
    .summary = "forget the token that is kept for a registry",
    .description =
        "What docker's logout runs: a registry's host on standard input. The token that is kept in memory for it is "
        "forgotten, so that the next question goes to the cloud. The binding stays; `pratique logout` takes it away.",
    .examples = "$ echo ghcr.example.com | pratique credential erase",
    .least = 0,
    .most = 0,
    .run = erase,
};

const pq_command pq_cmd_credential_list = {
    .name = "credential list",
    .synopsis = "",
    .summary = "the registries that are bound, and their user names",
    .description = "Prints the registries that `login` has bound for this client, and their user names, as JSON. No "
                   "secret is looked "
                   "at.",
    .examples = "$ pratique credential list",
    .least = 0,
    .most = 0,
    .run = list,
};

const pq_command pq_cmd_credential_kubelet = {
    .name = "credential kubelet",
    .synopsis = "",
    .summary = "answer the kubelet, as one of its credential provider plugins",
    .description =
        "Reads a CredentialProviderRequest (credentialprovider.kubelet.k8s.io/v1) from standard input and prints the "
        "response. The configuration is that of --config, as in the node's CredentialProviderConfig.",
    .examples = "$ pratique --config /etc/pratique/factory-config.yml credential kubelet < request.json",
    .least = 0,
    .most = 0,
    .run = kubelet,
};
