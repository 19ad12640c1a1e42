#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/signals.h"
#include "base/text.h"

bool pq_read_fd(int fd, const char *name, pq_buf *out, pq_error *err)
{
    for (;;) {
        size_t room = out->cap - out->length;
        size_t chunk = room < 64u << 10 ? room : 64u << 10;
        if (chunk == 0) {
            char byte;
            ssize_t got = read(fd, &byte, 1);
            if (got < 0 && errno == EINTR && !pq_interrupted())
                continue;
            if (got == 0)
                return true;
            if (got < 0)
                return pq_fail_errno(err, name, "cannot read");
            return pq_fail(err, PQ_EINPUT, name, NULL, "is larger than %zu bytes", out->cap);
        }
        char *place = pq_buf_reserve(out, chunk);
        if (!place)
            return pq_fail(err, PQ_EINPUT, name, NULL, "is larger than %zu bytes", out->cap);
        ssize_t got = read(fd, place, chunk);
        if (got < 0 && errno == EINTR && !pq_interrupted())
            continue;
        if (got < 0 && errno == EINTR)
            return pq_fail(err, PQ_EINTERRUPTED, NULL, NULL, "interrupted");
        if (got < 0)
            return pq_fail_errno(err, name, "cannot read");
        pq_buf_commit(out, (size_t)got);
        if (got == 0)
            return true;
    }
}

static bool check_regular(int fd, const char *name, const pq_buf *out, struct stat *status, pq_error *err)
{
    if (fstat(fd, status) != 0)
        return pq_fail_errno(err, name, "cannot read");
    if (S_ISDIR(status->st_mode))
        return pq_fail(err, PQ_EINPUT, name, NULL, "is a folder, not a file");
    if (!S_ISREG(status->st_mode))
        return pq_fail(err, PQ_EINPUT, name, NULL, "is not a regular file");
    if (out && status->st_size > 0 && (size_t)status->st_size > out->cap - out->length)
        return pq_fail(err, PQ_EINPUT, name, NULL, "is larger than %zu bytes", out->cap);
    return true;
}

bool pq_read_open_file(int fd, const char *name, const struct stat *status, pq_buf *out, pq_error *err)
{
    size_t size = status->st_size > 0 ? (size_t)status->st_size : 0, before = out->length;
    if (size == 0 || size >= out->cap - out->length) /* of /proc, or at the cap: read until it ends */
        return pq_read_fd(fd, name, out, err);
    char *place = pq_buf_reserve(out, size + 1); /* one more byte: a short read says that it ended */
    ssize_t got = place ? read(fd, place, size + 1) : -1;
    if (got > 0)
        pq_buf_commit(out, (size_t)got);
    return (got >= 0 && out->length - before == size) || pq_read_fd(fd, name, out, err);
}

bool pq_read_file(const char *path, pq_buf *out, pq_error *err)
{
    struct stat status;
    return pq_read_file_status(path, out, &status, err);
}

bool pq_read_file_status(const char *path, pq_buf *out, struct stat *status, pq_error *err)
{
    /* O_NONBLOCK: opening a FIFO must not hang; it does nothing to a regular file. */
    PQ_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        if (errno == ENOENT)
            return pq_fail(err, PQ_ENOTFOUND, path, NULL, "no such file");
        return pq_fail_errno(err, path, "cannot open");
    }
    return check_regular(fd, path, out, status, err) && pq_read_open_file(fd, path, status, out, err);
}

void pq_hint_of_owner(const char *path, pq_error *err)
{
    if (err->hint || faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) == 0 || errno != EACCES)
        return;
    err->hint = pq_strdup("run this as root, or as the user whom the file belongs to");
}

bool pq_hold_standard_streams(void)
{
    /* The wrong way round, so that reading and writing fail as they would with the closed one. */
    static const int modes[] = {O_WRONLY, O_RDONLY, O_RDONLY};
    for (int stream = 0; stream < 3; stream++)
        if (fcntl(stream, F_GETFD) < 0 && open("/dev/null", modes[stream] | O_NOCTTY) != stream)
            return false;
    return true;
}

