/* pratique login, pratique logout: point clients at the credential helper, and back. */
#include <string.h>
#include <unistd.h>

#include "base/docker_protocol.h"
#include "base/file.h"
#include "base/runtime_dir.h"
#include "base/trust.h"
#include "client/google_hosts.h"
#include "cmd/client_setup.h"
#include "cmd/commands.h"
#include "cmd/helper_place.h"
#include "cmd/scan_options.h"
#include "cmd/session.h"
#include "config/host.h"

static const pq_option login_options[] = {
    {"client", '\0', "NAME",
     "docker (default: config.json) or podman (containers/auth.json, also of buildah and skopeo)."},
    {"into", '\0', "DIR", "Write the client's configuration into DIR, made if need be."},
    {"scan", '\0', "DIR", "Also the hosts that DIR uses, where an entry serves more than one; may be repeated."},
    {"dry-run", '\0', NULL, "Show what would change, and change nothing."},
    {0},
};

static const pq_option logout_options[] = {
    {"client", '\0', "NAME", "docker (default) or podman."},
    {"into", '\0', "DIR", "The folder that was given to `login --into`."},
    {"dry-run", '\0', NULL, "Show what would change, and change nothing."},
    {0},
};

/* One run of either. */
typedef struct run {
    pq_cli *cli;
    pq_session session;
    pq_client_binding client;
    char *into;        /* absolute, or NULL */
    pq_binding wanted; /* login: the blocks to be written */
    pq_strings hosts;  /* logout: those named; empty for all */
    json_t *list;
} run;

static void run_clear(run *r)
{
    pq_session_clear(&r->session);
    pq_client_binding_clear(&r->client);
    free(r->into);
    pq_binding_clear(&r->wanted);
    pq_strings_clear(&r->hosts);
    json_decref(r->list);
}
#define AUTO_RUN PQ_CLEANUP(run_clear) run

static bool fail(run *r, pq_error *err)
{
    pq_cli_fail(r->cli, err);
    return false;
}

static bool read_client(run *r, const pq_arguments *arguments)
{
    const char *name = pq_arguments_value(arguments, "client"), *into = pq_arguments_value(arguments, "into");
    PQ_AUTO_ERROR err = {0};
    r->client.dry_run = pq_arguments_have(arguments, "dry-run");
    r->list = json_array();
    if (!pq_client_option(r->cli, name, &r->client.client))
        return false;
    if (into && !pq_client_into(into, &r->into, &err))
        return fail(r, &err);
    return pq_client_config_place(r->client.client, r->into, &r->client.path, &err) || fail(r, &err);
}

/* --- which hosts -------------------------------------------------------------------------------------------------- */

static const pq_config_registry *entry_of(const run *r, const char *host)
{
    return pq_config_registry_for_host(&r->session.config, host);
}

/* Those of Google's that the files use: an entry without `url` serves names that no list can know. */
static bool add_scanned(run *r, const pq_strings *folders, pq_scan_arguments *how, pq_strings *out)
{
    for (size_t i = 0; i < folders->count; i++) {
        PQ_AUTO_SCAN scan = {0};
        pq_scan_path(folders->at[i], &how->options, &scan);
        if (scan.errors.count) {
            pq_errors_append(&r->cli->errors, &scan.errors);
            return false;
        }
        for (size_t j = 0; j < scan.use_count; j++)
            if (entry_of(r, scan.uses[j].reference.domain))
                (void)pq_strings_add_once(out, scan.uses[j].reference.domain);
    }
    return true;
}

static bool find_hosts(run *r, const pq_arguments *arguments, const pq_strings *folders, pq_strings *out)
{
    PQ_AUTO_SCAN_ARGUMENTS how = {0};
    const pq_config *config = &r->session.config;
    how.options = (pq_scan_options){.build_args = &how.build_args, .variables = &how.variables};
    pq_scan_arguments_define(&how, config);
    if (arguments->word_count)
        return pq_client_named_hosts(r->cli, &r->session, arguments, out) && add_scanned(r, folders, &how, out);
    for (size_t i = 0; i < config->registry_count; i++) {
        if (config->registries[i].host.text)
            (void)pq_strings_add_once(out, config->registries[i].host.text);
        else
            pq_google_hosts(out);
    }
    if (!config->registry_count)
        return pq_errors_add(&r->cli->errors, PQ_ECONFIG, config->name, NULL, "names no registry to log in to");
    return add_scanned(r, folders, &how, out);
}

/* --- what a binding says ------------------------------------------------------------------------------------------ */

