#include "base/device_service.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"

int pq_local_connect(const char *path, double seconds)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval limit = {.tv_sec = (time_t)seconds};
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    PQ_AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || (seconds > 0 && (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0 ||
                                   setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) != 0)))
        return -1;
    return connect(fd, (const struct sockaddr *)&address, sizeof address) == 0 ? pq_steal_fd(&fd) : -1;
}

bool pq_device_service_fail(const pq_bound *bound, int why, pq_error *err)
{
    struct stat status;
    const struct passwd *user = getpwuid(geteuid());
    const struct group *group = stat(bound->socket, &status) == 0 ? getgrgid(status.st_gid) : NULL;
    const char *name = user ? user->pw_name : "USER", *group_name = group ? group->gr_name : "pratique";
    if (why == EACCES || why == EPERM) {
        PQ_AUTO_FREE char *join = pq_asprintf("usermod -aG %s %s, then log in anew", group_name, name);
        return pq_fail(err, PQ_EDENIED, bound->host, join,
                       "user %s may not ask for the credentials of this device: root may, and the members of group %s",
                       name, group_name);
    }
    if (why == ETIMEDOUT || why == EAGAIN)
        return pq_fail(err, PQ_EBUSY, bound->host, "journalctl -u pratique-device",
                       "the service that holds the device's key does not answer");
    PQ_AUTO_FREE char *start =
        pq_path_exists("/run/systemd/system")
            ? pq_strdup("systemctl start pratique-device.socket")
            : pq_asprintf("as root: pratique device serve --socket %s --group pratique", bound->socket);
    return pq_fail(err, PQ_EFAILED, bound->host, start,
                   "the service that holds the device's key is not there, and only root can do without it");
}
