/* docker-credential-pratique: docker's credential helper protocol. It is linked with libc alone, and answers from what
 * it was pointed at; it never searches.
 *
 * In a build that pratique runs, PRATIQUE_HELPER_SOCKET names the socket at which pratique answers for just the hosts
 * of that build (src/target/helper_server.h). Elsewhere it answers for the hosts that `pratique login` or `pratique
 * device setup` has bound (src/base/binding.h): from the last answer, as long as it is fresh (src/base/token_cache.h);
 * else from the service of a device, if the binding names its socket (src/device/serve/agent.h); else it becomes
 * pratique itself, which asks. For any other host there is no entry, and the client goes on without credentials. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/binding.h"
#include "base/clock.h"
#include "base/device_service.h"
#include "base/docker_protocol.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/runtime_dir.h"
#include "base/secret.h"
#include "base/token_cache.h"
#include "base/trust.h"

/* Longer than one question to a cloud takes, as a rule; then everybody asks for himself. */
static const double patience = 20;
/* A little longer than the service of a device lets anybody wait (src/device/serve/clients.h). */
static const double device_patience = 50;

static int refuse(const char *text)
{
    (void)printf("%s\n", text);
    return 1;
}

static int refuse_with(const pq_error *err)
{
    PQ_AUTO_BUF text = PQ_BUF(PQ_MAX_MESSAGE);
    pq_error_format(err, &text);
    return refuse(pq_buf_text(&text));
}

static bool write_all(int fd, const char *bytes, size_t length)
{
    PQ_AUTO_ERROR ignored = {0};
    return pq_write_fd(fd, "", bytes, length, &ignored);
}

/* --- sockets ------------------------------------------------------------------------------------------------------ */

/* Asks, and prints what is answered, whose first byte is the exit status; that is returned. -1 when no answer came
 * within `seconds` (0: however long it takes); nothing is printed then. */
static int ask_at(int fd, const char *url, double seconds)
{
    PQ_AUTO_BUF answer = PQ_SENSITIVE_BUF(8 * PQ_MAX_SECRET), question = PQ_BUF(PQ_DOCKER_URL_MAX + 8);
    double end = pq_monotonic() + seconds;
    pq_buf_addf(&question, "get %s\n", url);
    /* Who refuses us may have answered and gone before it has read that. */
    (void)!send(fd, question.data, question.length, MSG_NOSIGNAL);
    for (;;) {
        char *place = pq_buf_reserve(&answer, 4096);
        ssize_t got = place ? read(fd, place, 4096) : -1;
        if (got > 0)
            pq_buf_commit(&answer, (size_t)got);
        if (got == 0 || (got < 0 && errno == ECONNRESET))
            break;
        if ((got < 0 && errno != EINTR) || (seconds > 0 && pq_monotonic() > end))
            return -1;
    }
    /* Who is killed in the middle of it has answered nothing. */
    if (answer.length < 2 || (*answer.data == '0' && !pq_ends_with(pq_buf_text(&answer), "}\n")))
        return -1;
    bool written = write_all(STDOUT_FILENO, answer.data + 1, answer.length - 1);
    return *answer.data == '0' && written ? 0 : 1;
}

static int ask_build(const char *socket_path, const char *url)
{
    PQ_AUTO_CLOSE int fd = pq_local_connect(socket_path, 0);
    if (fd < 0)
        return refuse("pratique: the build that this helper belongs to has ended");
    int status = ask_at(fd, url, 0);
    return status < 0 ? refuse("pratique: no answer from the build that this helper belongs to") : status;
}

/* --- the service of a device -------------------------------------------------------------------------------------- */

/* Whoever listens there could hand out what it likes. */
static bool is_served_by_ours(int fd, const char *path, pq_error *err)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
        return pq_fail_errno(err, path, "cannot tell who listens there");
    return pq_trust_user(peer.uid) ||
           pq_fail(err, PQ_EDENIED, path, NULL, "user %u listens there, neither the user who runs this (%u) nor root",
                   (unsigned)peer.uid, (unsigned)geteuid());
}

