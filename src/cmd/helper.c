/* docker-credential-pratique: docker's credential helper protocol. libc only; it answers from what it was pointed at
 * and never searches.
 *
 * In a build that pratique runs, PRATIQUE_HELPER_SOCKET names the socket at which pratique answers for just the hosts
 * of that build (src/target/helper_server.h). Without it there is no entry, and the client goes on without credentials.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* The protocol's own words (docker-credential-helpers, credentials/error.go): clients compare them. */
static const char not_found[] = "credentials not found in native keychain\n";
static const char no_url[] = "no credentials server URL\n";

enum { LONGEST_URL = 1000 };

static int refuse(const char *text)
{
    (void)fputs(text, stdout);
    return 1;
}

static bool write_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t wrote = write(fd, bytes, length);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return false;
        bytes += wrote;
        length -= (size_t)wrote;
    }
    return true;
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return -1;
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

/* Passes the answer on as it comes; its first byte is the exit status. */
static int pass_on(int fd)
{
    char chunk[4096];
    int status = -1;
    for (;;) {
        ssize_t got = read(fd, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        const char *from = chunk;
        size_t length = (size_t)got;
        if (status < 0) {
            status = *from++ == '0' ? 0 : 1;
            length--;
        }
        if (!write_all(STDOUT_FILENO, from, length))
            status = 1;
        explicit_bzero(chunk, sizeof chunk);
    }
    return status;
}

static int get(void)
{
    char url[LONGEST_URL + 2];
    size_t length = fread(url, 1, sizeof url - 1, stdin);
    url[length] = '\0';
    char *start = url + strspn(url, " \t\r\n");
    start[strcspn(start, " \t\r\n")] = '\0';
    if (!*start)
        return refuse(no_url);
    const char *path = getenv("PRATIQUE_HELPER_SOCKET");
    if (!path || !*path || length > LONGEST_URL)
        return refuse(not_found);
    int fd = connect_to(path);
    if (fd < 0)
        return refuse("pratique: the build that this helper belongs to has ended\n");
    int status = -1;
    if (write_all(fd, "get ", 4) && write_all(fd, start, strlen(start)) && write_all(fd, "\n", 1))
        status = pass_on(fd);
    (void)close(fd);
    return status < 0 ? refuse("pratique: no answer from the build that this helper belongs to\n") : status;
}

int main(int argc, char **argv)
{
    const char *action = argc == 2 ? argv[1] : "";
    if (strcmp(action, "get") == 0)
        return get();
    if (strcmp(action, "version") == 0)
        return printf("docker-credential-pratique %s\n", PRATIQUE_VERSION) < 0;
    (void)fputs("usage: docker-credential-pratique get|version\n", stderr);
    return 1;
}
