#include "base/runtime_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"

pq_runtime_environment pq_runtime_environment_read(void)
{
    return (pq_runtime_environment){.pratique_runtime_dir = getenv("PRATIQUE_RUNTIME_DIR"),
                                    .xdg_runtime_dir = getenv("XDG_RUNTIME_DIR"),
                                    .user = geteuid(),
                                    .run = "/run",
                                    .shm = "/dev/shm"};
}

static bool in_memory(int fd)
{
    struct statfs status;
    if (fstatfs(fd, &status) != 0)
        return false;
    /* The field is signed, and not of the same width everywhere; the magic numbers are of 32 bits. */
    uint32_t type = (uint32_t)status.f_type;
    return type == TMPFS_MAGIC || type == RAMFS_MAGIC;
}

int pq_runtime_dir_open(const char *path, pq_error *err)
{
    PQ_AUTO_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0) {
        (void)pq_fail_errno(err, path, "cannot be opened as a folder for tokens");
        return -1;
    }
    const char *what = NULL;
    if (status.st_uid != geteuid())
        what = "belongs to another user";
    else if (status.st_mode & (S_IRWXG | S_IRWXO))
        what = "is open to other users";
    else if (!in_memory(fd))
        what = "is not in memory (tmpfs)";
    if (!what)
        return pq_steal_fd(&fd);
    (void)pq_fail(err, PQ_ESYSTEM, path, NULL, "%s", what);
    return -1;
}

/* Nothing is made where it could not be used. */
static bool may_be_made(const char *path)
{
    PQ_AUTO_FREE char *parent = pq_path_dirname(path);
    PQ_AUTO_CLOSE int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 && in_memory(fd);
}

static bool is_good(const char *path, pq_error *err)
{
    if (access(path, F_OK) != 0 && !may_be_made(path))
        return pq_fail(err, PQ_ESYSTEM, path, NULL, "is not there, and would not be in memory (tmpfs) if it were made");
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return pq_fail_errno(err, path, "cannot be made as a folder for tokens");
    PQ_AUTO_CLOSE int fd = pq_runtime_dir_open(path, err);
    return fd >= 0;
}

bool pq_runtime_dir_find(const pq_runtime_environment *environment, char **out, pq_error *err)
{
    static const char hint[] = "set PRATIQUE_RUNTIME_DIR to a private folder on tmpfs";
    const char *own = environment->pratique_runtime_dir, *xdg = environment->xdg_runtime_dir;
    PQ_AUTO_STRINGS places = {0};
    if (own && *own) {
        if (*own != '/')
            return pq_fail(err, PQ_ENOTFOUND, own, hint, "$PRATIQUE_RUNTIME_DIR is not an absolute path");
        pq_strings_add(&places, own);
    } else {
        if (xdg && *xdg == '/')
            pq_strings_take(&places, pq_asprintf("%s/pratique", xdg));
        if (environment->user == 0)
            pq_strings_take(&places, pq_asprintf("%s/pratique", environment->run));
        else
            pq_strings_take(&places, pq_asprintf("%s/pratique-%u", environment->shm, (unsigned)environment->user));
    }
    PQ_AUTO_BUF why = PQ_BUF(4096);
    for (size_t i = 0; i < places.count; i++) {
        PQ_AUTO_ERROR objection = {0};
        if (is_good(places.at[i], &objection)) {
            *out = pq_strdup(places.at[i]);
            return true;
        }
        pq_buf_addf(&why, "%s%s %s", i ? "; " : "", places.at[i], objection.message);
    }
    return pq_fail(err, PQ_ENOTFOUND, NULL, hint, "there is no folder in memory for tokens: %s", pq_buf_text(&why));
}
