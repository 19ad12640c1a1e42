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

bool pq_trust_to_run(const char *path, pq_error *err)
{
    if (pq_trust_file(path, err))
        return true;
    err->code = PQ_ECONFIG;
    return pq_error_wrap(err, "it wants to run a program");
}