/* The exit status; or -1, with the reason in `*why`, when nobody answers there. */
static int ask_device(const pq_bound *bound, const char *url, int *why)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_CLOSE int fd = pq_local_connect(bound->socket, device_patience);
    *why = errno;
    if (fd < 0)
        return -1;
    if (!is_served_by_ours(fd, bound->socket, &err))
        return refuse_with(&err);
    int status = ask_at(fd, url, device_patience);
    *why = ETIMEDOUT;
    return status;
}

static int explain(const pq_bound *bound, int why)
{
    PQ_AUTO_ERROR err = {0};
    (void)pq_device_service_fail(bound, why, &err);
    return refuse_with(&err);
}

/* --- becoming pratique -------------------------------------------------------------------------------------------- */

static bool starts_with_one_of(const char *text, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strncmp(text, list[i], strlen(list[i])) == 0)
            return true;
    return false;
}

/* Whatever a configuration calls the variable of its token. */
static bool decides_what_runs(const char *variable)
{
    static const char *const names[] = {"LD_",         "PATH=",    "OPENSSL_",
                                        "GCONV_PATH=", "LOCPATH=", "GLIBC_TUNABLES=",
                                        "MALLOC_",     "PKCS11_",  "SOFTHSM2_CONF="};
    return starts_with_one_of(variable, names, sizeof names / sizeof *names);
}

/* What pratique may have of our environment: nothing that decides which code runs (LD_*, PATH, OPENSSL_CONF, …). */
static void build_environment(const pq_strings *more, pq_strings *out)
{
    static const char *const allowed[] = {
        /* homes, locale */
        "HOME=", "USER=", "LOGNAME=", "LANG=", "LC_", "TZ=", "TERM=", "TMPDIR=", "NO_COLOR=", "XDG_",
        /* where the client's configuration is */
        "DOCKER_CONFIG=", "REGISTRY_AUTH_FILE=", "DOCKER_AUTH_CONFIG=",
        /* proxies and trust */
        "HTTP_PROXY=", "HTTPS_PROXY=", "NO_PROXY=", "ALL_PROXY=", "http_proxy=", "https_proxy=", "no_proxy=",
        "all_proxy=", "SSL_CERT_FILE=", "SSL_CERT_DIR=", "CURL_CA_BUNDLE=",
        /* identities: the clouds' own variables, and those of CI systems */
        "AWS_", "AZURE_", "GOOGLE_", "CLOUDSDK_", "GCE_METADATA_", "ACTIONS_ID_TOKEN_REQUEST_", "IDENTITY_",
        "GITHUB_ACTIONS=", "GITLAB_CI=", "CREDENTIALS_DIRECTORY=",
        /* ours that change no source of secrets: those are in the binding */
        "PRATIQUE_RUNTIME_DIR=", "PRATIQUE_CERTS_DIR=", "PRATIQUE_GOOGLE_ALLOW=", "PRATIQUE_TIMEOUT="};
    for (char **at = environ; *at; at++) {
        bool wanted = starts_with_one_of(*at, allowed, sizeof allowed / sizeof *allowed);
        for (size_t i = 0; more && i < more->count && !wanted; i++) {
            size_t length = strlen(more->at[i]);
            wanted = strncmp(*at, more->at[i], length) == 0 && (*at)[length] == '=' && !decides_what_runs(*at);
        }
        if (wanted)
            pq_strings_add(out, *at);
    }
    pq_strings_add(out, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
}

/* A device.yml that this user may not read. */
static bool is_hidden(const pq_bound *bound)
{
    return bound->device && access(bound->config, R_OK) != 0 && errno == EACCES;
}

/* Does not return when it works. */
static int become_pratique(const pq_bound *bound, const char *binding, const char *action)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_STRINGS arguments = {0}, environment = {0};
    bool good = pq_trust_file(bound->program, &err);
    if (good && !is_hidden(bound))
        good = bound->device ? pq_trust_way(bound->config, &err) : pq_trust_file(bound->config, &err);
    if (!good)
        return refuse_with(&err);
    const char *const words[] = {bound->program, "credential", action, "--binding", binding};
    for (size_t i = 0; i < (binding ? 5u : 3u); i++)
        pq_strings_add(&arguments, words[i]);
    build_environment(&bound->environment, &environment);
    PQ_AUTO_FREE char **argv = pq_strings_argv(&arguments);
    PQ_AUTO_FREE char **envp = pq_strings_argv(&environment);
    (void)fflush(stdout);
    (void)execve(bound->program, argv, envp);
    (void)pq_fail_errno(&err, bound->program, "cannot be run");
    return refuse_with(&err);
}

