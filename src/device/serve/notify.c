#include "device/serve/notify.h"

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/text.h"

static bool is_of(const char *variable, long pid)
{
    const char *text = getenv(variable);
    uint64_t number = 0;
    return !text || (pq_parse_number(text, INT32_MAX, &number) && (long)number == pid);
}

void pq_notify_take(pq_notify *out)
{
    const char *path = getenv("NOTIFY_SOCKET"), *watchdog = getenv("WATCHDOG_USEC");
    uint64_t microseconds = 0;
    *out = (pq_notify){.path = path && (*path == '/' || *path == '@') ? pq_strdup(path) : NULL};
    if (watchdog && is_of("WATCHDOG_PID", (long)getpid()) && pq_parse_number(watchdog, INT64_MAX, &microseconds))
        out->watchdog = (double)microseconds / 1e6;
    (void)unsetenv("NOTIFY_SOCKET");
    (void)unsetenv("WATCHDOG_USEC");
    (void)unsetenv("WATCHDOG_PID");
}

void pq_notify_clear(pq_notify *notify)
{
    free(notify->path);
    *notify = (pq_notify){0};
}

void pq_notify_say(const pq_notify *notify, const char *words)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = notify->path ? strlen(notify->path) : 0;
    if (length == 0 || length >= sizeof address.sun_path)
        return;
    memcpy(address.sun_path, notify->path, length);
    bool abstract = address.sun_path[0] == '@';
    if (abstract)
        address.sun_path[0] = '\0';
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + !abstract);
    PQ_AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0)
        (void)sendto(fd, words, strlen(words), MSG_NOSIGNAL, (const struct sockaddr *)&address, size);
}
