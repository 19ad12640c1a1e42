/* What ECR answers when it gives a token. */
#include "auth/aws/ecr.h"

#include <jansson.h>
#include <string.h>

#include "auth/common/json_memory.h"
#include "base/limits.h"

static bool fail_answer(pq_error *err, const char *what)
{
    return pq_aws_answer_fail(err, "GetAuthorizationToken", what);
}

static bool read_token(const char *text, size_t length, pq_credential *out, pq_error *err)
{
    PQ_AUTO_BUF pair = PQ_SENSITIVE_BUF(PQ_MAX_API_ANSWER);
    if (!pq_base64_decode(text, length, &pair))
        return fail_answer(err, "has a token that is not base64");
    const char *colon = pair.length ? memchr(pair.data, ':', pair.length) : NULL;
    size_t user = colon ? (size_t)(colon - pair.data) : 0;
    if (user == 0 || user + 1 == pair.length)
        return fail_answer(err, "has a token that is not <user>:<password>");
    for (size_t i = 0; i < pair.length; i++)
        if ((unsigned char)pair.data[i] < ' ' || pair.data[i] == 0x7f)
            return fail_answer(err, "has a token with control bytes");
    out->username = pq_strndup(pair.data, user);
    out->secret = pq_secret_new(colon + 1, pair.length - user - 1);
    return true;
}

bool pq_ecr_answer_read(const void *bytes, size_t length, pq_credential *out, pq_error *err)
{
    const double year_9999 = 253402300799.0;
    *out = (pq_credential){0};
    pq_json_wipe_memory();
    json_t *json = json_loadb(bytes, length, 0, NULL);
    json_t *data = json_object_get(json, "authorizationData");
    if (json_is_array(data))
        data = json_array_get(data, 0); /* one for each registry that was asked for; ECR Public gives just one */
    json_t *token = json_object_get(data, "authorizationToken");
    json_t *expires = json_object_get(data, "expiresAt");
    bool good;
    if (!json)
        good = fail_answer(err, "is not JSON");
    else if (!json_is_string(token))
        good = fail_answer(err, "has no authorizationToken");
    else if (expires && !(json_number_value(expires) > 0 && json_number_value(expires) <= year_9999))
        good = fail_answer(err, "has an expiresAt that is not a time");
    else
        good = read_token(json_string_value(token), json_string_length(token), out, err);
    if (good && expires)
        out->expires = (time_t)json_number_value(expires);
    json_decref(json);
    return good;
}
