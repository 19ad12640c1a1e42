#include "base/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"

enum { OVERFLOW_USER = 65534 };

/* The first namespace maps all users onto themselves. */
static bool in_user_namespace(void)
{
    PQ_AUTO_CLOSE int fd = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
    char text[128];
    ssize_t got = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (got <= 0)
        return false;
    text[got] = '\0';
    unsigned long inside = 1, outside = 1, count = 0;
    char *end = text;
    inside = strtoul(end, &end, 10);
    outside = strtoul(end, &end, 10);
    count = strtoul(end, &end, 10);
    return inside != 0 || outside != 0 || count != 4294967295UL;
}

bool pq_trust_user(uid_t user)
{
    return user == geteuid() || user == 0 || (user == OVERFLOW_USER && in_user_namespace());
}

bool pq_trust_status(const struct stat *status, const char *path, pq_error *err)
{
    if (!pq_trust_user(status->st_uid))
        return pq_fail(err, PQ_EDENIED, path, NULL,
                       "belongs to user %u, neither to the user who runs this (%u) nor to root",
                       (unsigned)status->st_uid, (unsigned)geteuid());
    bool sticky_folder = S_ISDIR(status->st_mode) && status->st_mode & S_ISVTX;
    if (!(status->st_mode & (S_IWGRP | S_IWOTH)) || sticky_folder)
        return true;
    PQ_AUTO_FREE char *hint = pq_asprintf("chmod go-w %s", path);
    return pq_fail(err, PQ_EDENIED, path, hint, "can be written by other users (mode %04o)",
                   (unsigned)(status->st_mode & 07777));
}

bool pq_trust_file(const char *path, pq_error *err)
{
    PQ_AUTO_FREE char *real = realpath(path, NULL);
    struct stat status;
    if (!real || stat(real, &status) != 0)
        return errno == ENOENT || errno == ENOTDIR ? pq_fail(err, PQ_ENOTFOUND, path, NULL, "no such file")
                                                   : pq_fail_errno(err, path, "cannot be looked at");
    PQ_AUTO_FREE char *folder = pq_path_dirname(real);
    if (!pq_trust_status(&status, real, err))
        return false;
    if (stat(folder, &status) != 0)
        return pq_fail_errno(err, folder, "cannot be looked at");
    return pq_trust_status(&status, folder, err);
}

/* --- the whole way ------------------------------------------------------------------------------------------------ */

enum { LINKS_MOST = 40, LONGEST_LINK = 4096 }; /* as the kernel has it (path_resolution(7), PATH_MAX) */

/* Where a walk is. */
typedef struct place {
    char *folder; /* without links */
    char *rest;   /* that is to be walked yet */
    unsigned links;
} place;

static void place_clear(place *at)
{
    free(at->folder);
    free(at->rest);
}

static bool is_shared(const struct stat *folder)
{
    return folder->st_mode & (S_IWGRP | S_IWOTH) && folder->st_mode & S_ISVTX;
}

/* The next name of `rest`, which is shortened. Owned; NULL at the end. */
static char *next_name(place *at)
{
    const char *start = at->rest + strspn(at->rest, "/");
    size_t length = strcspn(start, "/");
    char *name = length ? pq_strndup(start, length) : NULL;
    memmove(at->rest, start + length, strlen(start + length) + 1);
    return name;
}

static bool follow(place *at, const char *link, const char *path, pq_error *err)
{
    char target[LONGEST_LINK];
    ssize_t length = readlink(link, target, sizeof target - 1);
    if (length >= 0 && at->links++ < LINKS_MOST) {
        target[length] = '\0';
        char *rest = pq_asprintf("%s/%s", target, at->rest);
        free(at->rest);
        at->rest = rest;
        if (*target == '/') {
            free(at->folder);
            at->folder = pq_strdup("/");
        }
        return true;
    }
    errno = length < 0 ? errno : ELOOP;
    return pq_fail_errno(err, path, "cannot be looked at");
}

static bool look_at(const char *here, const char *path, struct stat *out, pq_error *err)
{
    if (lstat(here, out) == 0)
        return true;
    return errno == ENOENT || errno == ENOTDIR ? pq_fail(err, PQ_ENOTFOUND, path, NULL, "no such file")
                                               : pq_fail_errno(err, here, "cannot be looked at");
}

bool pq_trust_walk(const char *path, pq_trust_visit *visit, void *context, pq_error *err)
{
    PQ_AUTO_FREE char *here = *path == '/' ? NULL : getcwd(NULL, 0);
    if (*path != '/' && !here)
        return pq_fail_errno(err, path, "cannot be looked at");
    PQ_CLEANUP(place_clear)
    place at = {.folder = pq_strdup("/"), .rest = here ? pq_asprintf("%s/%s", here, path) : pq_strdup(path)};
    struct stat above, status;
    if (!look_at("/", path, &above, err) || !visit(context, "/", &above, false))
        return false;
    for (;;) {
        PQ_AUTO_FREE char *name = next_name(&at);
        if (!name)
            return true;
        if (pq_streq(name, "."))
            continue;
        PQ_AUTO_FREE char *next = pq_streq(name, "..") ? pq_path_dirname(at.folder) : pq_path_join(at.folder, name);
        /* Of a link that was followed. */
        if (!look_at(at.folder, path, &above, err) || !look_at(next, path, &status, err) ||
            !visit(context, next, &status, is_shared(&above)))
            return false;
        if (S_ISLNK(status.st_mode)) {
            if (!follow(&at, next, path, err))
                return false;
        } else if (S_ISDIR(status.st_mode)) {
            free(at.folder);
            at.folder = pq_steal(next);
        } else {
            return !at.rest[strspn(at.rest, "/")] || pq_fail(err, PQ_ENOTFOUND, path, NULL, "no such file");
        }
    }
}

static const char elsewhere[] = "move it into a folder that nobody else may write, such as /etc/pratique";

typedef struct judgement {
    const char *path;
    bool file_too;
    pq_error *err;
} judgement;

static bool judge(void *context, const char *at, const struct stat *status, bool shared)
{
    const judgement *j = context;
    bool folder = S_ISDIR(status->st_mode);
    if (folder && pq_trust_status(status, at, j->err))
        return true;
    if (folder) {
        if (!j->err->hint)
            j->err->hint = pq_strdup(elsewhere);
        PQ_AUTO_FREE char *message = pq_steal(j->err->message);
        j->err->message =
            pq_asprintf("the folder %s: others could put something else in the place of %s", message, j->path);
        return false;
    }
    if (shared)
        return pq_fail(j->err, PQ_EDENIED, at, elsewhere,
                       "lies in a folder that others may put files into, so that it is not sure whose it is");
    return S_ISLNK(status->st_mode) || !j->file_too || pq_trust_status(status, at, j->err);
}

bool pq_trust_way(const char *path, pq_error *err)
{
    judgement j = {.path = path, .file_too = true, .err = err};
    return pq_trust_walk(path, judge, &j, err);
}

bool pq_trust_folders(const char *path, pq_error *err)
{
    judgement j = {.path = path, .err = err};
    return pq_trust_walk(path, judge, &j, err);
}

bool pq_trust_to_run(const char *path, pq_error *err)
{
    if (pq_trust_file(path, err))
        return true;
    err->code = PQ_ECONFIG;
    return pq_error_wrap(err, "it wants to run a program");
}