/* Answers of these come from a cloud and end; what comes from a secret as it is needs no cache. An identity of the
 * environment may be another one the next time, which the helper alone cannot tell. */
static bool has_token(const pq_config_registry *entry)
{
    return entry && entry->auth == PQ_AUTH_SECRET &&
           (entry->type == PQ_REGISTRY_AWS || entry->type == PQ_REGISTRY_GAR ||
            (entry->type == PQ_REGISTRY_AZURE && entry->azure_tenant.text));
}

/* The name that the registry is told; NULL when that takes asking a cloud. Owned. */
static char *user_of(run *r, const pq_config_registry *entry, const char *host)
{
    if (entry && entry->type == PQ_REGISTRY_AWS)
        return pq_strdup("AWS");
    if (entry && entry->type == PQ_REGISTRY_AZURE && entry->azure_tenant.text)
        return pq_strdup("00000000-0000-0000-0000-000000000000");
    if (entry && (entry->auth != PQ_AUTH_SECRET || has_token(entry)))
        return NULL;
    PQ_AUTO_CREDENTIAL credential = {0};
    PQ_AUTO_ERROR err = {0};
    if (!pq_auth_get(r->session.auth, host, NULL, &credential, &err)) {
        pq_cli_fail(r->cli, &err);
        return NULL;
    }
    return pq_strdup(credential.username);
}

/* An absolute path, or NULL for NULL. What it names may be made later, and links are followed when it is read. Owned.
 */
static char *absolute(const char *path)
{
    if (!path || !*path)
        return NULL;
    PQ_AUTO_FREE char *here = *path == '/' ? NULL : getcwd(NULL, 0);
    return here ? pq_path_join(here, path) : pq_strdup(path);
}

static void bind_host(run *r, const char *host, const char *program, const char *runtime)
{
    const pq_config_registry *entry = entry_of(r, host);
    pq_secret_environment environment = pq_secret_environment_read(r->cli->secrets_option);
    PQ_AUTO_STORE_PLACE store = {0};
    PQ_AUTO_ERROR no_store = {0};
    bool has_store = pq_store_place_find(&environment, &store, &no_store);
    pq_bound *bound = pq_binding_add(&r->wanted);
    pq_client_describe(&r->session, host, program, bound);
    bound->user = user_of(r, entry, host);
    bound->secrets = absolute(environment.secrets_option);
    bound->secrets_dir = absolute(environment.secrets_dir);
    bound->store = has_store ? absolute(store.path) : NULL;
    bound->store_key = has_store ? absolute(store.key_path) : NULL;
    if (runtime && has_token(entry)) {
        PQ_AUTO_FREE char *beside = pq_binding_beside(r->client.path);
        PQ_AUTO_FREE char *name = pq_cache_answer_name(beside, bound->host);
        bound->cache = pq_path_join(runtime, name);
    }
    if (entry && entry->oidc_token_env.text)
        pq_strings_add(&bound->environment, entry->oidc_token_env.text);
}

static void bind_hosts(run *r, const pq_strings *hosts, const char *program)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *runtime = NULL;
    bool tokens = false;
    pq_runtime_environment environment = pq_runtime_environment_read();
    for (size_t i = 0; i < hosts->count; i++)
        tokens = tokens || has_token(entry_of(r, hosts->at[i]));
    if (tokens && !pq_runtime_dir_find(&environment, &runtime, &err))
        pq_warn(NULL, err.hint, "%s; each `get` will ask the cloud", err.message);
    for (size_t i = 0; i < hosts->count; i++)
        if (!pq_binding_find(&r->wanted, pq_docker_hub_name(hosts->at[i])))
            bind_host(r, hosts->at[i], program, runtime);
}

/* --- what is said ------------------------------------------------------------------------------------------------- */

static void print_bound(run *r)
{
    for (size_t i = 0; i < r->wanted.count; i++) {
        const pq_bound *bound = &r->wanted.at[i];
        const pq_config_registry *entry = entry_of(r, bound->host);
        PQ_AUTO_FREE char *from = pq_strdup(!entry || entry->auth == PQ_AUTH_SECRET ? NULL
                                            : entry->auth == PQ_AUTH_OIDC           ? "auth: oidc"
                                                                                    : "auth: environment");
        const pq_config *config = &r->session.config;
        const char *secret = entry ? entry->secret.text : config->hub.line ? config->hub.secret.text : NULL;
        if (!from && secret)
            from = pq_asprintf("secret %s", secret);
        pq_print(r->cli, "%s  %s%s%s\n", bound->host, bound->access, from ? ", " : "", from ? from : "");
        json_t *one = json_object();
        pq_json_set(one, "registry", pq_json_text(bound->host));
        pq_json_set(one, "access", pq_json_text(bound->access));
        pq_json_set(one, "user", pq_json_text(bound->user));
        pq_json_append(r->list, one);
    }
}