void pq_close_from(unsigned first, bool by_exec)
{
    enum { CLOEXEC = 4 /* CLOSE_RANGE_CLOEXEC */, ENOUGH = 65536 };
    struct rlimit limit = {.rlim_cur = ENOUGH};
    if (syscall(SYS_close_range, first, ~0u, by_exec ? CLOEXEC : 0u) == 0)
        return;
    /* Before Linux 5.9, or where a filter of system calls does not know it. */
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    int end = limit.rlim_cur < ENOUGH ? (int)limit.rlim_cur : ENOUGH;
    for (int fd = (int)first; fd < end; fd++)
        (void)(by_exec ? fcntl(fd, F_SETFD, FD_CLOEXEC) : close(fd));
}

bool pq_write_fd(int fd, const char *name, const void *bytes, size_t length, pq_error *err)
{
    for (size_t done = 0; done < length;) {
        ssize_t wrote = write(fd, (const char *)bytes + done, length - done);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return pq_fail_errno(err, name, "cannot write");
        done += (size_t)wrote;
    }
    return true;
}

void pq_sync_folder_of(const char *path)
{
    PQ_AUTO_FREE char *folder = pq_path_dirname(path);
    PQ_AUTO_CLOSE int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        (void)fsync(fd); /* some file systems cannot; the file itself is safe */
}

static bool is_same_file(const char *path, const struct stat *expected)
{
    struct stat now;
    return stat(path, &now) == 0 && now.st_dev == expected->st_dev && now.st_ino == expected->st_ino &&
           now.st_size == expected->st_size && memcmp(&now.st_mtim, &expected->st_mtim, sizeof now.st_mtim) == 0 &&
           memcmp(&now.st_ctim, &expected->st_ctim, sizeof now.st_ctim) == 0;
}

/* Gives the new file the owner of the old one, where that is allowed, and its group; where that is not, no group gets
 * what the old one had. */
static mode_t keep_owner(int fd, const struct stat *old, mode_t mode)
{
    struct stat fresh;
    if (old->st_uid != geteuid())
        (void)!fchown(fd, old->st_uid, (gid_t)-1);
    bool same = fstat(fd, &fresh) == 0 && fresh.st_gid == old->st_gid;
    return same || fchown(fd, (uid_t)-1, old->st_gid) == 0 ? mode : mode & ~(mode_t)S_IRWXG;
}

bool pq_replace_file(const char *path, mode_t mode, const void *bytes, size_t length, const struct stat *expected,
                     bool *out_replaced, pq_error *err)
{
    PQ_AUTO_FREE char *folder = pq_path_dirname(path);
    PQ_AUTO_FREE char *temporary = pq_asprintf("%s/.%s.pq-XXXXXX", folder, pq_path_basename(path));
    PQ_AUTO_CLOSE int fd = mkostemp(temporary, O_CLOEXEC);
    *out_replaced = false;
    if (fd < 0)
        return pq_fail_errno(err, path, "cannot create a file in %s", folder);
    bool good = pq_write_fd(fd, path, bytes, length, err);
    if (good && fchmod(fd, expected ? keep_owner(fd, expected, mode) : mode) != 0)
        good = pq_fail_errno(err, path, "cannot set the mode");
    if (good && fsync(fd) != 0)
        good = pq_fail_errno(err, path, "cannot write");
    bool same = good && (!expected || is_same_file(path, expected));
    if (same && rename(temporary, path) != 0)
        good = pq_fail_errno(err, path, "cannot put the new file in place");
    *out_replaced = good && same;
    if (!*out_replaced)
        (void)unlink(temporary);
    else
        pq_sync_folder_of(path);
    return good;
}

