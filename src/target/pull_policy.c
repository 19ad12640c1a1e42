#include "target/pull_policy.h"

#include <jansson.h>
#include <string.h>

#include "base/file.h"

bool pq_pull_policy_system(pq_buf *out, char **path, pq_error *err)
{
    const char *home = getenv("HOME");
    PQ_AUTO_FREE char *own = home && *home == '/' ? pq_path_join(home, ".config/containers/policy.json") : NULL;
    const char *const places[] = {own, "/etc/containers/policy.json"};
    *path = NULL;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (!places[i] || !pq_path_exists(places[i]))
            continue;
        if (!pq_read_file(places[i], out, err))
            return false;
        *path = pq_strdup(places[i]);
        return true;
    }
    return true;
}

/* The scopes of containers-policy.json(5) for docker, from the narrowest: HOST/NAME@DIGEST, HOST/NAME, each namespace,
 * HOST, *.DOMAIN for each of its domains, and everything of the transport. */
static const json_t *requirements(const json_t *docker, const json_t *standard, const char *pull)
{
    PQ_AUTO_FREE char *scope = pq_strdup(pull);
    const json_t *found = json_object_get(docker, scope);
    char *end = strchr(scope, '@');
    while (!found && end) {
        *end = '\0';
        found = json_object_get(docker, scope);
        end = strrchr(scope, '/');
    }
    for (const char *dot = strchr(scope, '.'); !found && dot; dot = strchr(dot + 1, '.')) {
        PQ_AUTO_FREE char *wildcard = pq_asprintf("*%s", dot);
        found = json_object_get(docker, wildcard);
    }
    if (!found)
        found = json_object_get(docker, "");
    return found ? found : standard;
}

bool pq_pull_policy_make(const char *system, size_t system_length, const char *system_name, const pq_strings *pulls,
                         char **out, pq_error *err)
{
    json_auto_t *given = system ? json_loadb(system, system_length, 0, NULL) : json_object();
    if (!json_is_object(given))
        return pq_fail(err, PQ_ECONFIG, system_name, "see containers-policy.json(5)", "is not a JSON object");
    json_auto_t *accept = json_pack("[{s:s}]", "type", "insecureAcceptAnything");
    const json_t *docker = json_object_get(json_object_get(given, "transports"), "docker");
    const json_t *standard = json_object_get(given, "default");
    json_auto_t *allowed = json_object();
    bool good = true;
    for (size_t i = 0; i < pulls->count; i++) {
        const json_t *asked = requirements(docker, standard ? standard : accept, pulls->at[i]);
        good = good && json_object_set_new(allowed, pulls->at[i], json_deep_copy(asked)) == 0;
    }
    /* What lies in the engine's own store was let in before, or was built here. */
    json_auto_t *policy = json_pack("{s:[{s:s}], s:{s:O, s:{s:O}}}", "default", "type", "reject", "transports",
                                    "docker", allowed, "containers-storage", "", accept);
    *out = good && policy ? json_dumps(policy, JSON_INDENT(2)) : NULL;
    return *out || pq_fail(err, PQ_ESYSTEM, system_name, NULL, "the policy of pulls cannot be written");
}
