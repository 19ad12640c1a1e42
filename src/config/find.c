#include "config/config.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

static const char *const names[] = {"factory-config.yml", "ci-scripts/factory-config.yml"};

/* A file that somebody named must be there. */
static bool named_file(const char *path, pq_code code, const char *by, char **out, pq_error *err)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        if (errno == ENOENT || errno == ENOTDIR)
            return pq_fail(err, code, path, NULL, "the configuration that %s names does not exist", by);
        return pq_fail_errno(err, path, "cannot look at the configuration that %s names", by);
    }
    if (S_ISDIR(info.st_mode))
        return pq_fail(err, code, path, "name the file in it", "the configuration that %s names is a folder", by);
    return pq_path_absolute(path, out, err);
}

static bool is_inside(const char *path, const char *folder)
{
    size_t length = strlen(folder);
    while (length && folder[length - 1] == '/')
        length--;
    return strncmp(path, folder, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

/* The real folders that are scanned; for a single file, the folder that it lies in. */
static bool scanned_folders(const pq_strings *scanned, pq_strings *out, pq_error *err)
{
    for (size_t i = 0; scanned && i < scanned->count; i++) {
        PQ_AUTO_FREE char *real = NULL;
        if (!pq_path_absolute(scanned->at[i], &real, err))
            return false;
        pq_strings_take(out, pq_is_dir(real) ? pq_steal(real) : pq_path_dirname(real));
    }
    return true;
}

bool pq_config_is_scanned(const char *path, const pq_strings *scanned)
{
    PQ_AUTO_STRINGS folders = {0};
    PQ_AUTO_FREE char *real = NULL;
    PQ_AUTO_ERROR ignored = {0};
    if (!scanned || !scanned->count)
        return false;
    if (!scanned_folders(scanned, &folders, &ignored) || !pq_path_absolute(path, &real, &ignored))
        return true; /* nobody knows */
    bool inside = false;
    for (size_t i = 0; i < folders.count; i++)
        inside |= is_inside(path, folders.at[i]) || is_inside(real, folders.at[i]);
    return inside;
}

/* Why the candidate may not be taken, or NULL. */
static const char *objection(const char *path, const char *real, const pq_strings *scanned, uid_t user)
{
    PQ_AUTO_FREE char *folder = pq_path_dirname(path);
    PQ_AUTO_FREE char *real_folder = pq_path_dirname(real);
    const char *const places[] = {folder, real_folder, real};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        struct stat info;
        if (stat(places[i], &info) != 0)
            return "cannot be looked at";
        if (info.st_uid != user)
            return "belongs to another user, or lies in a folder of another user";
    }
    for (size_t i = 0; i < scanned->count; i++)
        if (is_inside(path, scanned->at[i]) || is_inside(real, scanned->at[i]))
            return "lies inside the folder that is worked on, which must not choose where secrets go";
    return NULL;
}

/* The folder itself is another's: nothing below it (ci-scripts) is looked at either. */
static bool owned_by(const char *folder, uid_t user)
{
    struct stat info;
    return stat(folder, &info) == 0 && info.st_uid == user;
}

static bool look_in(const char *folder, const pq_strings *scanned, uid_t user, char **out, char **skipped,
                    pq_error *err)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        PQ_AUTO_FREE char *path = pq_path_join(folder, names[i]);
        PQ_AUTO_FREE char *real = NULL;
        struct stat info;
        if (stat(path, &info) != 0 || !S_ISREG(info.st_mode))
            continue;
        if (!pq_path_absolute(path, &real, err))
            return false;
        const char *why =
            owned_by(folder, user) ? objection(path, real, scanned, user) : "lies in a folder of another user";
        if (!why) {
            *out = pq_steal(real);
            return true;
        }
        if (!*skipped)
            *skipped = pq_asprintf("%s %s", path, why);
    }
    return true;
}

/* The nearest folder from `start` upward with a `.git` (a file in a linked work tree); `start` itself when none has.
 * Owned. */
static char *git_root(const char *start)
{
    PQ_AUTO_FREE char *at = pq_strdup(start);
    for (;;) {
        PQ_AUTO_FREE char *git = pq_path_join(at, ".git");
        if (pq_path_exists(git))
            return pq_steal(at);
        if (pq_streq(at, "/"))
            return pq_strdup(start);
        char *above = pq_path_dirname(at);
        free(at);
        at = above;
    }
}

bool pq_config_find(const pq_config_search *search, char **out, char **skipped, pq_error *err)
{
    *out = NULL;
    *skipped = NULL;
    if (search->option)
        return named_file(search->option, PQ_EUSAGE, "--config", out, err);
    if (search->environment && *search->environment)
        return named_file(search->environment, PQ_ECONFIG, "$PRATIQUE_CONFIG", out, err);
    PQ_AUTO_STRINGS scanned = {0};
    PQ_AUTO_FREE char *at = NULL;
    if (!scanned_folders(search->scanned, &scanned, err) || !pq_path_absolute(search->working_folder, &at, err))
        return false;
    PQ_AUTO_FREE char *root = git_root(at);
    PQ_AUTO_FREE char *passed_over = NULL;
    for (;;) {
        if (!look_in(at, &scanned, search->user, out, &passed_over, err))
            return false;
        if (*out)
            return true;
        if (pq_streq(at, root))
            break;
        char *above = pq_path_dirname(at);
        free(at);
        at = above;
    }
    *skipped = pq_steal(passed_over);
    return true;
}

bool pq_config_missing(const char *skipped, pq_error *err)
{
    if (skipped)
        return pq_fail(err, PQ_ECONFIG, NULL, "name it with --config FILE if you trust it", "no configuration: %s",
                       skipped);
    return pq_fail(err, PQ_ECONFIG, NULL, "name it with --config FILE or $PRATIQUE_CONFIG",
                   "no factory-config.yml from here up to the git root");
}
