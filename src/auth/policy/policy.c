#include "auth/policy/policy.h"
#include "auth/policy/kind.h"

#include <jansson.h>
#include <string.h>

#include "base/limits.h"
#include "config/device.h"

static const pq_policy_kind *const kinds[] = {&pq_policy_kind_aws, &pq_policy_kind_azure, &pq_policy_kind_gar,
                                              &pq_policy_kind_generic, &pq_policy_kind_gateway};

void pq_policies_clear(pq_policies *policies)
{
    for (size_t i = 0; i < policies->count; i++) {
        pq_policy *policy = &policies->at[i];
        for (size_t j = 0; j < policy->step_count; j++) {
            free(policy->steps[j].note);
            free(policy->steps[j].command);
            free(policy->steps[j].document);
            free(policy->steps[j].file);
        }
        free(policy->steps);
        free(policy->identity);
        pq_strings_clear(&policy->registries);
        pq_strings_clear(&policy->repositories);
    }
    free(policies->at);
    pq_strings_clear(&policies->others);
    *policies = (pq_policies){0};
}

/* --- for the kinds ------------------------------------------------------------------------------------------------ */

pq_policy_step *pq_policy_add(pq_policy *policy, const char *note, char *command, char *document)
{
    policy->steps = pq_grow(policy->steps, &policy->step_capacity, policy->step_count + 1, sizeof *policy->steps);
    pq_policy_step *step = &policy->steps[policy->step_count++];
    *step = (pq_policy_step){.note = pq_strdup(note), .command = command, .document = document};
    return step;
}

char *pq_policy_host(const char *name)
{
    return pq_strndup(name, strcspn(name, "/"));
}

const char *pq_policy_repository(const char *name)
{
    const char *slash = strchr(name, '/');
    return slash ? slash + 1 : "";
}

char *pq_policy_all_of(const char *host)
{
    return pq_asprintf("%s/*", host);
}

bool pq_policy_is_all(const char *name)
{
    return pq_streq(pq_policy_repository(name), "*");
}

char *pq_shell_wanted(const pq_config_registry *entry, const char *name, const char *words)
{
    PQ_AUTO_FREE char *plain = pq_strdup(words);
    for (char *at = plain; *at; at++)
        if (!pq_ascii_alnum(*at) && !strchr(" ,.:-_", *at))
            *at = '_'; /* nothing that a shell reads */
    return pq_asprintf("\"${%s_%zu:?%s}\"", name, entry->number, plain);
}

/* "iot, role alias ecr-pull", "entra, application …". Owned. */
static char *device_identity(const pq_config_registry *entry)
{
    const char *way = pq_config_device_way(entry->auth);
    switch (entry->auth) {
    case PQ_AUTH_IOT:
        return pq_asprintf("%s, role alias %s at %s", way, entry->iot_role_alias.text, entry->iot_endpoint.text);
    case PQ_AUTH_ROLES_ANYWHERE:
        return pq_asprintf("%s, role %s", way, entry->anywhere_role_arn.text);
    case PQ_AUTH_ENTRA:
        return pq_asprintf("%s, application %s of %s", way, entry->azure_client_id.text, entry->azure_tenant.text);
    case PQ_AUTH_FEDERATION:
        return pq_asprintf("%s, %s", way, entry->audience.text);
    case PQ_AUTH_GATEWAY:
        return pq_asprintf("%s %s", way, entry->gateway.text);
    case PQ_AUTH_FILE:
        return pq_asprintf("%s %s", way, entry->credentials_file.text);
    case PQ_AUTH_SECRET:
    case PQ_AUTH_OIDC:
    case PQ_AUTH_ENVIRONMENT:
        break;
    }
    return pq_strdup("");
}

char *pq_policy_identity(const pq_config_registry *entry)
{
    if (pq_config_device_way(entry->auth))
        return device_identity(entry);
    if (entry->auth != PQ_AUTH_SECRET)
        return pq_asprintf("auth: %s", entry->auth == PQ_AUTH_OIDC ? "oidc" : "environment");
    return pq_asprintf("secret %s", entry->secret.text ? entry->secret.text : entry->azure_cert_secret.text);
}

