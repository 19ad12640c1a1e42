#include "cmd/client_setup.h"

#include <string.h>
#include <unistd.h>

#include "base/docker_protocol.h"
#include "base/file.h"
#include "base/process.h"
#include "config/host.h"

bool pq_client_option(pq_cli *cli, const char *name, pq_client *out)
{
    return pq_client_from_name(name, out) ||
           pq_errors_add(&cli->errors, PQ_EUSAGE, NULL, "buildah and skopeo read podman's",
                         "--client is docker or podman, not %s", name);
}

bool pq_client_into(const char *into, char **out, pq_error *err)
{
    if (pq_path_absolute(into, out, err))
        return true;
    pq_error_clear(err);
    PQ_AUTO_FREE char *here = getcwd(NULL, 0);
    if (!here)
        return pq_fail_errno(err, NULL, "the working folder cannot be found");
    *out = pq_path_join(here, into);
    return true;
}

bool pq_client_named_hosts(pq_cli *cli, const pq_session *session, const pq_arguments *arguments, pq_strings *out)
{
    const char *section = session->config.device.is_device ? "registries" : "container_registries";
    bool good = true;
    for (size_t i = 0; i < arguments->word_count; i++) {
        const char *word = arguments->words[i], *reason = NULL;
        PQ_AUTO_FREE char *host = NULL, *right = NULL;
        if (!pq_host_parse(word, &host, &reason, &right)) {
            PQ_AUTO_FREE char *hint = right ? pq_asprintf("write %s", right) : NULL;
            good = pq_errors_add(&cli->errors, PQ_EUSAGE, word, hint, "is not a registry's host: it %s", reason);
        } else if (pq_streq(pq_session_access(session, host), "anonymous")) {
            PQ_AUTO_FREE char *hint = pq_asprintf("add it to %s in the configuration", section);
            good =
                pq_errors_add(&cli->errors, PQ_ECONFIG, host, hint, "the configuration has no entry for this registry");
        } else {
            (void)pq_strings_add_once(out, host);
        }
    }
    return good;
}

void pq_client_describe(const pq_session *session, const char *host, const char *program, pq_bound *out)
{
    out->host = pq_strdup(pq_docker_hub_name(host));
    out->program = pq_strdup(program);
    out->config = pq_strdup(session->config_path);
    out->device = session->config.device.is_device;
    out->access = pq_strdup(pq_session_access(session, host));
}

/* --- letting go --------------------------------------------------------------------------------------------------- */

static void forget_answers(const pq_client_binding *client)
{
    for (size_t i = 0; !client->dry_run && i < client->caches.count; i++) {
        PQ_AUTO_ERROR ignored = {0};
        PQ_AUTO_FREE char *folder = pq_path_dirname(client->caches.at[i]);
        PQ_AUTO_CACHE *cache = pq_cache_open(folder, &ignored);
        if (cache)
            pq_cache_forget_answer(cache, pq_path_basename(client->caches.at[i]));
    }
}

bool pq_client_let_go(pq_cli *cli, pq_client_binding *client, const pq_client_unbind_options *options)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *beside = pq_binding_beside(client->path);
    if (!pq_path_exists(beside)) {
        pq_note("%s is not bound to pratique", client->path);
        return true;
    }
    if (!pq_client_unbind(client, options, &err)) {
        pq_cli_fail(cli, &err);
        return false;
    }
    for (size_t i = 0; options->hosts && i < options->hosts->count; i++)
        if (!pq_strings_have(&client->gone, options->hosts->at[i]))
            pq_note("%s was not bound there", options->hosts->at[i]);
    forget_answers(client);
    return true;
}

/* --- what is said ------------------------------------------------------------------------------------------------- */

json_t *pq_client_report(pq_cli *cli, const pq_client_binding *client, json_t *registries)
{
    if (client->dry_run && client->lines.count) {
        pq_print(cli, "--- %s\n+++ %s\n@@ credHelpers @@\n", client->path, client->path);
        for (size_t i = 0; i < client->lines.count; i++) {
            pq_print_text(cli, client->lines.at[i]);
            pq_print(cli, "\n");
        }
    } else {
        pq_print(cli, "%s  %s\n", client->path, client->lines.count ? "changed" : "unchanged");
    }
    PQ_AUTO_FREE char *beside = pq_binding_beside(client->path);
    json_t *lines = json_array(), *told = json_object();
    for (size_t i = 0; i < client->lines.count; i++)
        pq_json_append(lines, pq_json_text(client->lines.at[i]));
    pq_json_set(told, "client", json_string(pq_client_name(client->client)));
    pq_json_set(told, "file", pq_json_text(client->path));
    pq_json_set(told, "binding", pq_json_text(beside));
    if (registries)
        pq_json_set(told, "registries", registries);
    pq_json_set(told, "changes", lines);
    return told;
}

void pq_client_warn_of_path(const char *helper)
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

void pq_client_tell_environment(const pq_client_binding *client)
{
    PQ_AUTO_FREE char *folder = pq_path_dirname(client->path);
    if (client->client == PQ_CLIENT_DOCKER)
        pq_note("for this configuration: export DOCKER_CONFIG=%s", folder);
    else
        pq_note("for this configuration: export REGISTRY_AUTH_FILE=%s", client->path);
}
