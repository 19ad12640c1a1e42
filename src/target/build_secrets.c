#include "target/build_secrets.h"

#include <linux/magic.h>
#include <sys/vfs.h>

#include "base/file.h"
#include "base/log.h"

void pq_build_secrets_clear(pq_build_secrets *secrets)
{
    PQ_AUTO_ERROR err = {0};
    if (secrets->folder && !pq_remove_tree(secrets->folder, &err))
        pq_warn(secrets->folder, "remove it: it holds secrets", "%s", err.message);
    free(secrets->folder);
    pq_strings_clear(&secrets->files);
    *secrets = (pq_build_secrets){0};
}

static bool is_reserved(const pq_config *config, const char *name)
{
    static const char *const own[] = {"hub_creds", "osftok", "tuf_passphrase"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (pq_streq(own[i], name))
            return true;
    for (size_t i = 0; i < config->registry_count; i++)
        if (pq_streq(config->registries[i].secret.text, name) ||
            pq_streq(config->registries[i].azure_cert_secret.text, name))
            return true;
    return pq_streq(config->hub.secret.text, name);
}

static bool is_tmpfs(const char *path)
{
    struct statfs status;
    return statfs(path, &status) == 0 && status.f_type == TMPFS_MAGIC;
}

/* A private folder in memory. */
static bool make_memory_folder(char **out, pq_error *err)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    /* /dev/shm last: with chroot isolation what RUN starts sees the machine's own. */
    const char *const places[] = {getenv("PRATIQUE_RUNTIME_DIR"), runtime, "/run", "/dev/shm"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (!places[i] || places[i][0] != '/' || !is_tmpfs(places[i]))
            continue;
        PQ_AUTO_FREE char *path = pq_asprintf("%s/pratique-XXXXXX", places[i]);
        if (mkdtemp(path)) {
            *out = pq_steal(path);
            return true;
        }
    }
    return pq_fail(err, PQ_ESYSTEM, NULL, "set PRATIQUE_RUNTIME_DIR to a folder on tmpfs",
                   "there is no folder in memory (tmpfs) for the secrets of the build");
}

bool pq_build_secrets_open(const pq_config *config, pq_secrets *secrets, const pq_dockerfile *file,
                           pq_build_secrets *out, pq_error *err)
{
    for (size_t i = 0; i < file->secrets.count; i++) {
        const char *id = file->secrets.at[i];
        if (!config->docker_build_secrets) {
            pq_warn(file->file, "set containers.docker_build_secrets: true",
                    "mounts the secret %s, but the configuration gives builds none", id);
            continue;
        }
        if (is_reserved(config, id))
            return pq_fail(err, PQ_EDENIED, file->file, "use a secret of its own for the build",
                           "mounts the secret %s, which is for registries, the hub or TUF only", id);
        PQ_AUTO_SECRET_FOUND found = {0};
        bool there = false;
        if (!pq_secrets_find(secrets, id, NULL, &found, &there, err))
            return false;
        if (there && found.hosts.count)
            return pq_fail(err, PQ_EDENIED, file->file, NULL,
                           "mounts the secret %s, which is bound to a host and not for builds", id);
        if (!there) {
            pq_warn(file->file, "set it with `pratique secrets update`", "mounts the secret %s, which there is not",
                    id);
            continue;
        }
        if (!out->folder && !make_memory_folder(&out->folder, err))
            return false;
        PQ_AUTO_FREE char *path = pq_path_join(out->folder, id);
        if (!pq_write_file(path, 0600, pq_secret_bytes(found.value), pq_secret_length(found.value), err))
            return false;
        pq_strings_take(&out->files, pq_asprintf("%s=%s", id, path));
    }
    return true;
}
