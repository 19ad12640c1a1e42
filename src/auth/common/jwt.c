#include "auth/common/jwt.h"

#include <jansson.h>
#include <string.h>

#include "auth/common/json_memory.h"
#include "base/limits.h"
#include "base/text.h"
#include "crypto/hash.h"

void pq_jwt_clear(pq_jwt *jwt)
{
    free(jwt->issuer);
    free(jwt->subject);
    free(jwt->audience);
    *jwt = (pq_jwt){0};
}

/* NumericDate, which may have a fraction (RFC 7519, section 2). 0 for what is no date of this age of the world. */
static time_t date(const json_t *claims, const char *name)
{
    const json_t *value = json_object_get(claims, name);
    double seconds = json_number_value(value);
    return json_is_number(value) && seconds > 0 && seconds < 253402300800.0 ? (time_t)seconds : 0;
}

static char *text(const json_t *value)
{
    if (json_is_array(value))
        value = json_array_get(value, 0);
    return json_is_string(value) ? pq_strdup(json_string_value(value)) : NULL;
}

static void json_release(json_t **value)
{
    json_decref(*value);
}
#define AUTO_JSON PQ_CLEANUP(json_release) json_t

/* The set of claims, a new reference; NULL when there is none. */
static json_t *claims_of(const void *bytes, size_t length)
{
    const char *head_end = memchr(bytes, '.', length);
    if (!head_end || length > PQ_MAX_TOKEN_ANSWER)
        return NULL;
    const char *payload = head_end + 1;
    size_t left = length - (size_t)(payload - (const char *)bytes);
    const char *end = memchr(payload, '.', left);
    PQ_AUTO_BUF decoded = PQ_SENSITIVE_BUF(PQ_MAX_TOKEN_ANSWER);
    if (!end || !pq_base64_decode(payload, (size_t)(end - payload), &decoded))
        return NULL;
    pq_json_wipe_memory();
    json_t *claims = json_loadb(pq_buf_text(&decoded), decoded.length, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(claims))
        return claims;
    json_decref(claims);
    return NULL;
}

bool pq_jwt_read(const void *bytes, size_t length, pq_jwt *out)
{
    *out = (pq_jwt){0};
    AUTO_JSON *claims = claims_of(bytes, length);
    if (claims)
        *out = (pq_jwt){.issued = date(claims, "iat"),
                        .begins = date(claims, "nbf"),
                        .expires = date(claims, "exp"),
                        .issuer = text(json_object_get(claims, "iss")),
                        .subject = text(json_object_get(claims, "sub")),
                        .audience = text(json_object_get(claims, "aud"))};
    return claims != NULL;
}

static bool is_text(const json_t *value, const char *wanted)
{
    return pq_streq(json_string_value(value), wanted);
}

static bool lists(const json_t *actions, const char *action)
{
    size_t i = 0;
    const json_t *one = NULL;
    json_array_foreach(actions, i, one) if (is_text(one, action) || is_text(one, "*")) return true;
    return false;
}

pq_jwt_grant pq_jwt_access(const void *bytes, size_t length, const char *repository, const char *action)
{
    AUTO_JSON *claims = claims_of(bytes, length);
    const json_t *access = json_object_get(claims, "access"), *one = NULL;
    size_t i = 0;
    if (!json_is_array(access))
        return PQ_JWT_SAYS_NOTHING;
    json_array_foreach(access, i, one)
    {
        if (is_text(json_object_get(one, "type"), "repository") && is_text(json_object_get(one, "name"), repository) &&
            lists(json_object_get(one, "actions"), action))
            return PQ_JWT_GRANTS;
    }
    return PQ_JWT_DENIES;
}
