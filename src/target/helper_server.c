#include "target/helper_server.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/docker_protocol.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/process.h"

struct pq_helper_server {
    char *folder, *authfile, *socket_path;
    pq_strings hosts;
    pq_helper_answer *answer;
    void *context;
    int fd;
};

void pq_helper_server_free(pq_helper_server *server)
{
    if (!server)
        return;
    if (server->fd >= 0)
        (void)close(server->fd);
    PQ_AUTO_ERROR err = {0};
    if (server->folder && !pq_remove_tree(server->folder, &err))
        pq_warn(server->folder, NULL, "%s", err.message);
    free(server->folder);
    free(server->authfile);
    free(server->socket_path);
    pq_strings_clear(&server->hosts);
    free(server);
}

void pq_helper_server_cleanup(pq_helper_server **server)
{
    pq_helper_server_free(*server);
}

static bool listen_at(pq_helper_server *server, pq_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(server->socket_path) >= sizeof address.sun_path)
        return pq_fail(err, PQ_ESYSTEM, server->socket_path, "set TMPDIR to a shorter path",
                       "the path is too long for a socket");
    memcpy(address.sun_path, server->socket_path, strlen(server->socket_path) + 1);
    server->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (server->fd < 0 || bind(server->fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        listen(server->fd, 16) != 0)
        return pq_fail_errno(err, server->socket_path, "cannot open a socket");
    return true;
}

static bool write_authfile(const pq_helper_server *server, pq_error *err)
{
    json_t *helpers = json_object();
    for (size_t i = 0; i < server->hosts.count; i++)
        (void)json_object_set_new(helpers, server->hosts.at[i], json_string("pratique"));
    json_t *root = json_pack("{s:{},s:o}", "auths", "credHelpers", helpers);
    PQ_AUTO_FREE char *text = json_dumps(root, JSON_INDENT(2));
    json_decref(root);
    return pq_write_file(server->authfile, 0600, text, strlen(text), err);
}

bool pq_helper_server_new(const pq_strings *hosts, const char *helper, pq_helper_answer *answer, void *context,
                          pq_helper_server **out, pq_error *err)
{
    PQ_AUTO_HELPER_SERVER *server = pq_alloc(1, sizeof *server);
    *server = (pq_helper_server){.answer = answer, .context = context, .fd = -1};
    for (size_t i = 0; i < hosts->count; i++)
        (void)pq_strings_add_once(&server->hosts, hosts->at[i]);
    if (access(helper, X_OK) != 0)
        return pq_fail_errno(err, helper, "the credential helper cannot be run");
    if (!pq_make_temp_dir("pratique-", &server->folder, err))
        return false;
    PQ_AUTO_FREE char *link_path = pq_path_join(server->folder, "docker-credential-pratique");
    server->authfile = pq_path_join(server->folder, "auth.json");
    server->socket_path = pq_path_join(server->folder, "s");
    if (symlink(helper, link_path) != 0)
        return pq_fail_errno(err, link_path, "cannot make a link");
    if (!write_authfile(server, err) || !listen_at(server, err))
        return false;
    *out = pq_steal(server);
    return true;
}

const char *pq_helper_server_folder(const pq_helper_server *server)
{
    return server->folder;
}

const char *pq_helper_server_authfile(const pq_helper_server *server)
{
    return server->authfile;
}

const pq_strings *pq_helper_server_hosts(const pq_helper_server *server)
{
    return &server->hosts;
}

int pq_helper_server_fd(const pq_helper_server *server)
{
    return server->fd;
}

void pq_helper_server_environment(const pq_helper_server *server, pq_strings *out)
{
    pq_process_environment_path(out, server->folder);
    pq_strings_take(out, pq_asprintf("PRATIQUE_HELPER_SOCKET=%s", server->socket_path));
}

/* The question's host, or NULL. Owned. */
static char *read_question(int fd)
{
    char line[1024];
    size_t length = 0;
    while (length < sizeof line - 1) {
        ssize_t got = read(fd, line + length, sizeof line - 1 - length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        length += (size_t)got;
        if (memchr(line, '\n', length))
            break;
    }
    line[length] = '\0';
    if (!pq_starts_with(line, "get "))
        return NULL;
    return pq_docker_host(line + 4);
}

static void compose_answer(pq_helper_server *server, const char *host, pq_buf *out)
{
    PQ_AUTO_CREDENTIAL credential = {0};
    PQ_AUTO_ERROR err = {0};
    if (!pq_strings_have(&server->hosts, host)) {
        pq_buf_adds(out, "1" PQ_DOCKER_NOT_FOUND "\n");
    } else if (!server->answer(server->context, host, &credential, &err)) {
        pq_buf_addc(out, '1');
        pq_error_format(&err, out);
        pq_buf_addc(out, '\n');
    } else if (!credential.secret) {
        pq_buf_adds(out, "1" PQ_DOCKER_NOT_FOUND "\n");
    } else {
        pq_buf_addc(out, '0');
        pq_docker_answer(out, host, credential.username, strlen(credential.username),
                         pq_secret_bytes(credential.secret), pq_secret_length(credential.secret));
    }
}

void pq_helper_server_serve(void *context)
{
    pq_helper_server *server = context;
    PQ_AUTO_CLOSE int fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || (peer.uid != geteuid() && peer.uid != 0)) {
        pq_warn(NULL, NULL, "user %u asked for credentials of this build and got none", (unsigned)peer.uid);
        return;
    }
    /* A client that says nothing must not hold the build up. */
    struct timeval patience = {.tv_sec = 5};
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    PQ_AUTO_FREE char *host = read_question(fd);
    if (!host)
        return;
    PQ_AUTO_BUF answer = PQ_SENSITIVE_BUF(4 * PQ_MAX_SECRET);
    compose_answer(server, host, &answer);
    PQ_AUTO_ERROR err = {0};
    if (!answer.overflow && !pq_write_fd(fd, "the helper's socket", answer.data, answer.length, &err))
        pq_detail("%s", err.message);
}
