/* pratique login, pratique logout: point clients at the credential helper, and back. */
#include <string.h>
#include <unistd.h>

#include "base/docker_protocol.h"
#include "base/file.h"
#include "base/process.h"
#include "base/runtime_dir.h"
#include "base/trust.h"
#include "client/client_edit.h"
#include "client/google_hosts.h"
#include "cmd/commands.h"
#include "cmd/helper_place.h"
#include "cmd/scan_options.h"
#include "cmd/session.h"
#include "config/host.h"

static const char helper_name[] = "pratique";

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
    pq_client client;
    char *path; /* of the client's configuration */
    char *into; /* absolute, or NULL */
    bool dry_run;
    pq_binding wanted; /* login: the blocks to be written */
    pq_strings hosts;  /* logout: those named; empty for all */
    pq_strings lines;  /* what changes, as a diff shows it */
    pq_strings gone;   /* logout: hosts that were let go, and their caches */
    pq_strings caches;
    bool any_left;
    json_t *list;
} run;

static void run_clear(run *r)
{
    pq_session_clear(&r->session);
    free(r->path);
    free(r->into);
    pq_binding_clear(&r->wanted);
    pq_strings_clear(&r->hosts);
    pq_strings_clear(&r->lines);
    pq_strings_clear(&r->gone);
    pq_strings_clear(&r->caches);
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
    r->dry_run = pq_arguments_have(arguments, "dry-run");
    r->list = json_array();
    if (name && !pq_streq(name, "docker") && !pq_streq(name, "podman"))
        return pq_errors_add(&r->cli->errors, PQ_EUSAGE, NULL, "buildah and skopeo read podman's",
                             "--client is docker or podman, not %s", name);
    r->client = pq_streq(name, "podman") ? PQ_CLIENT_PODMAN : PQ_CLIENT_DOCKER;
    if (into && !r->dry_run && !pq_make_dirs(into, 0700, &err))
        return fail(r, &err);
    if (into && !pq_path_absolute(into, &r->into, &err))
        return fail(r, &err);
    return pq_client_config_place(r->client, r->into, &r->path, &err) || fail(r, &err);
}

/* --- which hosts -------------------------------------------------------------------------------------------------- */

static const pq_config_registry *entry_of(const run *r, const char *host)
{
    return pq_config_registry_for_host(&r->session.config, host);
}