static void report(run *r)
{
    json_t *told = pq_client_report(r->cli, &r->client, json_incref(r->list));
    if (r->cli->json)
        (void)json_object_update(r->cli->document, told);
    json_decref(told);
}

/* --- the commands ------------------------------------------------------------------------------------------------- */

static bool prepare(run *r, const pq_arguments *arguments, char **program)
{
    PQ_AUTO_STRINGS folders = {0}, hosts = {0};
    PQ_AUTO_FREE char *helper = NULL;
    PQ_AUTO_ERROR err = {0};
    if (r->cli->device_option)
        return pq_errors_add(&r->cli->errors, PQ_EUSAGE, NULL, "use `pratique device setup`",
                             "login binds the registries of a factory-config.yml");
    pq_arguments_values(arguments, "scan", &folders);
    if (!pq_session_read_config(&r->session, r->cli, &folders, true))
        return false;
    if (!pq_program_place(program, &err) || !pq_helper_place(&helper, &err) || !pq_trust_file(*program, &err) ||
        !pq_trust_file(r->session.config_path, &err))
        return fail(r, &err);
    if (!find_hosts(r, arguments, &folders, &hosts) || !pq_session_open_secrets(&r->session, r->cli))
        return false;
    pq_session_open_auth(&r->session);
    if (!pq_auth_check_hosts(r->session.auth, &hosts, &r->cli->errors))
        return false;
    bind_hosts(r, &hosts, *program);
    pq_client_warn_of_path(helper);
    return r->cli->errors.count == 0;
}

static void login(pq_cli *cli, const pq_arguments *arguments)
{
    AUTO_RUN r = {.cli = cli};
    PQ_AUTO_FREE char *program = NULL;
    PQ_AUTO_ERROR err = {0};
    if (!read_client(&r, arguments) || !prepare(&r, arguments, &program))
        return;
    if (!pq_client_bind(&r.client, &r.wanted, &err)) {
        (void)fail(&r, &err);
        return;
    }
    print_bound(&r);
    report(&r);
    if (r.into)
        pq_client_tell_environment(&r.client);
}

static void logout(pq_cli *cli, const pq_arguments *arguments)
{
    AUTO_RUN r = {.cli = cli};
    for (size_t i = 0; i < arguments->word_count; i++) {
        PQ_AUTO_FREE char *host = pq_docker_host(arguments->words[i]);
        (void)pq_strings_add_once(&r.hosts, host ? host : arguments->words[i]);
    }
    if (!read_client(&r, arguments))
        return;
    const pq_client_unbind_options options = {.hosts = &r.hosts};
    if (!pq_client_let_go(cli, &r.client, &options))
        return;
    for (size_t i = 0; i < r.client.gone.count; i++)
        pq_json_append(r.list, json_pack("{s:s}", "registry", r.client.gone.at[i]));
    report(&r);
}

const pq_command pq_cmd_login = {
    .name = "login",
    .synopsis = "[HOST]...",
    .summary = "point docker or podman at pratique's credential helper",
    .description =
        "Makes clients ask pratique for credentials of the registries in factory-config.yml (or only of HOST): their "
        "configuration names the helper for each host, and a binding beside it tells the helper which configuration "
        "and "
        "which secrets to use. No secret is written and nothing is sent anywhere. What else is in the client's "
        "configuration stays as it is. Logging in again changes nothing.\n\n"
        "With --into, a CI job has a client configuration of its own, which no other job can take away.",
    .examples = "$ pratique login\n"
                "$ pratique login --client podman ghcr.example.com\n"
                "$ pratique --config ci/factory-config.yml login --into \"$JOB/docker\"\n"
                "$ pratique login --dry-run",
    .options = login_options,
    .least = 0,
    .most = SIZE_MAX,
    .run = login,
};

const pq_command pq_cmd_logout = {
    .name = "logout",
    .synopsis = "[HOST]...",
    .summary = "take away what login has written",
    .description =
        "Takes away what `login` has written into a client's configuration, for HOST or for all, and puts back "
        "what it has replaced. Tokens that are kept for these hosts are forgotten. All else stays. What `device setup` "
        "has written there it takes away too; the units of the device stay.",
    .examples = "$ pratique logout\n"
                "$ pratique logout --client podman ghcr.example.com",
    .options = logout_options,
    .least = 0,
    .most = SIZE_MAX,
    .run = logout,
};