/* What was read from standard input, there once more. */
static bool put_back(const char *text)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    /* A pipe holds more than the longest URL. */
    bool good = write_all(ends[1], text, strlen(text)) && dup2(ends[0], STDIN_FILENO) == STDIN_FILENO;
    (void)close(ends[0]);
    (void)close(ends[1]);
    return good;
}

/* --- get ---------------------------------------------------------------------------------------------------------- */

/* Prints the last answer, if it is fresh (or at least not expired); -1 when it is not. */
static int print_known(int folder, const pq_bound *bound, const char *url, bool aged_will_do)
{
    PQ_AUTO_BUF bytes = PQ_SENSITIVE_BUF(PQ_MAX_TOKEN_ENTRY), text = PQ_SENSITIVE_BUF(8 * PQ_MAX_TOKEN_ENTRY);
    pq_token_entry entry;
    if (!pq_token_file_read(folder, pq_path_basename(bound->cache), &bytes) ||
        !pq_token_entry_parse(bytes.data, bytes.length, &entry) || !pq_token_sources_same(&entry))
        return -1;
    pq_token_state state = pq_token_entry_state(&entry, time(NULL));
    if (state != PQ_TOKEN_FRESH && !(state == PQ_TOKEN_AGED && aged_will_do))
        return -1;
    if (entry.code) {
        PQ_AUTO_ERROR err = {.code = (pq_code)entry.code,
                             .where = entry.where.at ? pq_strndup(entry.where.at, entry.where.length)
                                                     : pq_strdup(bound->host),
                             .message = pq_strndup(entry.message.at, entry.message.length),
                             .hint = entry.hint.at ? pq_strndup(entry.hint.at, entry.hint.length) : NULL};
        return refuse_with(&err);
    }
    pq_docker_answer(&text, url, entry.user.at, entry.user.length, entry.secret.at, entry.secret.length);
    return !text.overflow && write_all(STDOUT_FILENO, text.data, text.length) ? 0 : 1;
}

/* The last answer; or -1, and then we have the lock, so that one of many asks and the others wait for what it hears.
 * The lock goes over into pratique and ends with it. */
static int answer_or_lock(const pq_bound *bound, const char *url)
{
    PQ_AUTO_ERROR ignored = {0};
    PQ_AUTO_FREE char *path = bound->cache ? pq_path_dirname(bound->cache) : NULL;
    PQ_AUTO_CLOSE int folder = path ? pq_runtime_dir_open(path, &ignored) : -1;
    if (folder < 0)
        return -1;
    PQ_AUTO_FREE char *lock_name = pq_asprintf("%s.lock", pq_path_basename(bound->cache));
    pq_token_wait wait = pq_token_wait_begin(patience);
    for (bool taken = false;;) {
        /* While somebody renews it, one that is good still will do. */
        int status = print_known(folder, bound, url, taken);
        if (status >= 0)
            return status;
        int lock = pq_token_try_lock(folder, lock_name, &taken);
        if (lock >= 0) {
            /* Who had it before may have heard the answer since we looked. */
            status = print_known(folder, bound, url, false);
            if (status < 0)
                (void)fcntl(lock, F_SETFD, 0);
            else
                (void)close(lock);
            return status;
        }
        if (!taken || !pq_token_wait_more(&wait))
            return -1;
    }
}

