#include "auth/google/endpoint.h"

#include <string.h>

#include "net/http.h"

static const char allow[] = "PRATIQUE_GOOGLE_ALLOW";

/* HOST[:PORT] of an URL, lower case; NULL for anything that two readers could take for two hosts. Owned. */
static char *host_of(const char *url)
{
    const char *scheme = strstr(url, "://");
    if (!scheme)
        return NULL;
    const char *start = scheme + 3;
    size_t length = strcspn(start, "/?#");
    for (size_t i = 0; i < length; i++)
        if (!pq_ascii_alnum(start[i]) && !strchr(".-:[]", start[i]))
            return NULL;
    char *host = pq_strndup(start, length);
    pq_ascii_lower_in_place(host);
    if (pq_starts_with(url, "https://") && pq_ends_with(host, ":443"))
        host[strlen(host) - strlen(":443")] = '\0';
    return host;
}

static bool is_named(const char *host)
{
    const char *list = getenv(allow);
    PQ_AUTO_FREE char *copy = pq_strdup(list ? list : "");
    char *rest = NULL;
    for (char *item = strtok_r(copy, ", ", &rest); item; item = strtok_r(NULL, ", ", &rest))
        if (pq_ascii_equal_nocase(item, host))
            return true;
    return false;
}

bool pq_google_endpoint_allowed(const char *url)
{
    PQ_AUTO_FREE char *host = host_of(url);
    if (!host || !pq_url_is_safe(url))
        return false;
    if (is_named(host))
        return true;
    /* The second is in keys that were made until 2018. */
    return pq_starts_with(url, "https://") &&
           (pq_ends_with(host, ".googleapis.com") || pq_streq(host, "accounts.google.com"));
}

/* Link-local addresses that hand out tokens to the machine they are called from. */
static bool is_metadata_service(const char *url)
{
    return pq_starts_with(url, "http://169.254.169.254/") || pq_starts_with(url, "http://metadata.google.internal/");
}

typedef struct reader {
    const char *where;
    pq_errors *errors;
    pq_google_trust trust;
} reader;

static void check_endpoint(const reader *r, const char *name, const char *url)
{
    if (!url || pq_google_endpoint_allowed(url))
        return;
    PQ_AUTO_FREE char *host = host_of(url);
    PQ_AUTO_FREE char *hint = host ? pq_asprintf("if that is wanted, say so: %s=%s", allow, host) : NULL;
    bool safe = pq_url_is_safe(url);
    (void)pq_errors_add(r->errors, PQ_ECONFIG, r->where, safe ? hint : "it must be https://….googleapis.com/…",
                        safe ? "`%s` leads to a host that is not Google's" : "`%s` is no https URL", name);
}

static void check_source(const reader *r, const pq_google_source *source)
{
    bool own = r->trust == PQ_GOOGLE_OWN;
    const char *allowed = getenv("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES");
    switch (source->type) {
    case PQ_GOOGLE_FROM_EXECUTABLE:
        if (!own)
            (void)pq_errors_add(r->errors, PQ_ECONFIG, r->where,
                                "keep the file outside of the secrets, name it with GOOGLE_APPLICATION_CREDENTIALS, "
                                "and say `auth: environment`",
                                "it wants to run a program, which a secret may not");
        else if (!pq_streq(allowed, "1"))
            (void)pq_errors_add(r->errors, PQ_ECONFIG, r->where,
                                "if you trust it, set GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1",
                                "it wants to run a program");
        break;
    case PQ_GOOGLE_FROM_URL:
        if (own ? !pq_url_is_safe(source->place) && !is_metadata_service(source->place)
                : !pq_google_endpoint_allowed(source->place)) {
            PQ_AUTO_FREE char *host = host_of(source->place);
            PQ_AUTO_FREE char *hint =
                host && !own ? pq_asprintf("if that is wanted, say so: %s=%s; or keep the file outside of the secrets, "
                                           "with `auth: environment`",
                                           allow, host)
                             : NULL;
            (void)pq_errors_add(r->errors, PQ_ECONFIG, r->where, hint,
                                own ? "`credential_source.url` is no https URL"
                                    : "`credential_source.url` leads to a host that is not Google's, which a secret "
                                      "may not choose");
        }
        break;
    case PQ_GOOGLE_FROM_FILE:
        if (*source->place != '/')
            (void)pq_errors_add(r->errors, PQ_ECONFIG, r->where, NULL,
                                "`credential_source.file` must be an absolute path");
        break;
    case PQ_GOOGLE_FROM_CERTIFICATE:
    case PQ_GOOGLE_FROM_CI:
    case PQ_GOOGLE_FROM_DEVICE:
        break;
    }
}

bool pq_google_file_bounded(const pq_google_file *file, pq_google_trust trust, const char *where, pq_errors *errors)
{
    const reader r = {where, errors, trust};
    size_t before = errors->count;
    bool key = file->type == PQ_GOOGLE_SERVICE_ACCOUNT;
    /* What a key signs names the address that it is for, so nobody can use it elsewhere: a stand-in on this machine may
     * be meant. */
    if (!key || !file->token_url || !pq_url_is_loopback(file->token_url) || !pq_url_is_safe(file->token_url))
        check_endpoint(&r, key ? "token_uri" : "token_url", file->token_url);
    check_endpoint(&r, "service_account_impersonation_url", file->impersonation_url);
    if (file->type == PQ_GOOGLE_EXTERNAL_ACCOUNT &&
        (file->source.place || file->source.type == PQ_GOOGLE_FROM_CERTIFICATE))
        check_source(&r, &file->source);
    if (file->base && !pq_google_file_bounded(file->base, trust, where, errors))
        return false;
    return errors->count == before;
}