/* What the user named must be served. */
static bool add_named(run *r, const pq_arguments *arguments, pq_strings *out)
{
    bool good = true;
    for (size_t i = 0; i < arguments->word_count; i++) {
        const char *word = arguments->words[i], *reason = NULL;
        PQ_AUTO_FREE char *host = NULL, *right = NULL;
        if (!pq_host_parse(word, &host, &reason, &right)) {
            PQ_AUTO_FREE char *hint = right ? pq_asprintf("write %s", right) : NULL;
            good = pq_errors_add(&r->cli->errors, PQ_EUSAGE, word, hint, "is not a registry's host: it %s", reason);
        } else if (pq_streq(pq_session_access(&r->session, host), "anonymous")) {
            good =
                pq_errors_add(&r->cli->errors, PQ_ECONFIG, host, "add it to container_registries in the configuration",
                              "the configuration has no entry for this registry");
        } else {
            (void)pq_strings_add_once(out, host);
        }
    }
    return good;
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
        return add_named(r, arguments, out) && add_scanned(r, folders, &how, out);
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
    bound->host = pq_strdup(pq_docker_hub_name(host));
    bound->program = pq_strdup(program);
    bound->config = pq_strdup(r->session.config_path);
    bound->access = pq_strdup(pq_session_access(&r->session, host));
    bound->user = user_of(r, entry, host);
    bound->secrets = absolute(environment.secrets_option);
    bound->secrets_dir = absolute(environment.secrets_dir);
    bound->store = has_store ? absolute(store.path) : NULL;
    bound->store_key = has_store ? absolute(store.key_path) : NULL;
    if (runtime && has_token(entry)) {
        PQ_AUTO_FREE char *beside = pq_binding_beside(r->path);
        PQ_AUTO_FREE char *name = pq_cache_answer_name(beside, bound->host);
        bound->cache = pq_path_join(runtime, name);
    }
    if (entry && entry->oidc_token_env.text)
        pq_strings_add(&bound->environment, entry->oidc_token_env.text);
    pq_client_keys(r->client, bound->host, &bound->keys);
    for (size_t i = 0; i < bound->keys.count; i++)
        pq_strings_add(&bound->were, "");
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

/* --- the change --------------------------------------------------------------------------------------------------- */

static void show(run *r, const char *key, const char *was, const char *is)
{
    if (pq_streq(was, is))
        return;
    if (was)
        pq_strings_take(&r->lines, pq_asprintf("-    \"%s\": \"%s\"", key, was));
    if (is)
        pq_strings_take(&r->lines, pq_asprintf("+    \"%s\": \"%s\"", key, is));
}

static void bind_key(run *r, pq_client_config *config, const pq_bound *old, pq_bound *new, size_t index)
{
    const char *key = new->keys.at[index];
    PQ_AUTO_FREE char *was = pq_client_config_helper(config, key);
    show(r, key, was, helper_name);
    const char *before = was && !pq_streq(was, helper_name) ? was : "";
    for (size_t i = 0; old && i < old->keys.count; i++)
        if (pq_streq(old->keys.at[i], key) && !*before)
            before = old->were.at[i];
    free(new->were.at[index]);
    new->were.at[index] = pq_strdup(before);
    pq_client_config_set(config, key, helper_name);
    if (pq_client_config_has_login(config, key))
        pq_warn(r->path,
                r->client == PQ_CLIENT_DOCKER ? "docker logout of that registry first, then log in here"
                                              : "podman logout of that registry first, then log in here",
                "still holds a password for %s, which is not used any more", key);
}

/* Strings and all; lists too. */
static void copy_bound(const pq_bound *from, pq_bound *to)
{
    *to = (pq_bound){.host = pq_strdup(from->host),
                     .program = pq_strdup(from->program),
                     .config = pq_strdup(from->config),
                     .access = pq_strdup(from->access),
                     .user = pq_strdup(from->user),
                     .secrets = pq_strdup(from->secrets),
                     .secrets_dir = pq_strdup(from->secrets_dir),
                     .store = pq_strdup(from->store),
                     .store_key = pq_strdup(from->store_key),
                     .cache = pq_strdup(from->cache)};
    for (size_t i = 0; i < from->environment.count; i++)
        pq_strings_add(&to->environment, from->environment.at[i]);
    for (size_t i = 0; i < from->keys.count; i++) {
        pq_strings_add(&to->keys, from->keys.at[i]);
        pq_strings_add(&to->were, from->were.at[i]);
    }
}

static bool bind_all(void *context, pq_client_config *config, pq_binding *binding, pq_error *err)
{
    run *r = context;
    (void)err;
    pq_strings_clear(&r->lines);
    for (size_t i = 0; i < r->wanted.count; i++) {
        pq_bound fresh;
        copy_bound(&r->wanted.at[i], &fresh);
        pq_bound *old = pq_binding_find(binding, fresh.host);
        for (size_t k = 0; k < fresh.keys.count; k++)
            bind_key(r, config, old, &fresh, k);
        if (old) {
            pq_bound_clear(old);
            *old = fresh;
        } else {
            *pq_binding_add(binding) = fresh;
        }
    }
    return true;
}

static void unbind_key(run *r, pq_client_config *config, const char *key, const char *was, bool last)
{
    PQ_AUTO_FREE char *is = pq_client_config_helper(config, key);
    if (!pq_streq(is, helper_name))
        return; /* somebody else's by now */
    show(r, key, is, *was ? was : NULL);
    if (*was)
        pq_client_config_set(config, key, was);
    else
        pq_client_config_remove(config, key, last);
}

static bool unbind_all(void *context, pq_client_config *config, pq_binding *binding, pq_error *err)
{
    run *r = context;
    (void)err;
    pq_strings_clear(&r->lines);
    pq_strings_clear(&r->gone);
    pq_strings_clear(&r->caches);
    for (size_t i = binding->count; i-- > 0;) {
        pq_bound *bound = &binding->at[i];
        if (r->hosts.count && !pq_strings_have(&r->hosts, bound->host))
            continue;
        for (size_t k = bound->keys.count; k-- > 0;)
            unbind_key(r, config, bound->keys.at[k], bound->were.at[k], binding->made_helpers);
        pq_strings_add(&r->gone, bound->host);
        if (bound->cache)
            pq_strings_add(&r->caches, bound->cache);
        pq_binding_remove(binding, bound);
    }
    r->any_left = binding->count > 0;
    return true;
}

static bool edit(run *r, pq_client_change *change, bool binding_first)
{
    PQ_AUTO_ERROR err = {0};
    const pq_client_edit_options options = {
        .path = r->path, .binding_first = binding_first, .dry_run = r->dry_run, .change = change, .context = r};
    return pq_client_edit(&options, &err) || fail(r, &err);
}

/* --- what is said ------------------------------------------------------------------------------------------------- */

static void print_change(run *r)
{
    pq_cli *cli = r->cli;
    if (r->dry_run && r->lines.count) {
        pq_print(cli, "--- %s\n+++ %s\n@@ credHelpers @@\n", r->path, r->path);
        for (size_t i = 0; i < r->lines.count; i++) {
            pq_print_text(cli, r->lines.at[i]);
            pq_print(cli, "\n");
        }
    } else if (r->dry_run || !r->lines.count) {
        pq_print(cli, "%s  %s\n", r->path, "unchanged");
    } else {
        pq_print(cli, "%s  changed\n", r->path);
    }
    if (!cli->json)
        return;
    PQ_AUTO_FREE char *beside = pq_binding_beside(r->path);
    json_t *lines = json_array();
    for (size_t i = 0; i < r->lines.count; i++)
        pq_json_append(lines, pq_json_text(r->lines.at[i]));
    pq_json_set(cli->document, "client", json_string(r->client == PQ_CLIENT_DOCKER ? "docker" : "podman"));
    pq_json_set(cli->document, "file", pq_json_text(r->path));
    pq_json_set(cli->document, "binding", pq_json_text(beside));
    pq_json_set(cli->document, "registries", json_incref(r->list));
    pq_json_set(cli->document, "changes", lines);
}

static void print_bound(run *r)
{
    for (size_t i = 0; i < r->wanted.count; i++) {
        const pq_bound *bound = &r->wanted.at[i];
        const pq_config_registry *entry = entry_of(r, bound->host);
        PQ_AUTO_FREE char *from = pq_strdup(!entry || entry->auth == PQ_AUTH_SECRET ? NULL
                                            : entry->auth == PQ_AUTH_OIDC           ? "auth: oidc"
                                                                                    : "auth: environment");
        if (!from && entry && entry->secret.text)
            from = pq_asprintf("secret %s", entry->secret.text);
        pq_print(r->cli, "%s  %s%s%s\n", bound->host, bound->access, from ? ", " : "", from ? from : "");
        json_t *one = json_object();
        pq_json_set(one, "registry", pq_json_text(bound->host));
        pq_json_set(one, "access", pq_json_text(bound->access));
        pq_json_set(one, "user", pq_json_text(bound->user));
        pq_json_append(r->list, one);
    }
}

/* Clients find their helper by PATH. */
static void warn_of_path(const char *helper)
{
    PQ_AUTO_FREE char *found = pq_process_find("docker-credential-pratique");
    PQ_AUTO_FREE char *real = found ? realpath(found, NULL) : NULL;
    PQ_AUTO_FREE char *ours = realpath(helper, NULL);
    PQ_AUTO_FREE char *folder = pq_path_dirname(helper);
    PQ_AUTO_FREE char *hint = pq_asprintf("put %s into PATH, or install with `make install`", folder);
    if (!found)
        pq_warn(NULL, hint, "docker-credential-pratique is not in PATH, so that no client will find it");
    else if (!pq_streq(real, ours))
        pq_warn(found, hint, "is another docker-credential-pratique than the one beside this program");
}

static void tell_environment(const run *r)
{
    if (!r->into)
        return;
    if (r->client == PQ_CLIENT_DOCKER)
        pq_note("for this configuration: export DOCKER_CONFIG=%s", r->into);
    else
        pq_note("for this configuration: export REGISTRY_AUTH_FILE=%s", r->path);
}

/* --- the commands ------------------------------------------------------------------------------------------------- */

static bool prepare(run *r, const pq_arguments *arguments, char **program)
{
    PQ_AUTO_STRINGS folders = {0}, hosts = {0};
    PQ_AUTO_FREE char *helper = NULL;
    PQ_AUTO_ERROR err = {0};
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
    warn_of_path(helper);
    return r->cli->errors.count == 0;
}

static void login(pq_cli *cli, const pq_arguments *arguments)
{
    AUTO_RUN r = {.cli = cli};
    PQ_AUTO_FREE char *program = NULL;
    if (!read_client(&r, arguments) || !prepare(&r, arguments, &program) || !edit(&r, bind_all, true))
        return;
    print_bound(&r);
    print_change(&r);
    tell_environment(&r);
}

static void forget_tokens(const run *r)
{
    for (size_t i = 0; !r->dry_run && i < r->caches.count; i++) {
        PQ_AUTO_ERROR ignored = {0};
        PQ_AUTO_FREE char *folder = pq_path_dirname(r->caches.at[i]);
        PQ_AUTO_CACHE *cache = pq_cache_open(folder, &ignored);
        if (cache)
            pq_cache_forget_answer(cache, pq_path_basename(r->caches.at[i]));
    }
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
    PQ_AUTO_FREE char *beside = pq_binding_beside(r.path);
    if (!pq_path_exists(beside)) {
        pq_note("%s is not bound to pratique", r.path);
    } else {
        if (!edit(&r, unbind_all, false))
            return;
        for (size_t i = 0; i < r.hosts.count; i++)
            if (!pq_strings_have(&r.gone, r.hosts.at[i]))
                pq_note("%s was not bound there", r.hosts.at[i]);
        forget_tokens(&r);
    }
    for (size_t i = 0; i < r.gone.count; i++)
        pq_json_append(r.list, json_pack("{s:s}", "registry", r.gone.at[i]));
    print_change(&r);
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
        "what it has replaced. Tokens that are kept for these hosts are forgotten. All else stays.",
    .examples = "$ pratique logout\n"
                "$ pratique logout --client podman ghcr.example.com",
    .options = logout_options,
    .least = 0,
    .most = SIZE_MAX,
    .run = logout,
};
