#include "oci/reference.h"

#include <string.h>

#include "base/text.h"
#include "oci/digest.h"

#define DEFAULT_DOMAIN "docker.io"
#define LEGACY_DEFAULT_DOMAIN "index.docker.io"
#define OFFICIAL_PREFIX "library/"

static bool has_upper(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (text[i] >= 'A' && text[i] <= 'Z')
            return true;
    return false;
}

static bool lower_alnum(char byte)
{
    return pq_ascii_digit(byte) || (byte >= 'a' && byte <= 'z');
}

/* [a-z0-9]+ joined by one period, one or two underscores, or any number of dashes. */
static bool path_component_valid(const char *text, size_t length)
{
    size_t i = 0;
    for (;;) {
        size_t start = i;
        while (i < length && lower_alnum(text[i]))
            i++;
        if (i == start)
            return false;
        if (i == length)
            return true;
        if (text[i] == '.') {
            i++;
        } else if (text[i] == '_') {
            i += i + 1 < length && text[i + 1] == '_' ? 2 : 1;
        } else if (text[i] == '-') {
            while (i < length && text[i] == '-')
                i++;
        } else {
            return false;
        }
    }
}

static bool path_valid(const char *text, size_t length)
{
    for (;;) {
        const char *slash = memchr(text, '/', length);
        size_t part = slash ? (size_t)(slash - text) : length;
        if (!path_component_valid(text, part))
            return false;
        if (!slash)
            return true;
        text = slash + 1;
        length -= part + 1;
    }
}

/* host[:port]; host is a DNS-like name, an IPv4 address or an IPv6 one in brackets. */
static bool domain_valid(const char *text, size_t length)
{
    size_t i = 0;
    if (i < length && text[i] == '[') {
        for (i++; i < length && (pq_ascii_digit(text[i]) || text[i] == ':' ||
                                 (pq_ascii_lower(text[i]) >= 'a' && pq_ascii_lower(text[i]) <= 'f'));)
            i++;
        if (i < 2 || i == length || text[i] != ']')
            return false;
        i++;
    } else {
        for (;;) {
            size_t start = i;
            while (i < length && (pq_ascii_alnum(text[i]) || text[i] == '-'))
                i++;
            if (i == start || text[start] == '-' || text[i - 1] == '-')
                return false;
            if (i == length || text[i] != '.')
                break;
            i++;
        }
    }
    if (i == length)
        return true;
    if (text[i] != ':' || ++i == length)
        return false;
    while (i < length && pq_ascii_digit(text[i]))
        i++;
    return i == length;
}

static bool tag_valid(const char *text, size_t length)
{
    if (length == 0 || length > PQ_REFERENCE_TAG_MAX || text[0] == '.' || text[0] == '-')
        return false;
    for (size_t i = 0; i < length; i++)
        if (!pq_ascii_alnum(text[i]) && text[i] != '_' && text[i] != '.' && text[i] != '-')
            return false;
    return true;
}

bool pq_tag_valid(const char *text)
{
    return tag_valid(text, strlen(text));
}

/* Where the parts of a text lie that follows the grammar. */
typedef struct parts {
    const char *domain, *path, *tag, *digest; /* digest runs to the end of the text */
    size_t domain_length, path_length, tag_length;
} parts;

static bool divide(const char *text, parts *out)
{
    *out = (parts){.path = text};
    /* No later part can hold a slash, so what stands before the first one is a domain whenever it can be. */
    const char *slash = strchr(text, '/');
    if (slash && domain_valid(text, (size_t)(slash - text))) {
        out->domain = text;
        out->domain_length = (size_t)(slash - text);
        out->path = slash + 1;
    }
    out->path_length = strcspn(out->path, ":@");
    const char *rest = out->path + out->path_length;
    if (*rest == ':') {
        out->tag = rest + 1;
        out->tag_length = strcspn(out->tag, "@");
        rest = out->tag + out->tag_length;
    }
    if (*rest == '@')
        out->digest = rest + 1;
    return path_valid(out->path, out->path_length) && (!out->tag || tag_valid(out->tag, out->tag_length)) &&
           (!out->digest || pq_digest_has_form(out->digest));
}

bool pq_reference_parse_plain(const char *text, pq_reference *out, pq_error *err)
{
    if (!*text)
        return pq_fail(err, PQ_EINPUT, NULL, NULL, "empty image reference");
    parts found;
    if (!divide(text, &found)) {
        PQ_AUTO_FREE char *lower = pq_strdup(text);
        pq_ascii_lower_in_place(lower);
        if (strcmp(lower, text) != 0 && divide(lower, &found))
            return pq_fail(err, PQ_EINPUT, NULL, NULL, "the repository name must be lower case");
        return pq_fail(err, PQ_EINPUT, NULL, "write [registry/]repository[:tag][@digest]", "invalid image reference");
    }
    if (found.path_length > PQ_REFERENCE_NAME_MAX)
        return pq_fail(err, PQ_EINPUT, NULL, NULL, "the repository name is longer than %u characters",
                       PQ_REFERENCE_NAME_MAX);
    if (found.digest && !pq_digest_check(found.digest, err))
        return false;
    *out = (pq_reference){
        .domain = pq_strndup(found.domain ? found.domain : "", found.domain_length),
        .path = pq_strndup(found.path, found.path_length),
        .tag = found.tag ? pq_strndup(found.tag, found.tag_length) : NULL,
        .digest = pq_strdup(found.digest),
    };
    return true;
}

