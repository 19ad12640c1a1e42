#include "net/reach.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/signals.h"

/* --- peers -------------------------------------------------------------------------------------------------------- */

void pq_peer_clear(pq_peer *peer)
{
    free(peer->host);
    free(peer->port);
    *peer = (pq_peer){0};
}

/* `[user@]host[:port][/…]`. False when there is no host. */
static bool read_authority(const char *text, const char *port, pq_peer *out)
{
    size_t length = strcspn(text, "/?#");
    const char *at = memrchr(text, '@', length);
    if (at) {
        length -= (size_t)(at + 1 - text);
        text = at + 1;
    }
    bool brackets = *text == '[';
    text += brackets;
    length -= brackets && length;
    const char *end = memchr(text, brackets ? ']' : ':', length);
    size_t host = end ? (size_t)(end - text) : length;
    const char *colon = end && brackets ? end + 1 : end;
    if (!host || (brackets && !end))
        return false;
    out->host = pq_strndup(text, host);
    size_t left = colon ? length - (size_t)(colon - text) : 0;
    out->port = left > 1 && *colon == ':' ? pq_strndup(colon + 1, left - 1) : pq_strdup(port);
    return true;
}

bool pq_peer_of_url(const char *url, pq_peer *out)
{
    *out = (pq_peer){0};
    return pq_starts_with(url, "https://") && read_authority(url + strlen("https://"), "443", out);
}

char *pq_peer_words(const pq_peer *peer)
{
    bool brackets = strchr(peer->host, ':') != NULL;
    return pq_asprintf("%s%s%s:%s", brackets ? "[" : "", peer->host, brackets ? "]" : "", peer->port);
}

/* --- the proxy ---------------------------------------------------------------------------------------------------- */

static const char *either(const char *lower, const char *upper)
{
    const char *value = pq_getenv(lower);
    return value ? value : pq_getenv(upper);
}

pq_proxy_environment pq_proxy_environment_read(void)
{
    return (pq_proxy_environment){.https_proxy = either("https_proxy", "HTTPS_PROXY"),
                                  .all_proxy = either("all_proxy", "ALL_PROXY"),
                                  .no_proxy = either("no_proxy", "NO_PROXY")};
}

static bool is_address(const char *host, int *family, unsigned char bits[16])
{
    *family = AF_INET;
    if (inet_pton(AF_INET, host, bits) == 1)
        return true;
    *family = AF_INET6;
    return inet_pton(AF_INET6, host, bits) == 1;
}

/* "192.0.2.0/24", "192.0.2.1", "[::1]": since libcurl 7.86. */
static bool block_holds(char *block, const char *host)
{
    int family, other;
    unsigned char wanted[16] = {0}, bits[16] = {0};
    char *slash = strchr(block, '/');
    uint64_t prefix = 128;
    if (*block == '[') {
        block++;
        block[strcspn(block, "]")] = '\0';
    }
    if (slash) {
        *slash = '\0';
        if (!pq_parse_number(slash + 1, 128, &prefix))
            return false;
    }
    if (!is_address(host, &family, bits) || !is_address(block, &other, wanted) || family != other)
        return false;
    size_t whole = family == AF_INET ? 32 : 128;
    if (prefix < whole)
        whole = (size_t)prefix;
    unsigned char rest = (unsigned char)(0xff00u >> whole % 8);
    return memcmp(bits, wanted, whole / 8) == 0 &&
           (whole % 8 == 0 || ((bits[whole / 8] ^ wanted[whole / 8]) & rest) == 0);
}

static bool name_is_below(const char *name, const char *host)
{
    name += *name == '.';
    size_t length = strlen(name), have = strlen(host);
    return length && have >= length && strcasecmp(host + have - length, name) == 0 &&
           (have == length || host[have - length - 1] == '.');
}

/* The list of NO_PROXY: names, what is below them, addresses and blocks of these; "*" for all. */
static bool is_exempt(const char *list, const char *host)
{
    static const char between[] = ", \t";
    int family;
    unsigned char bits[16];
    bool numeric = is_address(host, &family, bits);
    if (!list)
        return false;
    if (strcmp(list, "*") == 0)
        return true;
    for (const char *at = list + strspn(list, between); *at; at += strspn(at, between)) {
        size_t length = strcspn(at, between);
        PQ_AUTO_FREE char *one = pq_strndup(at, length);
        at += length;
        if (numeric ? block_holds(one, host) : name_is_below(one, host))
            return true;
    }
    return false;
}

