#include "device/serve/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"

enum { HANDED_OVER = 3, BACKLOG = 128, MOST_GROUPS = 65536 };

/* --- from systemd ------------------------------------------------------------------------------------------------- */

static bool has_option(int fd, int option, int wanted)
{
    int value = -1;
    socklen_t size = sizeof value;
    return getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 && value == wanted;
}

/* Its path, and the group that may connect there. */
static void look_at(pq_listener *listener)
{
    struct sockaddr_un address = {0};
    socklen_t size = sizeof address - 1;
    struct stat status;
    if (getsockname(listener->fd, (struct sockaddr *)&address, &size) != 0 || size <= sizeof(sa_family_t) ||
        address.sun_path[0] != '/' || stat(address.sun_path, &status) != 0)
        return;
    free(listener->path);
    listener->path = pq_strdup(address.sun_path);
    listener->group = status.st_gid;
    listener->for_group = status.st_mode & S_IWGRP;
}

bool pq_listener_take(pq_listener *out, pq_error *err)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    uint64_t number = 0;
    bool ours = pid && pq_parse_number(pid, INT32_MAX, &number) && (pid_t)number == getpid();
    bool one = pq_streq(count, "1");
    (void)unsetenv("LISTEN_PID");
    (void)unsetenv("LISTEN_FDS");
    (void)unsetenv("LISTEN_FDNAMES");
    *out = PQ_LISTENER_NONE;
    if (!ours)
        return pq_fail(err, PQ_ENOTFOUND, NULL, NULL, "no socket was handed over");
    if (!one || !has_option(HANDED_OVER, SO_DOMAIN, AF_UNIX) || !has_option(HANDED_OVER, SO_TYPE, SOCK_STREAM) ||
        !has_option(HANDED_OVER, SO_ACCEPTCONN, 1))
        return pq_fail(err, PQ_EUSAGE, NULL, "as in pratique-device.socket: one ListenStream= with a path",
                       "what was handed over is not one listening socket");
    out->fd = HANDED_OVER;
    if (fcntl(out->fd, F_SETFD, FD_CLOEXEC) != 0 || fcntl(out->fd, F_SETFL, O_NONBLOCK) != 0)
        return pq_fail_errno(err, NULL, "the socket that was handed over cannot be used");
    look_at(out);
    return true;
}

/* --- our own ------------------------------------------------------------------------------------------------------ */

static bool make_way(const struct sockaddr_un *address, pq_error *err)
{
    struct stat status;
    if (lstat(address->sun_path, &status) != 0)
        return true;
    if (!S_ISSOCK(status.st_mode))
        return pq_fail(err, PQ_EUSAGE, address->sun_path, NULL, "is there, and is no socket");
    PQ_AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 || errno != ECONNREFUSED))
        return pq_fail(err, PQ_EFAILED, address->sun_path, NULL, "another process listens there");
    return unlink(address->sun_path) == 0 ||
           pq_fail_errno(err, address->sun_path, "the socket that was left there cannot be removed");
}

/* The socket is for its owner alone until its group is set. */
static bool bind_privately(int fd, const struct sockaddr_un *address)
{
    mode_t before = umask(S_IRWXG | S_IRWXO);
    bool good = bind(fd, (const struct sockaddr *)address, sizeof *address) == 0;
    (void)umask(before);
    return good;
}

static bool find_group(const char *name, gid_t *out, pq_error *err)
{
    errno = 0;
    const struct group *found = getgrnam(name);
    PQ_AUTO_FREE char *make = pq_asprintf("groupadd --system %s", name);
    if (!found)
        return pq_fail(err, PQ_EUSAGE, name, make, "there is no such group");
    *out = found->gr_gid;
    return true;
}

bool pq_listener_make(const char *path, const char *group, pq_listener *out, pq_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    *out = PQ_LISTENER_NONE;
    if (*path != '/' || strlen(path) >= sizeof address.sun_path)
        return pq_fail(err, PQ_EUSAGE, path, NULL, "a socket's path is absolute, and shorter than %zu bytes",
                       sizeof address.sun_path);
    memcpy(address.sun_path, path, strlen(path) + 1);
    PQ_AUTO_FREE char *folder = pq_path_dirname(path);
    if ((group && !find_group(group, &out->group, err)) || !pq_make_dirs(folder, 0755, err) || !make_way(&address, err))
        return false;
    PQ_AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || !bind_privately(fd, &address))
        return pq_fail_errno(err, path, "cannot open a socket");
    if (listen(fd, BACKLOG) != 0 || (group && (chown(path, (uid_t)-1, out->group) != 0 || chmod(path, 0660) != 0))) {
        (void)pq_fail_errno(err, path, "cannot open the socket to its group");
        (void)unlink(path);
        return false;
    }
    out->fd = pq_steal_fd(&fd);
    out->path = pq_strdup(path);
    out->ours = true;
    out->for_group = group != NULL;
    return true;
}

void pq_listener_clear(pq_listener *listener)
{
    if (listener->ours && listener->path)
        (void)unlink(listener->path);
    if (listener->fd >= 0)
        (void)close(listener->fd);
    free(listener->path);
    *listener = PQ_LISTENER_NONE;
}

/* --- who asks ----------------------------------------------------------------------------------------------------- */

static bool is_member(int connection, gid_t group)
{
    socklen_t size = 0;
    if (getsockopt(connection, SOL_SOCKET, SO_PEERGROUPS, NULL, &size) == 0 || errno != ERANGE ||
        size > MOST_GROUPS * sizeof(gid_t))
        return false;
    PQ_AUTO_FREE gid_t *groups = pq_alloc(size / sizeof *groups + 1, sizeof *groups);
    if (getsockopt(connection, SOL_SOCKET, SO_PEERGROUPS, groups, &size) != 0)
        return false;
    for (size_t i = 0; i < size / sizeof *groups; i++)
        if (groups[i] == group)
            return true;
    return false;
}

static void tell_off(pq_listener *listener, uid_t user)
{
    for (size_t i = 0; i < listener->refused_count; i++)
        if (listener->refused[i] == user)
            return;
    if (listener->refused_count == sizeof listener->refused / sizeof *listener->refused)
        return;
    listener->refused[listener->refused_count++] = user;
    pq_note("user %u asked for a credential and is not of the socket's group: refused, as are all further questions",
            (unsigned)user);
}

bool pq_listener_admits(pq_listener *listener, int connection, uid_t *user)
{
    struct ucred peer = {.pid = 0, .uid = (uid_t)-1, .gid = (gid_t)-1};
    socklen_t size = sizeof peer;
    if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
        return false;
    *user = peer.uid;
    bool member = listener->for_group && (peer.gid == listener->group || is_member(connection, listener->group));
    if (peer.uid == 0 || peer.uid == geteuid() || member)
        return true;
    tell_off(listener, peer.uid);
    return false;
}
