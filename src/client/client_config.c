#include "client/client_config.h"

#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"
#include "client/json_splice.h"

static const char helpers_key[] = "credHelpers";

/* --- where -------------------------------------------------------------------------------------------------------- */

static bool is_absolute(const char *path)
{
    return path && *path == '/';
}

static char *docker_place(void)
{
    const char *own = getenv("DOCKER_CONFIG"), *home = getenv("HOME");
    if (own && *own)
        return pq_path_join(own, "config.json");
    return is_absolute(home) ? pq_path_join(home, ".docker/config.json") : NULL;
}

static char *podman_place(void)
{
    const char *own = getenv("REGISTRY_AUTH_FILE"), *run = getenv("XDG_RUNTIME_DIR");
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    if (own && *own)
        return pq_strdup(own);
    if (is_absolute(run))
        return pq_path_join(run, "containers/auth.json");
    if (geteuid() == 0)
        return pq_strdup("/run/containers/0/auth.json");
    if (is_absolute(config))
        return pq_path_join(config, "containers/auth.json");
    return is_absolute(home) ? pq_path_join(home, ".config/containers/auth.json") : NULL;
}

static char *podman_durable_place(void)
{
    const char *own = getenv("REGISTRY_AUTH_FILE"), *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    if (own && *own)
        return pq_strdup(own);
    if (is_absolute(config))
        return pq_path_join(config, "containers/auth.json");
    return is_absolute(home) ? pq_path_join(home, ".config/containers/auth.json") : NULL;
}

static char *place_below(pq_client client, const char *into)
{
    return pq_path_join(into, client == PQ_CLIENT_DOCKER ? "config.json" : "auth.json");
}

static bool make_absolute(const char *path, char **out, pq_error *err)
{
    if (!path)
        return pq_fail(err, PQ_ECONFIG, NULL, "set $HOME, or name a folder with --into DIR",
                       "nothing says where the client's configuration is");
    PQ_AUTO_FREE char *here = *path == '/' ? NULL : getcwd(NULL, 0);
    if (*path != '/' && !here)
        return pq_fail_errno(err, NULL, "the working folder cannot be found");
    *out = here ? pq_path_join(here, path) : pq_strdup(path);
    return true;
}

bool pq_client_config_place(pq_client client, const char *into, char **out, pq_error *err)
{
    PQ_AUTO_FREE char *path = into                         ? place_below(client, into)
                              : client == PQ_CLIENT_DOCKER ? docker_place()
                                                           : podman_place();
    return make_absolute(path, out, err);
}

bool pq_client_config_durable_place(pq_client client, const char *into, const char *home, char **out, pq_error *err)
{
    const char *below = client == PQ_CLIENT_DOCKER ? ".docker/config.json" : ".config/containers/auth.json";
    PQ_AUTO_FREE char *path = into                         ? place_below(client, into)
                              : home                       ? pq_path_join(home, below)
                              : client == PQ_CLIENT_DOCKER ? docker_place()
                                                           : podman_durable_place();
    return make_absolute(path, out, err);
}

void pq_client_keys(pq_client client, const char *host, pq_strings *out)
{
    pq_strings_add(out, host);
    if (client == PQ_CLIENT_DOCKER && pq_streq(host, "docker.io"))
        pq_strings_add(out, "https://index.docker.io/v1/");
}

/* --- the text ----------------------------------------------------------------------------------------------------- */

static json_t *parse(const pq_client_config *config)
{
    return json_loadb(pq_buf_text(&config->text), config->text.length, 0, NULL);
}

static bool check(const pq_client_config *config, bool *has_helpers, pq_error *err)
{
    static const char hint[] = "correct the file; nothing was changed";
    json_error_t wrong = {.line = 1};
    json_t *root = json_loadb(pq_buf_text(&config->text), config->text.length, 0, &wrong);
    /* jansson lets a NUL pass behind a number. */
    if (!root || memchr(config->text.data, '\0', config->text.length)) {
        json_decref(root);
        /* jansson's own words quote the file. */
        PQ_AUTO_FREE char *where = pq_asprintf("%s:%d:%d", config->name, wrong.line, wrong.column);
        return pq_fail(err, PQ_EINPUT, where, hint, "is not JSON");
    }
    const json_t *helpers = json_object_get(root, helpers_key);
    bool good = json_is_object(root) && (!helpers || json_is_object(helpers));
    *has_helpers = helpers != NULL;
    json_decref(root);
    return good || pq_fail(err, PQ_EINPUT, config->name, hint, "is not a client's configuration: %s is not an object",
                           *has_helpers ? helpers_key : "it");
}

bool pq_client_config_read(const char *name, const void *bytes, size_t length, pq_client_config *out, pq_error *err)
{
    PQ_AUTO_CLIENT_CONFIG config = {.name = name, .text = PQ_SENSITIVE_BUF(PQ_MAX_CLIENT_CONFIG)};
    const char *text = bytes;
    bool blank = true;
    for (size_t i = 0; i < length && blank; i++)
        blank = pq_ascii_space(text[i]);
    pq_buf_add(&config.text, blank ? "{}" : bytes, blank ? 2 : length);
    bool has_helpers = false;
    if (config.text.overflow)
        return pq_fail(err, PQ_EINPUT, name, NULL, "is larger than %u bytes", PQ_MAX_CLIENT_CONFIG);
    if (!check(&config, &has_helpers, err))
        return false;
    config.made_helpers = !has_helpers;
    *out = config;
    config = (pq_client_config){0};
    return true;
}

void pq_client_config_clear(pq_client_config *config)
{
    pq_buf_clear(&config->text);
}

char *pq_client_config_helper(const pq_client_config *config, const char *key)
{
    json_t *root = parse(config);
    char *helper = pq_strdup(json_string_value(json_object_get(json_object_get(root, helpers_key), key)));
    json_decref(root);
    return helper;
}

bool pq_client_config_has_login(const pq_client_config *config, const char *key)
{
    static const char *const secrets[] = {"auth", "password", "identitytoken", "registrytoken"};
    json_t *root = parse(config);
    const json_t *login = json_object_get(json_object_get(root, "auths"), key);
    bool found = false;
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
        found = found || json_string_length(json_object_get(login, secrets[i])) > 0;
    json_decref(root);
    return found;
}

void pq_client_config_set(pq_client_config *config, const char *key, const char *helper)
{
    const char *const path[] = {helpers_key, key};
    PQ_AUTO_FREE char *is = pq_client_config_helper(config, key);
    if (!pq_streq(is, helper))
        pq_json_splice_set(&config->text, path, 2, helper);
}

void pq_client_config_remove(pq_client_config *config, const char *key, bool with_helpers)
{
    const char *const path[] = {helpers_key, key};
    if (!pq_json_splice_remove(&config->text, path, 2) || !with_helpers)
        return;
    json_t *root = parse(config);
    bool empty = json_object_size(json_object_get(root, helpers_key)) == 0;
    json_decref(root);
    if (empty)
        (void)pq_json_splice_remove(&config->text, path, 1);
}

bool pq_client_config_is_empty(const pq_client_config *config)
{
    json_t *root = parse(config);
    bool empty = json_object_size(root) == 0;
    json_decref(root);
    return empty;
}
