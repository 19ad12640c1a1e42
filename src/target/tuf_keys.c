#include "target/tuf_keys.h"

#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "crypto/seal.h"

enum { MAX_KEY_FILE = 4096 };

void pq_tuf_keys_clear(pq_tuf_keys *keys)
{
    free(keys->folder);
    for (size_t i = 0; i < PQ_TUF_ROLES; i++)
        pq_sign_key_free(keys->at[i]);
    *keys = (pq_tuf_keys){0};
}

static char *key_path(const char *folder, pq_tuf_role role)
{
    PQ_AUTO_FREE char *name = pq_asprintf("%s.key", pq_tuf_role_name(role));
    return pq_path_join(folder, name);
}

/* What a sealed key is bound to. */
static char *binding(pq_tuf_role role)
{
    return pq_asprintf("pratique tuf key: %s", pq_tuf_role_name(role));
}

bool pq_tuf_keys_generate(const char *folder, pq_tuf_keys *out, pq_error *err)
{
    PQ_AUTO_TUF_KEYS keys = {.folder = pq_strdup(folder)};
    for (size_t i = 0; i < PQ_TUF_ROLES; i++)
        if (!pq_sign_key_generate(&keys.at[i], err))
            return false;
    *out = keys;
    keys = (pq_tuf_keys){0};
    return true;
}

bool pq_tuf_keys_exist(const char *folder)
{
    for (size_t i = 0; i < PQ_TUF_ROLES; i++) {
        PQ_AUTO_FREE char *path = key_path(folder, (pq_tuf_role)i);
        if (pq_path_exists(path))
            return true;
    }
    return false;
}

static bool write_key(const pq_tuf_keys *keys, pq_tuf_role role, const pq_secret *passphrase, pq_error *err)
{
    PQ_AUTO_BUF sealed = PQ_BUF(MAX_KEY_FILE);
    PQ_AUTO_FREE char *path = key_path(keys->folder, role);
    PQ_AUTO_FREE char *bound = binding(role);
    return pq_seal_with_passphrase(pq_sign_key_seed(keys->at[role]), passphrase, bound, strlen(bound), &sealed, err) &&
           pq_write_file(path, 0600, sealed.data, sealed.length, err);
}

bool pq_tuf_keys_write(const pq_tuf_keys *keys, const pq_secret *passphrase, pq_error *err)
{
    if (!pq_make_dirs(keys->folder, 0700, err))
        return false;
    for (size_t i = 0; i < PQ_TUF_ROLES; i++) {
        if (!keys->at[i] || write_key(keys, (pq_tuf_role)i, passphrase, err))
            continue;
        for (size_t j = 0; j <= i; j++) {
            PQ_AUTO_FREE char *path = key_path(keys->folder, (pq_tuf_role)j);
            if (keys->at[j])
                (void)unlink(path);
        }
        return false;
    }
    return true;
}

static bool open_key(pq_tuf_keys *keys, pq_tuf_role role, const pq_secret *passphrase, pq_error *err)
{
    PQ_AUTO_BUF sealed = PQ_BUF(MAX_KEY_FILE);
    PQ_AUTO_FREE char *path = key_path(keys->folder, role);
    PQ_AUTO_FREE char *bound = binding(role);
    PQ_AUTO_SECRET *seed = NULL;
    if (!pq_path_exists(path))
        return pq_fail(err, PQ_EINPUT, path, "restore it from your copy, or name its folder with --keys",
                       "the %s key is missing", pq_tuf_role_name(role));
    if (!pq_read_file(path, &sealed, err))
        return false;
    if (!pq_open_with_passphrase(sealed.data, sealed.length, passphrase, bound, strlen(bound), path, &seed, err)) {
        if (err->code == PQ_EUNTRUSTED && !err->hint)
            err->hint = pq_strdup("set the right one with `pratique secrets update tuf_passphrase=-`");
        if (err->code == PQ_EUNTRUSTED)
            err->code = PQ_ECONFIG; /* found offline, and mended by the right passphrase */
        return pq_error_wrap(err, "the %s key cannot be opened", pq_tuf_role_name(role));
    }
    return pq_sign_key_from_seed(seed, path, &keys->at[role], err);
}

bool pq_tuf_keys_open(const char *folder, const pq_secret *passphrase, pq_tuf_keys *out, pq_error *err)
{
    PQ_AUTO_TUF_KEYS keys = {.folder = pq_strdup(folder)};
    static const pq_tuf_role roles[] = {PQ_TUF_TARGETS, PQ_TUF_SNAPSHOT, PQ_TUF_TIMESTAMP};
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (!open_key(&keys, roles[i], passphrase, err))
            return false;
    *out = keys;
    keys = (pq_tuf_keys){0};
    return true;
}
