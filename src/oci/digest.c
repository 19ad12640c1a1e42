#include "oci/digest.h"

#include <string.h>

#include "base/text.h"

/* Algorithms that the image-spec registers and whose length we can check. */
static const struct {
    const char *name;
    size_t hex_length;
} algorithms[] = {{"sha256", 64}, {"sha512", 128}};

static bool lower_hex(char byte)
{
    return pq_ascii_digit(byte) || (byte >= 'a' && byte <= 'f');
}

static bool any_hex(char byte)
{
    return lower_hex(pq_ascii_lower(byte));
}

bool pq_digest_has_form(const char *text)
{
    const char *at = text;
    for (;;) {
        if (!pq_ascii_alpha(*at))
            return false;
        while (pq_ascii_alnum(*at))
            at++;
        if (*at == ':')
            break;
        if (*at != '-' && *at != '_' && *at != '+' && *at != '.')
            return false;
        at++;
    }
    const char *hex = ++at;
    while (any_hex(*at))
        at++;
    return *at == '\0' && at - hex >= 32;
}

bool pq_digest_check(const char *text, pq_error *err)
{
    const char *colon = strchr(text, ':');
    if (!colon || colon == text || colon[1] == '\0')
        return pq_fail(err, PQ_EINPUT, NULL, "write sha256:<64 hex digits>", "invalid digest format");
    size_t name_length = (size_t)(colon - text);
    for (const char *at = text; at < colon; at++)
        if (!pq_ascii_digit(*at) && !(*at >= 'a' && *at <= 'z') && !strchr("+._-", *at))
            return pq_fail(err, PQ_EINPUT, NULL, "write sha256:<64 hex digits>", "invalid digest format");
    for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++) {
        if (strlen(algorithms[i].name) != name_length || memcmp(algorithms[i].name, text, name_length) != 0)
            continue;
        if (strlen(colon + 1) != algorithms[i].hex_length)
            return pq_fail(err, PQ_EINPUT, NULL, NULL, "invalid digest length: %s has %zu hex digits",
                           algorithms[i].name, algorithms[i].hex_length);
        for (const char *at = colon + 1; *at; at++)
            if (!lower_hex(*at))
                return pq_fail(err, PQ_EINPUT, NULL, NULL, "invalid digest format: only the hex digits 0-9 and a-f");
        return true;
    }
    return pq_fail(err, PQ_EINPUT, NULL, "use sha256", "unsupported digest algorithm");
}

bool pq_digest_valid(const char *text)
{
    PQ_AUTO_ERROR err = {0};
    return text && pq_digest_check(text, &err);
}

const char *pq_digest_hex(const char *digest)
{
    const char *colon = strchr(digest, ':');
    return colon ? colon + 1 : digest;
}
