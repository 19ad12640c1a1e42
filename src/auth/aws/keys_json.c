#include "auth/aws/keys_json.h"

#include <jansson.h>
#include <string.h>

#include "auth/common/json_memory.h"
#include "base/text.h"

typedef struct names {
    const char *id, *secret, *token, *expiration;
    bool token_required, expiration_required;
} names;

static const names names_of[] = {
    [PQ_AWS_FORM_METADATA] = {"AccessKeyId", "SecretAccessKey", "Token", "Expiration", true, true},
    [PQ_AWS_FORM_PROCESS] = {"AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration", false, false},
    [PQ_AWS_FORM_SSO] = {"accessKeyId", "secretAccessKey", "sessionToken", "expiration", true, true},
    [PQ_AWS_FORM_IOT] = {"accessKeyId", "secretAccessKey", "sessionToken", "expiration", true, false},
    [PQ_AWS_FORM_ROLES_ANYWHERE] = {"accessKeyId", "secretAccessKey", "sessionToken", "expiration", true, true},
};

/* A text that can stand in a header; NULL otherwise. */
static const char *text_of(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    const char *text = json_string_value(value);
    if (!text || !*text || strlen(text) != json_string_length(value))
        return NULL;
    for (const char *at = text; *at; at++)
        if (*at <= ' ' || *at > '~')
            return NULL;
    return text;
}

/* 0 would mean that nobody said. */
static bool expiry_of(const json_t *value, time_t *out)
{
    const double year_9999 = 253402300799.0;
    if (json_is_string(value))
        return pq_time_parse(json_string_value(value), out) && *out > 0;
    double milliseconds = json_number_value(value);
    if (!json_is_number(value) || milliseconds < 1000 || milliseconds > year_9999 * 1000)
        return false;
    *out = (time_t)(milliseconds / 1000);
    return true;
}

/* A code such as "AssumeRoleUnauthorizedAccess": letters and digits only, so that it can be shown. */
static bool is_code(const char *text)
{
    size_t length = text ? strlen(text) : 0;
    for (size_t i = 0; i < length; i++)
        if (!pq_ascii_alnum(text[i]))
            return false;
    return length > 0 && length <= 100;
}

static bool read_object(const json_t *object, const names *called, const char *who, pq_aws_keys *out, pq_error *err)
{
    const char *id = text_of(object, called->id), *secret = text_of(object, called->secret),
               *token = text_of(object, called->token);
    const json_t *expiration = json_object_get(object, called->expiration);
    time_t expires = 0;
    if (!id || !secret)
        return pq_fail(err, PQ_EFAILED, NULL, NULL, "%s gives no %s", who, id ? called->secret : called->id);
    if (!token && (called->token_required || json_object_get(object, called->token)))
        return pq_fail(err, PQ_EFAILED, NULL, NULL, "%s gives no usable %s", who, called->token);
    if ((called->expiration_required || (expiration && !json_is_null(expiration))) && !expiry_of(expiration, &expires))
        return pq_fail(err, PQ_EFAILED, NULL, NULL, "%s gives an %s that is not a time", who, called->expiration);
    *out = (pq_aws_keys){.access_key_id = pq_strdup(id),
                         .secret_access_key = pq_secret_new(secret, strlen(secret)),
                         .session_token = token ? pq_secret_new(token, strlen(token)) : NULL,
                         .expires = expires};
    return true;
}

static const json_t *first_of_set(const json_t *document)
{
    return json_array_get(json_object_get(document, "credentialSet"), 0);
}

/* What holds the fields. */
static const json_t *keys_of(const json_t *document, pq_aws_keys_form form)
{
    switch (form) {
    case PQ_AWS_FORM_SSO:
        return json_object_get(document, "roleCredentials");
    case PQ_AWS_FORM_IOT:
        return json_object_get(document, "credentials");
    case PQ_AWS_FORM_ROLES_ANYWHERE:
        return json_object_get(first_of_set(document), "credentials");
    case PQ_AWS_FORM_METADATA:
    case PQ_AWS_FORM_PROCESS:
        break;
    }
    return document;
}

static bool read_document(const json_t *document, pq_aws_keys_form form, const char *who, pq_aws_keys *out,
                          pq_error *err)
{
    if (!json_is_object(document))
        return pq_fail(err, PQ_EFAILED, NULL,
                       form == PQ_AWS_FORM_PROCESS ? NULL
                                                   : "is there a proxy between, or another service at that address?",
                       "%s does not answer with a JSON object", who);
    if (form == PQ_AWS_FORM_PROCESS && json_integer_value(json_object_get(document, "Version")) != 1)
        return pq_fail(err, PQ_EFAILED, NULL, "it must print {\"Version\": 1, \"AccessKeyId\": …}",
                       "%s gives no \"Version\": 1", who);
    const char *code = json_string_value(json_object_get(document, "Code"));
    if (form == PQ_AWS_FORM_METADATA && code && strcmp(code, "Success") != 0)
        return pq_fail(err, PQ_EDENIED, NULL, "look at the role of this machine, and whom its trust policy names",
                       "%s has no keys (%s)", who, is_code(code) ? code : "no known code");
    return read_object(keys_of(document, form), &names_of[form], who, out, err);
}

bool pq_aws_keys_read_json(const void *bytes, size_t length, pq_aws_keys_form form, const char *who, pq_aws_keys *out,
                           pq_error *err)
{
    *out = (pq_aws_keys){0};
    pq_json_wipe_memory();
    json_t *document = json_loadb(bytes, length, JSON_REJECT_DUPLICATES, NULL);
    bool good = read_document(document, form, who, out, err);
    json_decref(document);
    return good;
}

char *pq_aws_session_arn_read(const void *bytes, size_t length)
{
    enum { LONGEST = 2048 };
    pq_json_wipe_memory();
    json_t *document = json_loadb(bytes, length, JSON_REJECT_DUPLICATES, NULL);
    const char *text = text_of(json_object_get(first_of_set(document), "assumedRoleUser"), "arn");
    char *arn = text && strlen(text) <= LONGEST ? pq_strdup(text) : NULL;
    json_decref(document);
    return arn;
}
