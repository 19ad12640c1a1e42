#include "secrets/name.h"

#include <string.h>

bool pq_secret_name_valid(const char *name)
{
    size_t length = strlen(name);
    if (length == 0 || length > PQ_SECRET_NAME_MAX || *name == '.')
        return false;
    for (const char *at = name; *at; at++)
        if (!pq_ascii_alnum(*at) && !strchr("._-", *at))
            return false;
    return true;
}

static bool host_valid(const char *host)
{
    const char *at = host;
    if (*at == '[') {
        size_t length = strspn(at + 1, "0123456789abcdef:.");
        if (length < 2 || at[1 + length] != ']')
            return false;
        at += length + 2;
    } else {
        while (pq_ascii_alnum(*at) || (at > host && (*at == '.' || *at == '-')))
            at++;
        if (at == host || at - host > 253 || at[-1] == '.' || at[-1] == '-' || strstr(host, ".."))
            return false;
    }
    uint64_t port = 0;
    return *at == '\0' || (*at == ':' && pq_parse_number(at + 1, 65535, &port) && port > 0);
}

bool pq_secret_host(const char *text, char **out, pq_error *err)
{
    PQ_AUTO_FREE char *host = pq_strdup(text);
    pq_ascii_lower_in_place(host);
    if (!host_valid(host))
        return pq_fail(err, PQ_EUSAGE, NULL, "write host or host:port, without a scheme and a path",
                       "%s is not the name of a host", text);
    if (pq_ends_with(host, ":443"))
        host[strlen(host) - 4] = '\0';
    *out = pq_steal(host);
    return true;
}

bool pq_secret_hosts(const pq_strings *texts, pq_strings *out, pq_errors *errors)
{
    bool good = true;
    for (size_t i = 0; i < texts->count; i++) {
        PQ_AUTO_ERROR err = {0};
        PQ_AUTO_FREE char *host = NULL;
        if (pq_secret_host(texts->at[i], &host, &err)) {
            (void)pq_strings_add_once(out, host);
        } else {
            pq_errors_take(errors, &err);
            good = false;
        }
    }
    pq_strings_sort(out);
    if (out->count > PQ_SECRET_HOSTS_MAX)
        return pq_errors_add(errors, PQ_EUSAGE, NULL, NULL, "a secret can be bound to at most %u hosts",
                             PQ_SECRET_HOSTS_MAX);
    return good;
}