bool pq_write_file(const char *path, mode_t mode, const void *bytes, size_t length, pq_error *err)
{
    bool replaced = false;
    return pq_replace_file(path, mode, bytes, length, NULL, &replaced, err);
}

void pq_remove_left_behind(const char *path)
{
    enum { OLD = 60 }; /* seconds; a younger one may be somebody's who is at work */
    PQ_AUTO_FREE char *folder = pq_path_dirname(path);
    PQ_AUTO_FREE char *start = pq_asprintf(".%s.pq-", pq_path_basename(path));
    DIR *listing = opendir(folder);
    struct stat status;
    for (const struct dirent *item; listing && (item = readdir(listing));)
        if (pq_starts_with(item->d_name, start) && strlen(item->d_name) == strlen(start) + strlen("XXXXXX") &&
            fstatat(dirfd(listing), item->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(status.st_mode) &&
            status.st_uid == geteuid() && time(NULL) - status.st_mtime > OLD)
            (void)unlinkat(dirfd(listing), item->d_name, 0);
    if (listing)
        (void)closedir(listing);
}

/* A file without a name cannot be left behind by a kill. NULL in `temporary` when there was no need of a name. */
static int open_temporary(const char *path, const char *folder, bool unnamed, char **temporary)
{
    int fd = unnamed ? open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600) : -1;
    if (fd >= 0)
        return fd;
    *temporary = pq_asprintf("%s/.%s.XXXXXX", folder, pq_path_basename(path));
    return mkostemp(*temporary, O_CLOEXEC);
}