/* The last answer while it is fresh, else the service's. */
static int known_or_device(const pq_bound *bound, const char *url, int *why)
{
    PQ_AUTO_ERROR ignored = {0};
    PQ_AUTO_FREE char *path = bound->cache ? pq_path_dirname(bound->cache) : NULL;
    PQ_AUTO_CLOSE int folder = path ? pq_runtime_dir_open(path, &ignored) : -1;
    int status = folder >= 0 ? print_known(folder, bound, url, false) : -1;
    return status >= 0 ? status : ask_device(bound, url, why);
}

static size_t read_question(char *out, size_t room)
{
    size_t length = 0;
    while (length < room) {
        ssize_t got = read(STDIN_FILENO, out + length, room - length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        length += (size_t)got;
    }
    return length;
}

static int get(void)
{
    char url[PQ_DOCKER_URL_MAX + 2];
    size_t length = read_question(url, sizeof url - 1);
    url[length] = '\0';
    char *start = url + strspn(url, " \t\r\n");
    if (!*start && strlen(url) == length)
        return refuse(PQ_DOCKER_NO_URL);
    PQ_AUTO_FREE char *host = pq_docker_host(start);
    /* What a NUL hides is not asked for. */
    if (!host || length > PQ_DOCKER_URL_MAX || strlen(url) != length || getenv(PQ_DOCKER_ASKED))
        return refuse(PQ_DOCKER_NOT_FOUND);
    start[strcspn(start, " \t\r\n")] = '\0';
    const char *socket_path = getenv("PRATIQUE_HELPER_SOCKET");
    if (socket_path && *socket_path)
        return ask_build(socket_path, start);
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_BINDING binding = {0};
    PQ_AUTO_FREE char *path = NULL;
    if (!pq_binding_look_up(host, &binding, &path, &err))
        return err.code == PQ_OK ? refuse(PQ_DOCKER_NOT_FOUND) : refuse_with(&err);
    const pq_bound *bound = &binding.at[0];
    int why = 0, status = bound->socket ? known_or_device(bound, start, &why) : -1;
    if (status < 0 && bound->socket && is_hidden(bound))
        return explain(bound, why);
    if (status < 0)
        status = answer_or_lock(bound, start);
    if (status >= 0)
        return status;
    if (!put_back(start))
        return refuse("pratique: this machine has no more files to open");
    return become_pratique(bound, path, "get");
}

/* --- the others --------------------------------------------------------------------------------------------------- */

/* The hosts that are bound, and the user names. */
static int list(void)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_BUF out = PQ_BUF(PQ_MAX_TEXT);
    if (!pq_binding_list(&out, &err))
        return refuse_with(&err);
    return write_all(STDOUT_FILENO, out.data, out.length) ? 0 : 1;
}

/* `store` and `erase`: JSON and messages are pratique's business. */
static int hand_over(const char *action)
{
    PQ_AUTO_STRINGS places = {0};
    pq_binding_places(&places);
    for (size_t i = 0; i < places.count; i++) {
        PQ_AUTO_ERROR err = {0};
        PQ_AUTO_BINDING binding = {0};
        if (pq_binding_read(places.at[i], NULL, &binding, &err)) {
            if (binding.count)
                return become_pratique(&binding.at[0], NULL, action);
        } else if (err.code != PQ_ENOTFOUND) {
            return refuse_with(&err);
        }
    }
    if (strcmp(action, "erase") == 0)
        return 0; /* there is nothing to forget */
    return refuse(
        "pratique: nothing was stored: no registry is bound here (pratique keeps secrets with `pratique secrets "
        "update`, and `pratique login` hands them to clients; on a device, device.yml and `pratique device setup` do)");
}

int main(int argc, char **argv)
{
    const char *action = argc == 2 ? argv[1] : "";
    if (!pq_hold_standard_streams())
        return 1;
    pq_secret_harden_process();
    if (strcmp(action, "get") == 0)
        return get();
    if (strcmp(action, "list") == 0)
        return list();
    if (strcmp(action, "store") == 0 || strcmp(action, "erase") == 0)
        return hand_over(action);
    if (strcmp(action, "version") == 0)
        return printf("docker-credential-pratique %s\n", PRATIQUE_VERSION) < 0;
    (void)fputs("usage: docker-credential-pratique get|store|erase|list|version\n", stderr);
    return 1;
}