bool pq_proxy_for(const pq_proxy_environment *environment, const pq_peer *to, pq_peer *out)
{
    const char *proxy = environment->https_proxy ? environment->https_proxy : environment->all_proxy;
    *out = (pq_peer){0};
    if (!proxy || is_exempt(environment->no_proxy, to->host))
        return false;
    const char *scheme = strstr(proxy, "://");
    /* libcurl's own, whatever 1080 was once meant for. */
    return read_authority(scheme ? scheme + 3 : proxy, pq_starts_with(proxy, "https://") ? "443" : "1080", out);
}

/* --- addresses ---------------------------------------------------------------------------------------------------- */

void pq_addresses_clear(pq_addresses *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->at[i].words);
    free(list->at);
    *list = (pq_addresses){0};
}

static void add_address(pq_addresses *list, const struct addrinfo *one)
{
    char words[INET6_ADDRSTRLEN];
    if (one->ai_addrlen > sizeof list->at->at ||
        getnameinfo(one->ai_addr, one->ai_addrlen, words, sizeof words, NULL, 0, NI_NUMERICHOST) != 0)
        return;
    list->at = pq_grow(list->at, &list->capacity, list->count + 1, sizeof *list->at);
    struct pq_address *to = &list->at[list->count++];
    *to = (struct pq_address){.length = one->ai_addrlen, .words = pq_strdup(words)};
    memcpy(&to->at, one->ai_addr, one->ai_addrlen);
}

bool pq_resolve(const pq_peer *peer, pq_addresses *out, pq_error *err)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *found = NULL;
    *out = (pq_addresses){0};
    int code = getaddrinfo(peer->host, peer->port, &hints, &found);
    for (const struct addrinfo *one = found; code == 0 && one; one = one->ai_next)
        add_address(out, one);
    if (code == 0)
        freeaddrinfo(found);
    if (out->count)
        return true;
    if (code == EAI_NONAME)
        return pq_fail(err, PQ_ETRANSPORT, NULL, "is the name spelt right, and does this network's DNS know it?",
                       "DNS knows no address of %s", peer->host);
    if (code == EAI_AGAIN)
        return pq_fail(err, PQ_ETRANSPORT, NULL,
                       "is this machine on the network, and are the servers of /etc/resolv.conf the right ones?",
                       "no DNS server answers for %s", peer->host);
    return pq_fail(err, PQ_ETRANSPORT, NULL, "check the name and this machine's DNS",
                   "the address of %s cannot be found: %s", peer->host,
                   code == EAI_SYSTEM ? strerror(errno) : gai_strerror(code));
}

char *pq_addresses_words(const pq_addresses *list)
{
    PQ_AUTO_BUF words = PQ_BUF(PQ_MAX_MESSAGE);
    for (size_t i = 0; i < list->count; i++)
        pq_buf_addf(&words, "%s%s", i ? ", " : "", list->at[i].words);
    return pq_buf_steal(&words);
}

/* --- connecting --------------------------------------------------------------------------------------------------- */

/* 0, or an errno. */
static int connect_within(const struct pq_address *to, double seconds)
{
    double deadline = pq_monotonic() + seconds;
    PQ_AUTO_CLOSE int fd = socket(to->at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    if (connect(fd, (const struct sockaddr *)&to->at, to->length) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return errno;
    struct pollfd wait = {.fd = fd, .events = POLLOUT};
    while (!pq_interrupted()) {
        double left = deadline - pq_monotonic();
        if (left <= 0)
            break;
        int ready = poll(&wait, 1, left < 1 ? (int)(left * 1000) + 1 : 1000);
        if (ready < 0 && errno != EINTR)
            return errno;
        if (ready <= 0)
            continue;
        int code = 0;
        socklen_t length = sizeof code;
        return getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &length) == 0 ? code : errno;
    }
    return pq_interrupted() ? EINTR : ETIMEDOUT;
}

bool pq_try_connect(const pq_peer *peer, const pq_addresses *list, double seconds, size_t *out, pq_strings *failed,
                    pq_error *err)
{
    for (size_t i = 0; i < list->count; i++) {
        int code = connect_within(&list->at[i], seconds);
        if (code == 0) {
            *out = i;
            return true;
        }
        if (pq_interrupted())
            return pq_fail(err, PQ_EINTERRUPTED, NULL, NULL, "interrupted");
        pq_strings_take(failed, pq_asprintf("%s: %s", list->at[i].words, strerror(code)));
    }
    PQ_AUTO_BUF all = PQ_BUF(PQ_MAX_MESSAGE);
    for (size_t i = 0; i < failed->count; i++)
        pq_buf_addf(&all, "%s%s", i ? ", " : "", failed->at[i]);
    return pq_fail(err, PQ_ETRANSPORT, NULL,
                   "is it up, and does a firewall stand between? Where only a proxy leads out, name it in HTTPS_PROXY",
                   "no connection to %s port %s (%s)", peer->host, peer->port, pq_buf_text(&all));
}