static bool link_open_file(int fd, const char *temporary, const char *path)
{
    if (temporary)
        return link(temporary, path) == 0;
    PQ_AUTO_FREE char *open_file = pq_asprintf("/proc/self/fd/%d", fd);
    return linkat(AT_FDCWD, open_file, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0;
}

static bool create_file(const char *path, const char *folder, bool unnamed, mode_t mode, const void *bytes,
                        size_t length, bool *out_created, pq_error *err)
{
    PQ_AUTO_FREE char *temporary = NULL;
    PQ_AUTO_CLOSE int fd = open_temporary(path, folder, unnamed, &temporary);
    if (fd < 0)
        return pq_fail_errno(err, path, "cannot create a file in %s", folder);
    bool good = pq_write_fd(fd, path, bytes, length, err);
    if (good && fchmod(fd, mode) != 0)
        good = pq_fail_errno(err, path, "cannot set the mode");
    if (good && fsync(fd) != 0)
        good = pq_fail_errno(err, path, "cannot write");
    *out_created = good && link_open_file(fd, temporary, path);
    if (good && !*out_created && errno != EEXIST)
        good = pq_fail_errno(err, path, "cannot put the new file in place");
    if (temporary)
        (void)unlink(temporary);
    return good;
}

bool pq_create_file(const char *path, mode_t mode, const void *bytes, size_t length, bool *out_created, pq_error *err)
{
    PQ_AUTO_FREE char *folder = pq_path_dirname(path);
    /* Where /proc is missing a file without a name cannot get one. */
    if (!create_file(path, folder, access("/proc/self/fd", X_OK) == 0, mode, bytes, length, out_created, err))
        return false;
    pq_sync_folder_of(path);
    return true;
}

bool pq_make_dirs(const char *path, mode_t mode, pq_error *err)
{
    PQ_AUTO_FREE char *copy = pq_strdup(path);
    for (char *slash = copy + 1;; slash++) {
        if (*slash != '/' && *slash != '\0')
            continue;
        char kept = *slash;
        *slash = '\0';
        if (mkdir(copy, mode) != 0 && errno != EEXIST)
            return pq_fail_errno(err, copy, "cannot make the folder");
        *slash = kept;
        if (kept == '\0')
            break;
    }
    if (!pq_is_dir(path))
        return pq_fail(err, PQ_ESYSTEM, path, NULL, "is not a folder");
    return true;
}

bool pq_path_exists(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0;
}

bool pq_is_dir(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

char *pq_path_join(const char *folder, const char *name)
{
    if (*name == '/' || *folder == '\0')
        return pq_strdup(name);
    return pq_joined(folder, pq_ends_with(folder, "/") ? "" : "/", name);
}

char *pq_path_dirname(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return pq_strdup(".");
    return slash == path ? pq_strdup("/") : pq_strndup(path, (size_t)(slash - path));
}

const char *pq_path_basename(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool pq_path_absolute(const char *path, char **out, pq_error *err)
{
    PQ_AUTO_FREE char *whole = realpath(path, NULL);
    if (whole) {
        *out = pq_steal(whole);
        return true;
    }
    if (errno != ENOENT)
        return pq_fail_errno(err, path, "cannot be resolved");
    PQ_AUTO_FREE char *folder = pq_path_dirname(path);
    PQ_AUTO_FREE char *real_folder = realpath(folder, NULL);
    if (!real_folder)
        return pq_fail_errno(err, path, "cannot be resolved");
    *out = pq_path_join(real_folder, pq_path_basename(path));
    return true;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *position)
{
    (void)status;
    (void)type;
    (void)position;
    return remove(path) != 0 && errno != ENOENT ? -1 : 0;
}

bool pq_remove_tree(const char *path, pq_error *err)
{
    if (nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) != 0 && errno != ENOENT)
        return pq_fail_errno(err, path, "cannot remove");
    return true;
}

/* Who may rename what lies in a folder may put something else in its place. */
static bool check_parent(const char *path, pq_error *err)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return pq_fail_errno(err, path, "cannot make a temporary folder");
    bool owned = status.st_uid == geteuid() || status.st_uid == 0;
    bool shared = status.st_mode & S_IWOTH && !(status.st_mode & S_ISVTX);
    if (owned && !shared)
        return true;
    return pq_fail(err, PQ_ESYSTEM, path, "chmod o-w it, set its sticky bit, or name a folder of your own with TMPDIR",
                   "other users may rename what is in it, so it holds no temporary files");
}

bool pq_make_temp_dir(const char *prefix, char **out, pq_error *err)
{
    const char *base = getenv("TMPDIR");
    return pq_make_temp_dir_in(base && *base == '/' ? base : "/tmp", prefix, out, err);
}

bool pq_make_temp_dir_in(const char *base, const char *prefix, char **out, pq_error *err)
{
    PQ_AUTO_FREE char *path = pq_asprintf("%s/%sXXXXXX", base, prefix);
    if (!check_parent(base, err))
        return false;
    if (!mkdtemp(path))
        return pq_fail_errno(err, path, "cannot make a temporary folder");
    *out = pq_steal(path);
    return true;
}

bool pq_tree_open(const char *path, pq_tree *out, pq_error *err)
{
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        if (errno == ENOENT || errno == ENOTDIR)
            return pq_fail(err, PQ_EINPUT, path, NULL, errno == ENOENT ? "no such folder" : "is not a folder");
        return pq_fail_errno(err, path, "cannot open");
    }
    *out = (pq_tree){.fd = fd, .path = pq_strdup(path)};
    return true;
}

void pq_tree_close(pq_tree *tree)
{
    if (tree->fd >= 0)
        (void)close(tree->fd);
    free(tree->path);
    *tree = PQ_TREE_NONE;
}

/* Where openat2 is missing (before Linux 5.6, or forbidden by an old seccomp filter): one component at a time, refusing
 * every symbolic link. Stricter than need be, never laxer. */