static bool is_image_id(const char *text)
{
    size_t length = strspn(text, "0123456789abcdef");
    return length == 64 && text[length] == '\0';
}

/* Docker takes the first component for a registry when it cannot be the name of a Docker Hub user. */
static bool names_registry(const char *text, size_t length)
{
    return (length == strlen("localhost") && memcmp(text, "localhost", length) == 0) || memchr(text, '.', length) ||
           memchr(text, ':', length) || has_upper(text, length);
}

bool pq_reference_parse(const char *text, pq_reference *out, pq_error *err)
{
    if (!*text)
        return pq_fail(err, PQ_EINPUT, NULL, NULL, "empty image reference");
    if (is_image_id(text))
        return pq_fail(err, PQ_EINPUT, NULL, "name the repository", "64 hex digits are an image id, not a reference");
    const char *slash = strchr(text, '/'), *rest = text;
    size_t first = slash ? (size_t)(slash - text) : 0;
    PQ_AUTO_FREE char *domain = NULL;
    if (slash && names_registry(text, first)) {
        domain = pq_strndup(text, first);
        rest = slash + 1;
    }
    if (!domain || strcmp(domain, LEGACY_DEFAULT_DOMAIN) == 0) {
        free(domain);
        domain = pq_strdup(DEFAULT_DOMAIN);
    }
    bool official = strcmp(domain, DEFAULT_DOMAIN) == 0 && !strchr(rest, '/');
    if (has_upper(rest, strcspn(rest, ":")))
        return pq_fail(err, PQ_EINPUT, NULL, NULL, "the repository name must be lower case");
    PQ_AUTO_FREE char *whole = pq_joined(domain, "/", official ? OFFICIAL_PREFIX : "", rest);
    PQ_AUTO_REFERENCE parsed = {0};
    if (!pq_reference_parse_plain(whole, &parsed, err))
        return false;
    /* Docker would go on with an empty registry, which nobody can mean. */
    if (!parsed.domain || !*parsed.domain)
        return pq_fail(err, PQ_EINPUT, NULL, NULL, "the registry's name has a character that no host name may have");
    *out = parsed;
    parsed = (pq_reference){0};
    return true;
}

void pq_reference_clear(pq_reference *reference)
{
    free(reference->domain);
    free(reference->path);
    free(reference->tag);
    free(reference->digest);
    *reference = (pq_reference){0};
}

void pq_reference_copy(const pq_reference *from, pq_reference *out)
{
    *out = (pq_reference){
        .domain = pq_strdup(from->domain),
        .path = pq_strdup(from->path),
        .tag = pq_strdup(from->tag),
        .digest = pq_strdup(from->digest),
    };
}

static char *compose(const char *name, const char *tag, const char *digest)
{
    return pq_joined(name, tag ? ":" : "", tag ? tag : "", digest ? "@" : "", digest ? digest : "");
}

char *pq_reference_name(const pq_reference *reference)
{
    return pq_joined(reference->domain, *reference->domain ? "/" : "", reference->path);
}

char *pq_reference_string(const pq_reference *reference)
{
    PQ_AUTO_FREE char *name = pq_reference_name(reference);
    return compose(name, reference->tag, reference->digest);
}

char *pq_reference_familiar_name(const pq_reference *reference)
{
    if (strcmp(reference->domain, DEFAULT_DOMAIN) != 0)
        return pq_reference_name(reference);
    const char *path = reference->path;
    if (pq_starts_with(path, OFFICIAL_PREFIX) && !strchr(path + strlen(OFFICIAL_PREFIX), '/'))
        path += strlen(OFFICIAL_PREFIX);
    return pq_strdup(path);
}

char *pq_reference_familiar_string(const pq_reference *reference)
{
    PQ_AUTO_FREE char *name = pq_reference_familiar_name(reference);
    return compose(name, reference->tag, reference->digest);
}

char *pq_reference_pull_string(const pq_reference *reference)
{
    PQ_AUTO_FREE char *name = pq_reference_name(reference);
    if (reference->digest)
        return compose(name, NULL, reference->digest);
    return compose(name, reference->tag ? reference->tag : "latest", NULL);
}

const char *pq_reference_target(const pq_reference *reference)
{
    if (reference->digest)
        return reference->digest;
    return reference->tag ? reference->tag : "latest";
}

bool pq_reference_same_name(const pq_reference *a, const pq_reference *b)
{
    return strcmp(a->domain, b->domain) == 0 && strcmp(a->path, b->path) == 0;
}
