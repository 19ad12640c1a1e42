#include "cmd/session.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/runtime_dir.h"
#include "base/trust.h"
#include "config/device.h"

void pq_session_clear(pq_session *session)
{
    pq_registry_free(session->registry);
    pq_auth_free(session->auth);
    pq_cache_free(session->cache);
    pq_http_free(session->http);
    pq_secrets_close(session->secrets);
    pq_config_clear(&session->config);
    pq_mirrors_clear(&session->mirrors);
    free(session->config_path);
    free(session->config_skipped);
    *session = (pq_session){0};
}

bool pq_session_read_device(pq_session *session, pq_cli *cli, const char *path)
{
    PQ_AUTO_ERROR err = {0};
    if (cli->device_option)
        path = cli->device_option;
    if (!path)
        path = PQ_DEVICE_CONFIG;
    if (pq_path_absolute(path, &session->config_path, &err) &&
        (session->elsewhere ? pq_trust_file(session->config_path, &err) : pq_trust_way(path, &err)))
        return pq_config_load_device(session->config_path, path, &session->config, &cli->errors);
    PQ_AUTO_FREE char *folder = pq_path_dirname(path);
    bool no_folder = access(folder, F_OK) != 0 && errno == ENOENT;
    if (err.code == PQ_ENOTFOUND || no_folder)
        (void)pq_fail(&err, cli->device_option ? PQ_EUSAGE : PQ_ECONFIG, path,
                      "write one (`pratique help device setup` shows how), or name another with --device-config",
                      "there is no device configuration");
    else if (err.code == PQ_EDENIED) {
        err.code = PQ_ECONFIG; /* by this machine, not by a peer */
        if (!err.hint)
            err.hint = pq_strdup("have it and its folder belong to root");
    }
    pq_cli_fail(cli, &err);
    return false;
}

bool pq_session_read_config(pq_session *session, pq_cli *cli, const pq_strings *scanned, bool required)
{
    if (cli->device_option)
        return pq_session_read_device(session, cli, NULL);
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *here = getcwd(NULL, 0);
    if (!here) {
        (void)pq_fail_errno(&err, NULL, "the working folder cannot be found");
        pq_cli_fail(cli, &err);
        return false;
    }
    pq_config_search search = {
        .option = cli->config_option,
        .environment = getenv("PRATIQUE_CONFIG"),
        .working_folder = here,
        .scanned = scanned,
        .user = geteuid(),
    };
    if (!pq_config_find(&search, &session->config_path, &session->config_skipped, &err)) {
        pq_cli_fail(cli, &err);
        return false;
    }
    if (!session->config_path) {
        if (required) {
            (void)pq_config_missing(session->config_skipped, &err);
            pq_cli_fail(cli, &err);
        } else if (session->config_skipped) {
            pq_note("%s (name it with --config FILE if you trust it)", session->config_skipped);
        }
        return !required;
    }
    /* Shown as a person would type it from here. */
    size_t length = strlen(here);
    const char *shown = session->config_path;
    if (strncmp(shown, here, length) == 0 && shown[length] == '/')
        shown += length + 1;
    if (!pq_streq(cli->config_option, shown))
        pq_note("using %s", shown);
    return pq_config_load(session->config_path, shown, &session->config, &cli->errors);
}

bool pq_session_read_mirrors(pq_session *session, pq_cli *cli, const pq_strings *scanned)
{
    pq_mirrors_search search = {
        .named = getenv("CONTAINERS_REGISTRIES_CONF"),
        .config_home = getenv("XDG_CONFIG_HOME"),
        .home = getenv("HOME"),
        .scanned = scanned,
    };
    return pq_mirrors_load(&search, &session->mirrors, &cli->errors);
}

bool pq_session_open_secrets(pq_session *session, pq_cli *cli)
{
    PQ_AUTO_ERROR err = {0};
    pq_secret_environment environment = pq_secret_environment_read(cli->secrets_option);
    if (pq_secrets_open(&environment, &session->secrets, &err))
        return true;
    pq_cli_fail(cli, &err);
    return false;
}

/* buildah's chroot isolation gives a build the machine's own /dev. What is there already goes; who needs it asks anew.
 */
static bool keep_out_of_builds(const pq_session *session, const char *folder)
{
    PQ_AUTO_ERROR ignored = {0};
    PQ_AUTO_FREE char *shared = pq_asprintf("/dev/shm/pratique-%u", (unsigned)geteuid());
    if (!session->for_builds || !pq_streq(folder, shared))
        return false;
    if (!pq_remove_tree(folder, &ignored))
        pq_detail("%s", ignored.message);
    return true;
}

void pq_session_open_cache(pq_session *session, const char *folder)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *found = pq_strdup(folder);
    pq_runtime_environment environment = pq_runtime_environment_read();
    if (!found && !pq_runtime_dir_find(&environment, &found, &err)) {
        pq_detail("tokens are not kept: %s", err.message);
        return;
    }
    if (keep_out_of_builds(session, found))
        return;
    session->cache = pq_cache_open(found, &err);
    if (!session->cache)
        pq_detail("tokens are not kept: %s", err.message);
}

static bool identity(void *context, const char *host, bool again, pq_credential *out, pq_error *err)
{
    pq_session *session = context;
    if (again)
        pq_auth_forget(session->auth, host);
    return pq_auth_get(session->auth, host, NULL, out, err);
}

static char *identity_group(void *context, const char *host)
{
    const pq_session *session = context;
    return pq_auth_group(session->auth, host);
}

static pq_auth_options auth_options_of(pq_session *session)
{
    if (!session->cache)
        pq_session_open_cache(session, NULL);
    return (pq_auth_options){.config = &session->config,
                             .secrets = session->secrets,
                             .http = session->http,
                             .cache = session->cache,
                             .manner = session->manner,
                             .once = session->once,
                             .hub_host = session->hub_host,
                             .hub_secret = session->hub_secret};
}

static bool open_http(pq_session *session, pq_error *err)
{
    pq_http_options options = pq_http_options_from_environment();
    options.tries = session->once ? 1 : 0;
    return session->http || pq_http_new(&options, &session->http, err);
}

static bool send_late(void *context, const pq_http_request *request, pq_http_answer *out, pq_error *err)
{
    pq_session *session = context;
    return open_http(session, err) && pq_http_do(session->http, request, out, err);
}

void pq_session_open_auth(pq_session *session)
{
    pq_auth_options options = auth_options_of(session);
    options.send = send_late;
    options.send_context = session;
    session->auth = pq_auth_new(&options);
}

bool pq_session_connect(pq_session *session, pq_cli *cli)
{
    PQ_AUTO_ERROR err = {0};
    if (!open_http(session, &err)) {
        pq_cli_fail(cli, &err);
        return false;
    }
    pq_auth_options options = auth_options_of(session);
    session->auth = pq_auth_new(&options);
    const char *certs = getenv("PRATIQUE_CERTS_DIR");
    pq_registry_options registry_options = {
        .http = session->http,
        .identity = identity,
        .group = identity_group,
        .identity_context = session,
        .certs_dir = certs && *certs ? certs : NULL,
    };
    session->registry = pq_registry_new(&registry_options);
    return true;
}

const char *pq_session_access(const pq_session *session, const char *host)
{
    const pq_config_registry *entry = pq_config_registry_for_host(&session->config, host);
    if (entry)
        return pq_registry_type_name(entry->type);
    const char *hub = session->hub_host ? session->hub_host : session->config.hub.host.text;
    return hub && pq_ascii_equal_nocase(hub, host) ? "hub" : "anonymous";
}