static int open_by_steps(int root, const char *relative, int flags)
{
    PQ_AUTO_FREE char *copy = pq_strdup(relative);
    PQ_AUTO_CLOSE int at = openat(root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (at < 0)
        return -1;
    char *rest = NULL;
    char *part = strtok_r(copy, "/", &rest);
    while (part) {
        char *next = strtok_r(NULL, "/", &rest);
        if (strcmp(part, "..") == 0) {
            errno = EXDEV;
            return -1;
        }
        int opened = openat(at, part, next ? O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC : flags | O_NOFOLLOW);
        if (opened < 0 || !next)
            return opened;
        (void)close(at);
        at = opened;
        part = next;
    }
    return openat(at, ".", flags);
}

static int open_beneath(int root, const char *relative, int flags)
{
    struct open_how how = {.flags = (unsigned)(flags | O_CLOEXEC), .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    long fd = -1;
    for (int tries = 0; tries < 16; tries++) {
        fd = syscall(SYS_openat2, root, relative, &how, sizeof how);
        if (fd >= 0 || errno != EAGAIN) /* EAGAIN: something was renamed while the kernel looked */
            break;
    }
    if (fd < 0 && (errno == ENOSYS || errno == EPERM))
        return open_by_steps(root, relative, flags | O_CLOEXEC);
    return (int)fd;
}

static int open_in_tree(const pq_tree *tree, const char *relative, int flags, pq_error *err)
{
    int fd = open_beneath(tree->fd, relative, flags);
    if (fd >= 0)
        return fd;
    if (errno == EXDEV || errno == ELOOP)
        (void)pq_fail(err, PQ_EINPUT, relative, NULL, "leads out of the tree, which is refused");
    else if (errno == ENOENT || errno == ENOTDIR)
        (void)pq_fail(err, PQ_ENOTFOUND, relative, NULL, "no such file");
    else if (errno == ENXIO)
        (void)pq_fail(err, PQ_EINPUT, relative, NULL, "is not a regular file");
    else
        (void)pq_fail_errno(err, relative, "cannot open");
    return -1;
}

int pq_tree_open_dir(const pq_tree *tree, const char *relative, pq_error *err)
{
    return open_in_tree(tree, *relative ? relative : ".", O_RDONLY | O_DIRECTORY, err);
}

/* O_NONBLOCK: opening a FIFO must not hang; it does nothing to a regular file. */
#define READ_FLAGS (O_RDONLY | O_NOCTTY | O_NONBLOCK)

int pq_tree_open_file(const pq_tree *tree, const char *relative, off_t *out_size, pq_error *err)
{
    PQ_AUTO_CLOSE int fd = open_in_tree(tree, relative, READ_FLAGS, err);
    struct stat status;
    if (fd < 0 || !check_regular(fd, relative, NULL, &status, err))
        return -1;
    if (out_size)
        *out_size = status.st_size;
    return pq_steal_fd(&fd);
}

bool pq_tree_read(const pq_tree *tree, const char *relative, pq_buf *out, pq_error *err)
{
    PQ_AUTO_CLOSE int fd = open_in_tree(tree, relative, READ_FLAGS, err);
    struct stat status;
    return fd >= 0 && check_regular(fd, relative, out, &status, err) &&
           pq_read_open_file(fd, relative, &status, out, err);
}

bool pq_tree_read_in(const pq_tree *tree, int folder, const char *relative, pq_buf *out, pq_error *err)
{
    const char *name = pq_path_basename(relative);
    /* One component and no symbolic link: this cannot leave the folder. All else goes the long way, and fails there. */
    bool plain = folder >= 0 && *name && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
    PQ_AUTO_CLOSE int fd = plain ? openat(folder, name, READ_FLAGS | O_NOFOLLOW | O_CLOEXEC) : -1;
    struct stat status;
    if (fd < 0)
        return pq_tree_read(tree, relative, out, err);
    return check_regular(fd, relative, out, &status, err) && pq_read_open_file(fd, relative, &status, out, err);
}

bool pq_tree_stat(const pq_tree *tree, const char *relative, struct stat *out)
{
    PQ_AUTO_CLOSE int fd = open_beneath(tree->fd, relative, O_PATH | O_NOFOLLOW);
    return fd >= 0 && fstat(fd, out) == 0;
}
