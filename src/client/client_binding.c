#include "client/client_binding.h"

#include <string.h>

#include "base/log.h"

static const char helper_name[] = "pratique";

bool pq_client_from_name(const char *name, pq_client *out)
{
    *out = pq_streq(name, "podman") ? PQ_CLIENT_PODMAN : PQ_CLIENT_DOCKER;
    return !name || pq_streq(name, pq_client_name(*out));
}

const char *pq_client_name(pq_client client)
{
    return client == PQ_CLIENT_DOCKER ? "docker" : "podman";
}

void pq_client_binding_clear(pq_client_binding *it)
{
    free(it->path);
    pq_strings_clear(&it->lines);
    pq_strings_clear(&it->gone);
    pq_strings_clear(&it->caches);
    *it = (pq_client_binding){0};
}

static void show(pq_client_binding *it, const char *key, const char *was, const char *is)
{
    if (pq_streq(was, is))
        return;
    if (was)
        pq_strings_take(&it->lines, pq_asprintf("-    \"%s\": \"%s\"", key, was));
    if (is)
        pq_strings_take(&it->lines, pq_asprintf("+    \"%s\": \"%s\"", key, is));
}

/* --- binding ------------------------------------------------------------------------------------------------------ */

typedef struct binding_run {
    pq_client_binding *it;
    const pq_binding *wanted;
} binding_run;

static void bind_key(pq_client_binding *it, pq_client_config *config, const pq_bound *old, pq_bound *new, size_t index)
{
    const char *key = new->keys.at[index];
    PQ_AUTO_FREE char *was = pq_client_config_helper(config, key);
    show(it, key, was, helper_name);
    const char *before = was && !pq_streq(was, helper_name) ? was : "";
    for (size_t i = 0; old && i < old->keys.count; i++)
        if (pq_streq(old->keys.at[i], key) && !*before)
            before = old->were.at[i];
    free(new->were.at[index]);
    new->were.at[index] = pq_strdup(before);
    pq_client_config_set(config, key, helper_name);
    if (pq_client_config_has_login(config, key)) {
        PQ_AUTO_FREE char *hint = pq_asprintf("`%s logout %s` takes it away", pq_client_name(it->client), key);
        pq_warn(it->path, hint, "still holds a password for %s, which is not used any more", key);
    }
}

/* Strings and all; the keys are those of the client. */
static void copy_bound(const pq_bound *from, pq_client client, pq_bound *to)
{
    *to = (pq_bound){.host = pq_strdup(from->host),
                     .program = pq_strdup(from->program),
                     .config = pq_strdup(from->config),
                     .device = from->device,
                     .access = pq_strdup(from->access),
                     .user = pq_strdup(from->user),
                     .secrets = pq_strdup(from->secrets),
                     .secrets_dir = pq_strdup(from->secrets_dir),
                     .store = pq_strdup(from->store),
                     .store_key = pq_strdup(from->store_key),
                     .cache = pq_strdup(from->cache),
                     .socket = pq_strdup(from->socket)};
    for (size_t i = 0; i < from->environment.count; i++)
        pq_strings_add(&to->environment, from->environment.at[i]);
    pq_client_keys(client, to->host, &to->keys);
    for (size_t i = 0; i < to->keys.count; i++)
        pq_strings_add(&to->were, "");
}

static bool bind_all(void *context, pq_client_config *config, pq_binding *binding, pq_error *err)
{
    const binding_run *run = context;
    (void)err;
    pq_strings_clear(&run->it->lines);
    for (size_t i = 0; i < run->wanted->count; i++) {
        pq_bound fresh;
        copy_bound(&run->wanted->at[i], run->it->client, &fresh);
        pq_bound *old = pq_binding_find(binding, fresh.host);
        for (size_t k = 0; k < fresh.keys.count; k++)
            bind_key(run->it, config, old, &fresh, k);
        if (old) {
            pq_bound_clear(old);
            *old = fresh;
        } else {
            *pq_binding_add(binding) = fresh;
        }
    }
    return true;
}

bool pq_client_bind(pq_client_binding *it, const pq_binding *wanted, pq_error *err)
{
    binding_run run = {.it = it, .wanted = wanted};
    const pq_client_edit_options options = {
        .path = it->path, .binding_first = true, .dry_run = it->dry_run, .change = bind_all, .context = &run};
    return pq_client_edit(&options, err);
}

/* --- letting go --------------------------------------------------------------------------------------------------- */

typedef struct unbinding_run {
    pq_client_binding *it;
    const pq_client_unbind_options *options;
} unbinding_run;

static bool is_chosen(const pq_client_unbind_options *options, const pq_bound *bound)
{
    if (options->of_devices && !bound->device)
        return false;
    if (options->stays && options->stays(options->context, bound))
        return false;
    return !options->hosts || !options->hosts->count || pq_strings_have(options->hosts, bound->host);
}

static void unbind_key(pq_client_binding *it, pq_client_config *config, const char *key, const char *was, bool last)
{
    PQ_AUTO_FREE char *is = pq_client_config_helper(config, key);
    if (!pq_streq(is, helper_name))
        return; /* somebody else's by now */
    show(it, key, is, *was ? was : NULL);
    if (*was)
        pq_client_config_set(config, key, was);
    else
        pq_client_config_remove(config, key, last);
}

static bool unbind_all(void *context, pq_client_config *config, pq_binding *binding, pq_error *err)
{
    const unbinding_run *run = context;
    pq_client_binding *it = run->it;
    (void)err;
    pq_strings_clear(&it->lines);
    pq_strings_clear(&it->gone);
    pq_strings_clear(&it->caches);
    for (size_t i = binding->count; i-- > 0;) {
        pq_bound *bound = &binding->at[i];
        if (!is_chosen(run->options, bound))
            continue;
        for (size_t k = bound->keys.count; k-- > 0;)
            unbind_key(it, config, bound->keys.at[k], bound->were.at[k], binding->made_helpers);
        pq_strings_add(&it->gone, bound->host);
        if (bound->cache)
            pq_strings_add(&it->caches, bound->cache);
        pq_binding_remove(binding, bound);
    }
    return true;
}

bool pq_client_unbind(pq_client_binding *it, const pq_client_unbind_options *options, pq_error *err)
{
    unbinding_run run = {.it = it, .options = options};
    const pq_client_edit_options edit = {
        .path = it->path, .binding_first = false, .dry_run = it->dry_run, .change = unbind_all, .context = &run};
    return pq_client_edit(&edit, err);
}
