#include "auth/common/access_token.h"

#include <jansson.h>
#include <string.h>

#include "auth/common/json_memory.h"
#include "auth/common/jwt.h"

void pq_access_token_clear(pq_access_token *token)
{
    pq_secret_free(token->token);
    *token = (pq_access_token){0};
}

static bool fail_answer(pq_error *err, const char *who, const char *what)
{
    return pq_fail(err, PQ_EFAILED, NULL, "is there a proxy or another service in between?", "the answer of %s %s", who,
                   what);
}

/* A number of seconds below `limit`, as number or text; -1 for what is none. */
static double seconds_of(const json_t *value, double limit)
{
    uint64_t whole;
    double seconds = -1;
    if (json_is_number(value))
        seconds = json_number_value(value);
    else if (json_is_string(value) && pq_parse_number(json_string_value(value), (uint64_t)limit, &whole))
        seconds = (double)whole;
    return seconds >= 0 && seconds < limit ? seconds : -1;
}

static time_t end_of(const json_t *answer, const char *token, size_t length)
{
    const double year = 366.0 * 86400, year_9999 = 253402300800.0;
    double in = seconds_of(json_object_get(answer, "expires_in"), year);
    double on = seconds_of(json_object_get(answer, "expires_on"), year_9999);
    PQ_AUTO_JWT jwt = {0};
    if (in >= 0)
        return pq_now() + (time_t)in;
    if (on >= 0)
        return (time_t)on;
    return pq_jwt_read(token, length, &jwt) ? jwt.expires : 0;
}

static bool read_token(const json_t *answer, const char *who, pq_access_token *out, pq_error *err)
{
    const json_t *value = json_object_get(answer, "access_token");
    const char *text = json_string_value(value);
    size_t length = json_string_length(value);
    if (!json_is_object(answer))
        return fail_answer(err, who, "is not JSON");
    if (!length)
        return fail_answer(err, who, "has no access_token");
    for (size_t i = 0; i < length; i++)
        if (text[i] <= ' ' || text[i] >= 0x7f)
            return fail_answer(err, who, "has a malformed access_token");
    *out = (pq_access_token){.token = pq_secret_new(text, length), .expires = end_of(answer, text, length)};
    return true;
}

bool pq_access_token_read(const void *bytes, size_t length, const char *who, pq_access_token *out, pq_error *err)
{
    *out = (pq_access_token){0};
    pq_json_wipe_memory();
    json_t *answer = json_loadb(bytes, length, JSON_REJECT_DUPLICATES, NULL);
    bool good = read_token(answer, who, out, err);
    json_decref(answer);
    return good;
}

/* --- those of a run ----------------------------------------------------------------------------------------------- */

void pq_access_tokens_clear(pq_access_tokens *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->at[i].key);
        pq_access_token_clear(&list->at[i].token);
    }
    free(list->at);
    *list = (pq_access_tokens){0};
}

const pq_access_token *pq_access_tokens_find(const pq_access_tokens *list, const char *key)
{
    enum { LEFT_AT_LEAST = 5 * 60 };
    for (size_t i = 0; i < list->count; i++)
        if (pq_streq(list->at[i].key, key) && list->at[i].token.expires - pq_now() > LEFT_AT_LEAST)
            return &list->at[i].token;
    return NULL;
}

void pq_access_tokens_keep(pq_access_tokens *list, const char *key, const pq_access_token *token)
{
    if (!token->expires)
        return;
    size_t at = 0;
    while (at < list->count && !pq_streq(list->at[at].key, key))
        at++;
    if (at == list->count) {
        list->at = pq_grow(list->at, &list->capacity, list->count + 1, sizeof *list->at);
        list->at[list->count++].key = pq_strdup(key);
    }
    pq_access_token_clear(&list->at[at].token);
    list->at[at].token = (pq_access_token){.token = pq_secret_copy(token->token), .expires = token->expires};
}
