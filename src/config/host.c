#include "config/host.h"

#include <string.h>

#include "base/docker_protocol.h"
#include "base/text.h"

static bool valid_labels(const char *host)
{
    size_t length = strlen(host), label = 0;
    if (length == 0 || length > 253)
        return false;
    for (size_t i = 0; i <= length; i++) {
        if (host[i] == '.' || host[i] == '\0') {
            if (label == 0 || label > 63 || host[i - 1] == '-' || host[i - label] == '-')
                return false;
            label = 0;
            continue;
        }
        if (!pq_ascii_alnum(host[i]) && host[i] != '-')
            return false;
        label++;
    }
    return true;
}

static bool valid_address(const char *host)
{
    size_t length = strlen(host);
    return length > 4 && host[length - 1] == ']' && strchr(host, ':') &&
           strspn(host + 1, "0123456789abcdef:.") == length - 2;
}

char *pq_host_normal(const char *text)
{
    PQ_AUTO_FREE char *host = pq_strdup(text);
    pq_ascii_lower_in_place(host);
    bool address = *host == '[';
    char *colon = strrchr(host, ':');
    if (address && colon && strchr(colon, ']'))
        colon = NULL;
    uint64_t port = 0;
    if (colon && (!pq_parse_number(colon + 1, 65535, &port) || port == 0 || colon[1] == '0'))
        return NULL;
    if (colon)
        *colon = '\0';
    if (address ? !valid_address(host) : !valid_labels(host))
        return NULL;
    if (!address && !colon && !strchr(host, '.') && !pq_streq(host, "localhost"))
        return NULL;
    return colon && port != 443 ? pq_asprintf("%s:%s", host, colon + 1) : pq_steal(host);
}

char *pq_host_asked(const char *text)
{
    PQ_AUTO_FREE char *host = pq_host_normal(text);
    return host ? pq_strdup(pq_docker_hub_name(host)) : NULL;
}

/* The name within an URL or a reference, or NULL. */
static char *guess(const char *text)
{
    const char *from = strstr(text, "://");
    from = from ? from + 3 : text;
    size_t length = strcspn(from, "/?# \t");
    PQ_AUTO_FREE char *middle = pq_strndup(from, length);
    const char *at = strrchr(middle, '@');
    PQ_AUTO_FREE char *host = pq_strdup(at ? at + 1 : middle);
    size_t rest = strlen(host);
    if (rest && host[rest - 1] == '.')
        host[rest - 1] = '\0';
    return pq_host_asked(host);
}

bool pq_host_parse(const char *text, char **out, const char **reason, char **right_form)
{
    *out = NULL;
    *right_form = NULL;
    const char *slash = strchr(text, '/');
    if (strstr(text, "://"))
        *reason = "has a scheme";
    else if (strchr(text, '@'))
        *reason = "has a user name";
    else if (slash && slash[1] == '\0')
        *reason = "ends in a slash";
    else if (slash)
        *reason = "has a path";
    else
        *reason = "is not a host name with an optional port";
    *out = slash ? NULL : pq_host_asked(text);
    if (!*out)
        *right_form = guess(text);
    return *out != NULL;
}

/* Partitions whose registries do not live under amazonaws.com. */
static const struct {
    const char *region_begins, *suffix, *dual_stack;
} partitions[] = {
    {"cn-", "amazonaws.com.cn", "on.amazonwebservices.com.cn"},
    {"eusc-", "amazonaws.eu", "amazonaws.eu"},
    {"us-iso-", "c2s.ic.gov", "c2s.ic.gov"},
    {"us-isob-", "sc2s.sgov.gov", "sc2s.sgov.gov"},
    {"eu-isoe-", "cloud.adc-e.uk", "cloud.adc-e.uk"},
    {"us-isof-", "csp.hci.ic.gov", "csp.hci.ic.gov"},
};

const char *pq_ecr_suffix(const char *region, bool dual_stack)
{
    for (size_t i = 0; i < sizeof partitions / sizeof *partitions; i++)
        if (pq_starts_with(region, partitions[i].region_begins))
            return dual_stack ? partitions[i].dual_stack : partitions[i].suffix;
    return dual_stack ? "on.aws" : "amazonaws.com";
}

static bool take(const char **at, const char *word)
{
    if (!pq_starts_with(*at, word))
        return false;
    *at += strlen(word);
    return true;
}

bool pq_ecr_host_parse(const char *host, pq_ecr_host *out)
{
    static const char *const suffixes[] = {
        "amazonaws.com", "amazonaws.com.cn", "amazonaws.eu",   "on.aws",        "on.amazonwebservices.com.cn",
        "sc2s.sgov.gov", "c2s.ic.gov",       "cloud.adc-e.uk", "csp.hci.ic.gov"};
    *out = (pq_ecr_host){0};
    if (strspn(host, "0123456789") != 12)
        return false;
    const char *at = host + 12;
    if (!take(&at, ".dkr.ecr") && !take(&at, ".dkr-ecr"))
        return false;
    bool fips = take(&at, "-fips");
    if (!take(&at, ".") || !pq_ascii_alnum(*at))
        return false;
    size_t region = strspn(at, "abcdefghijklmnopqrstuvwxyz0123456789-_");
    if (at[region] != '.')
        return false;
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++)
        if (pq_streq(at + region + 1, suffixes[i])) {
            memcpy(out->account, host, 12);
            out->region = pq_strndup(at, region);
            out->suffix = suffixes[i];
            out->fips = fips;
            out->dual_stack = pq_starts_with(suffixes[i], "on.");
            return true;
        }
    return false;
}

void pq_ecr_host_clear(pq_ecr_host *host)
{
    free(host->region);
    *host = (pq_ecr_host){0};
}

/* One label that is not empty, then `rest` to the end. */
static bool label_then(const char *host, const char *rest)
{
    size_t label = strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789-");
    return label && pq_streq(host + label, rest);
}

bool pq_google_host(const char *host)
{
    static const char tail[] = "-docker.pkg.dev";
    size_t length = strlen(host);
    if (pq_ends_with(host, tail))
        return length >= sizeof tail && !memchr(host, '.', length - (sizeof tail - 1));
    if (pq_starts_with(host, "docker."))
        return label_then(host + strlen("docker."), ".rep.pkg.dev");
    return pq_streq(host, "gcr.io") || label_then(host, ".gcr.io");
}

/* One or more labels of letters, digits and inner dashes. */
static bool is_labels(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        bool edge = i == 0 || i + 1 == length || text[i - 1] == '.' || text[i + 1] == '.';
        if (!pq_ascii_alnum(text[i]) && (edge || (text[i] != '-' && text[i] != '.')))
            return false;
    }
    return length > 0;
}

bool pq_acr_host_parse(const char *host, pq_azure_cloud *out)
{
    static const char *const suffixes[] = {
        [PQ_AZURE_PUBLIC] = ".azurecr.io",
        [PQ_AZURE_US_GOVERNMENT] = ".azurecr.us",
        [PQ_AZURE_CHINA] = ".azurecr.cn",
    };
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        if (!pq_ends_with(host, suffixes[i]))
            continue;
        *out = (pq_azure_cloud)i;
        PQ_AUTO_FREE char *name = pq_strndup(host, strlen(host) - strlen(suffixes[i]));
        return is_labels(name, strlen(name)) && !pq_ends_with(name, ".data");
    }
    return false;
}
