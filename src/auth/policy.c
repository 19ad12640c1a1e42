#include "auth/policy.h"

#include <jansson.h>
#include <string.h>

#include "auth/policy_kind.h"
#include "base/limits.h"

static const pq_policy_kind *const kinds[] = {&pq_policy_kind_aws, &pq_policy_kind_azure, &pq_policy_kind_gar,
                                              &pq_policy_kind_generic};

void pq_policies_clear(pq_policies *policies)
{
    for (size_t i = 0; i < policies->count; i++) {
        pq_policy *policy = &policies->at[i];
        for (size_t j = 0; j < policy->step_count; j++) {
            free(policy->steps[j].note);
            free(policy->steps[j].command);
            free(policy->steps[j].document);
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

char *pq_policy_split(const char *name, const char **repository)
{
    size_t host = strcspn(name, "/");
    *repository = name[host] ? name + host + 1 : name + host;
    return pq_strndup(name, host);
}

void pq_shell_add(pq_buf *command, const char *word)
{
    bool plain = *word != '\0';
    for (const char *at = word; *at && plain; at++)
        plain = pq_ascii_alnum(*at) || strchr("@%+=:,./-_", *at);
    pq_buf_addc(command, ' ');
    if (plain) {
        pq_buf_adds(command, word);
        return;
    }
    pq_buf_addc(command, '\'');
    for (const char *at = word; *at; at++)
        if (*at == '\'')
            pq_buf_adds(command, "'\\''");
        else
            pq_buf_addc(command, *at);
    pq_buf_addc(command, '\'');
}

char *pq_shell_wanted(const pq_config_registry *entry, const char *name, const char *words)
{
    PQ_AUTO_FREE char *plain = pq_strdup(words);
    for (char *at = plain; *at; at++)
        if (!pq_ascii_alnum(*at) && !strchr(" ,.:-_", *at))
            *at = '_'; /* nothing that a shell reads */
    return pq_asprintf("\"${%s_%zu:?%s}\"", name, entry->number, plain);
}

char *pq_policy_identity(const pq_config_registry *entry)
{
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

/* A policy while its names are gathered. */
typedef struct gathered {
    char *key;
    const pq_config_registry *entry;
    char *host; /* of the first name */
} gathered;

static size_t find_or_add(gathered **list, size_t *capacity, pq_policies *out, const pq_config_registry *entry,
                          char *key, const char *host)
{
    for (size_t i = 0; i < out->count; i++)
        if (strcmp((*list)[i].key, key) == 0) {
            free(key);
            return i;
        }
    *list = pq_grow(*list, capacity, out->count + 1, sizeof **list);
    (*list)[out->count] = (gathered){.key = key, .entry = entry, .host = pq_strdup(host)};
    out->at = pq_grow(out->at, &out->capacity, out->count + 1, sizeof *out->at);
    out->at[out->count] = (pq_policy){.type = entry->type};
    return out->count++;
}

/* Without it there is a placeholder: a policy is often made before the identity is. */
static pq_secret *look_up(const pq_policy_options *options, const gathered *from)
{
    PQ_AUTO_ERROR ignored = {0};
    pq_secret *secret = NULL;
    const char *name = from->entry->secret.text;
    if (!options->secrets || !name || !pq_secrets_get(options->secrets, name, from->host, &secret, &ignored))
        return NULL;
    return secret;
}

bool pq_policies_make(const pq_policy_options *options, const pq_strings *names, pq_policies *out, pq_errors *errors)
{
    PQ_AUTO_FREE gathered *list = NULL;
    size_t capacity = 0, before = errors->count;
    for (size_t i = 0; i < names->count; i++) {
        const char *repository;
        PQ_AUTO_FREE char *host = pq_policy_split(names->at[i], &repository);
        const pq_config_registry *entry = pq_config_registry_for_host(options->config, host);
        if (!entry) {
            pq_strings_add(&out->others, names->at[i]);
            continue;
        }
        PQ_AUTO_FREE char *own = kind_of(entry->type)->key(options, entry, host);
        char *key = pq_asprintf("%d %s", (int)entry->type, own);
        size_t at = find_or_add(&list, &capacity, out, entry, key, host);
        pq_policy *policy = &out->at[at];
        (void)pq_strings_add_once(&policy->registries, host);
        pq_strings_add(&policy->repositories, names->at[i]);
    }
    for (size_t i = 0; i < out->count; i++) {
        pq_secret *secret = look_up(options, &list[i]);
        pq_policy_ask ask = {.entry = list[i].entry, .options = options, .secret = secret};
        kind_of(out->at[i].type)->make(&ask, &out->at[i], errors);
        pq_secret_free(secret);
        free(list[i].key);
        free(list[i].host);
    }
    return errors->count == before;
}

char *pq_policy_step_command(const pq_policy_step *step, int indent)
{
    if (!step->command)
        return NULL;
    PQ_AUTO_BUF text = PQ_BUF(SIZE_MAX / 2);
    pq_buf_adds(&text, step->command);
    if (step->document && indent == 0) {
        pq_shell_add(&text, step->document);
    } else if (step->document) {
        json_t *root = json_loads(step->document, 0, NULL);
        PQ_AUTO_FREE char *shown = json_dumps(root, JSON_INDENT((size_t)indent));
        pq_shell_add(&text, shown);
        json_decref(root);
    }
    return pq_buf_steal(&text);
}
