/* Where registries.conf is found. */
#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "config/config.h"
#include "config/mirrors.h"

static bool is_set(const char *text)
{
    return text && *text;
}

static bool read_one(const char *path, pq_mirrors *out, pq_errors *errs)
{
    PQ_AUTO_BUF bytes = PQ_BUF(PQ_MAX_CONFIG);
    PQ_AUTO_ERROR err = {0};
    if (pq_read_file(path, &bytes, &err))
        return pq_mirrors_parse(pq_buf_text(&bytes), bytes.length, path, out, errs);
    (void)pq_error_at(&err, path);
    err.code = PQ_ECONFIG;
    pq_errors_take(errs, &err);
    return false;
}

/* A file or folder that was found, and not named by anybody: the tree that is worked on must not choose where images
 * come from. */
static bool may_be_taken(const char *path, const pq_strings *scanned)
{
    if (!pq_path_exists(path))
        return false;
    if (!pq_config_is_scanned(path, scanned))
        return true;
    pq_note("%s lies inside the folder that is worked on and is not read", path);
    return false;
}

static bool read_drop_ins(const char *folder, const pq_strings *scanned, pq_mirrors *out, pq_errors *errs)
{
    DIR *entries = may_be_taken(folder, scanned) ? opendir(folder) : NULL;
    PQ_AUTO_STRINGS names = {0};
    for (const struct dirent *entry; entries && (entry = readdir(entries));)
        if (pq_ends_with(entry->d_name, ".conf"))
            pq_strings_add(&names, entry->d_name);
    if (entries)
        (void)closedir(entries);
    pq_strings_sort(&names);
    bool good = true;
    for (size_t i = 0; i < names.count; i++) {
        PQ_AUTO_FREE char *path = pq_path_join(folder, names.at[i]);
        if (!pq_is_dir(path) && may_be_taken(path, scanned))
            good &= read_one(path, out, errs);
    }
    return good;
}

/* The user's folder for these files; NULL when nothing says where. Owned. */
static char *user_folder(const pq_mirrors_search *search)
{
    if (is_set(search->config_home))
        return pq_path_join(search->config_home, "containers");
    return is_set(search->home) ? pq_path_join(search->home, ".config/containers") : NULL;
}

bool pq_mirrors_load(const pq_mirrors_search *search, pq_mirrors *out, pq_errors *errs)
{
    const char *system = search->system_folder ? search->system_folder : "/etc/containers";
    PQ_AUTO_FREE char *user = user_folder(search);
    PQ_AUTO_FREE char *user_file = user ? pq_path_join(user, "registries.conf") : NULL;
    PQ_AUTO_FREE char *system_file = pq_path_join(system, "registries.conf");
    bool named = is_set(search->named);
    bool of_user = !named && user_file && may_be_taken(user_file, search->scanned);
    bool good = true;
    if (named)
        good = read_one(search->named, out, errs);
    else if (of_user)
        good = read_one(user_file, out, errs);
    else if (may_be_taken(system_file, search->scanned))
        good = read_one(system_file, out, errs);
    if (!of_user) {
        PQ_AUTO_FREE char *folder = pq_path_join(system, "registries.conf.d");
        good &= read_drop_ins(folder, search->scanned, out, errs);
    }
    if (user) {
        PQ_AUTO_FREE char *folder = pq_path_join(user, "registries.conf.d");
        good &= read_drop_ins(folder, search->scanned, out, errs);
    }
    return good;
}
