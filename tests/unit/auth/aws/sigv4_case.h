/* A signing case as JSON, the shape in which AWS's own vectors were written down: for the unit test and for the driver
 * that other programs' answers are compared with. */
#pragma once

#include <jansson.h>
#include <string.h>

#include "auth/aws/sigv4.h"

typedef struct sigv4_case {
    pq_strings headers;
    pq_aws_keys keys;
    pq_sigv4_request request; /* borrows from the two above and from the JSON */
} sigv4_case;

static inline void sigv4_case_clear(sigv4_case *item)
{
    pq_strings_clear(&item->headers);
    pq_aws_keys_clear(&item->keys);
}

static inline pq_secret *sigv4_case_secret(const char *text)
{
    return text ? pq_secret_new(text, strlen(text)) : NULL;
}

/* "20150830T123600Z" */
static inline bool sigv4_case_time(const char *text, time_t *out)
{
    if (!text || strlen(text) != 16)
        return false;
    PQ_AUTO_FREE char *plain =
        pq_asprintf("%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", text, text + 4, text + 6, text + 9, text + 11, text + 13);
    return pq_time_parse(plain, out);
}

static inline bool sigv4_case_read(json_t *json, sigv4_case *out)
{
    const char *id = NULL, *secret = NULL, *date = NULL, *body = NULL;
    size_t body_length = 0;
    json_t *headers = NULL, *query = NULL, *token = NULL; /* the last two may be null */
    int normalize = 1, twice = 1, content = 0, sign_token = 1;
    *out = (sigv4_case){0};
    pq_sigv4_request *request = &out->request;
    if (json_unpack(json, "{s:{s:s,s:s,s?o,s:o,s:s%},s:{s:s,s:s,s?o},s:s,s:s,s:s,s:{s:b,s:b,s:b,s:b}}", "request",
                    "method", &request->method, "path", &request->path, "query", &query, "headers", &headers, "body",
                    &body, &body_length, "credentials", "access_key_id", &id, "secret_access_key", &secret,
                    "session_token", &token, "region", &request->region, "service", &request->service, "date", &date,
                    "flags", "normalize_path", &normalize, "double_uri_encode", &twice, "add_content_sha256_header",
                    &content, "sign_session_token", &sign_token) != 0)
        return false;
    size_t index;
    json_t *pair;
    json_array_foreach(headers, index, pair)
    {
        pq_strings_take(&out->headers, pq_asprintf("%s: %s", json_string_value(json_array_get(pair, 0)),
                                                   json_string_value(json_array_get(pair, 1))));
    }
    out->keys = (pq_aws_keys){.access_key_id = pq_strdup(id),
                              .secret_access_key = sigv4_case_secret(secret),
                              .session_token = sigv4_case_secret(json_string_value(token))};
    request->query = json_string_value(query);
    request->headers = &out->headers;
    request->body = body;
    request->body_length = body_length;
    request->keys = &out->keys;
    request->keep_path = !normalize;
    request->encode_once = !twice;
    request->content_sha256 = content;
    request->leave_token_unsigned = !sign_token;
    return sigv4_case_time(date, &request->when);
}