/* --- all of them -------------------------------------------------------------------------------------------------- */

static const pq_policy_kind *kind_of(pq_registry_type type)
{
    size_t i = 0;
    while (kinds[i]->type != type)
        i++;
    return kinds[i];
}

/* Policies while their names are gathered. */
typedef struct gathered {
    struct {
        char *key;
        const pq_config_registry *entry;
        char *host; /* of the first name */
    } * at;         /* one for each of `policies` */
    size_t count, capacity;
    pq_policies *policies;
} gathered;

static size_t find_or_add(gathered *list, const pq_config_registry *entry, char *key, const char *host)
{
    pq_policies *out = list->policies;
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->at[i].key, key) == 0) {
            free(key);
            return i;
        }
    list->at = pq_grow(list->at, &list->capacity, list->count + 1, sizeof *list->at);
    list->at[list->count].key = key;
    list->at[list->count].entry = entry;
    list->at[list->count++].host = pq_strdup(host);
    out->at = pq_grow(out->at, &out->capacity, out->count + 1, sizeof *out->at);
    out->at[out->count] = (pq_policy){.type = entry->type};
    return out->count++;
}

/* Without it there is a placeholder: a policy is often made before the identity is. */
static pq_secret *look_up(const pq_policy_options *options, const pq_config_registry *entry, const char *host)
{
    PQ_AUTO_ERROR ignored = {0};
    pq_secret *secret = NULL;
    const char *name = entry->secret.text;
    if (!options->secrets || !name || !pq_secrets_get(options->secrets, name, host, &secret, &ignored))
        return NULL;
    return secret;
}

static void gather(const pq_policy_options *options, const pq_strings *names, gathered *list)
{
    for (size_t i = 0; i < names->count; i++) {
        PQ_AUTO_FREE char *host = pq_policy_host(names->at[i]);
        const pq_config_registry *entry = pq_config_registry_for_host(options->config, host);
        if (!entry) {
            pq_strings_add(&list->policies->others, names->at[i]);
            continue;
        }
        PQ_AUTO_FREE char *own = kind_of(entry->type)->key(options, entry, host);
        size_t at = find_or_add(list, entry, pq_asprintf("%d %s", (int)entry->type, own), host);
        pq_policy *policy = &list->policies->at[at];
        (void)pq_strings_add_once(&policy->registries, host);
        pq_strings_add(&policy->repositories, names->at[i]);
    }
}

bool pq_policies_make(const pq_policy_options *options, const pq_strings *names, pq_policies *out, pq_errors *errors)
{
    gathered list = {.policies = out};
    size_t before = errors->count;
    gather(options, names, &list);
    for (size_t i = 0; i < list.count; i++) {
        pq_secret *secret = look_up(options, list.at[i].entry, list.at[i].host);
        pq_policy_ask ask = {.entry = list.at[i].entry, .options = options, .secret = secret};
        kind_of(out->at[i].type)->make(&ask, &out->at[i], errors);
        pq_secret_free(secret);
        free(list.at[i].key);
        free(list.at[i].host);
    }
    free(list.at);
    return errors->count == before;
}

char *pq_policy_step_command(const pq_policy_step *step, int indent)
{
    if (!step->command)
        return NULL;
    PQ_AUTO_BUF text = PQ_BUF(SIZE_MAX / 2);
    pq_buf_adds(&text, step->command);
    if (step->file) {
        PQ_AUTO_FREE char *url = pq_asprintf("file://%s", step->file);
        pq_shell_add(&text, url);
    } else if (step->document && indent == 0) {
        pq_shell_add(&text, step->document);
    } else if (step->document) {
        json_t *root = json_loads(step->document, 0, NULL);
        PQ_AUTO_FREE char *shown = json_dumps(root, JSON_INDENT((size_t)indent));
        pq_shell_add(&text, shown);
        json_decref(root);
    }
    return pq_buf_steal(&text);
}
