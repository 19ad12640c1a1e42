#include "auth/guard.h"

#include <string.h>

#include "auth/aws/profile.h"
#include "auth/google/file.h"

static void keep(pq_guard *guard, pq_secret *secret)
{
    guard->at = pq_grow(guard->at, &guard->capacity, guard->count + 1, sizeof *guard->at);
    guard->at[guard->count++] = secret;
}

/* Without the line end that a file has and a quotation has not. */
static size_t trimmed(const char *bytes, size_t length)
{
    while (length && (bytes[length - 1] == '\n' || bytes[length - 1] == '\r'))
        length--;
    return length;
}

static void keep_parts(pq_guard *guard, const pq_secret *whole)
{
    const char *bytes = pq_secret_bytes(whole);
    size_t length = trimmed(bytes, pq_secret_length(whole));
    keep(guard, pq_secret_new(bytes, length));
    const char *colon = memchr(bytes, ':', length);
    if (colon && !memchr(bytes, '\n', length))
        keep(guard, pq_secret_new(colon + 1, length - (size_t)(colon + 1 - bytes)));
}

/* The keys of every profile: one leads to another, and none may be published. */
static void keep_profiles(pq_guard *guard, const pq_secret *file)
{
    PQ_AUTO_ERRORS ignored = {0};
    PQ_AUTO_AWS_PROFILES profiles = {0};
    pq_aws_profiles_add_secret(&profiles, file, "secret", &ignored);
    for (size_t i = 0; i < profiles.credentials.section_count; i++) {
        PQ_AUTO_AWS_KEYS keys = {0};
        if (!pq_aws_section_keys(&profiles.credentials, i, &keys))
            continue; /* what is no credentials file has no keys to find */
        keep(guard, pq_secret_copy(keys.secret_access_key));
        if (keys.session_token)
            keep(guard, pq_secret_copy(keys.session_token));
    }
}

/* In the file a key's line ends are escaped: written out by itself it would not be found. */
static void keep_google(pq_guard *guard, const pq_secret *file)
{
    PQ_AUTO_GOOGLE_FILE read = {0};
    PQ_AUTO_ERRORS ignored = {0};
    (void)!pq_google_file_read(pq_secret_bytes(file), pq_secret_length(file), "secret", &read, &ignored);
    for (const pq_google_file *at = &read; at; at = at->base) {
        const pq_secret *const parts[] = {at->private_key, at->refresh_token, at->client_secret};
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
            if (parts[i])
                keep(guard, pq_secret_new(pq_secret_bytes(parts[i]),
                                          trimmed(pq_secret_bytes(parts[i]), pq_secret_length(parts[i]))));
    }
}

static bool keep_named(pq_guard *guard, pq_secrets *secrets, const char *name, const pq_config_registry *entry,
                       pq_error *err)
{
    PQ_AUTO_SECRET_FOUND found = {0};
    bool there = false;
    if (!name)
        return true;
    if (!pq_secrets_find(secrets, name, NULL, &found, &there, err))
        return false;
    if (!there)
        return true;
    keep_parts(guard, found.value);
    if (entry && entry->type == PQ_REGISTRY_AWS)
        keep_profiles(guard, found.value);
    if (entry && entry->type == PQ_REGISTRY_GAR)
        keep_google(guard, found.value);
    return true;
}

bool pq_guard_open(pq_guard *guard, const pq_config *config, pq_secrets *secrets, const char *hub_secret, pq_error *err)
{
    const char *const names[] = {config->hub.secret.text, hub_secret, "hub_creds", "osftok", "tuf_passphrase"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!keep_named(guard, secrets, names[i], false, err))
            return false;
    for (size_t i = 0; i < config->registry_count; i++) {
        const pq_config_registry *entry = &config->registries[i];
        if (!keep_named(guard, secrets, entry->secret.text, entry, err) ||
            !keep_named(guard, secrets, entry->azure_cert_secret.text, NULL, err))
            return false;
    }
    return true;
}

void pq_guard_clear(pq_guard *guard)
{
    for (size_t i = 0; i < guard->count; i++)
        pq_secret_free(guard->at[i]);
    free(guard->at);
    *guard = (pq_guard){0};
}
