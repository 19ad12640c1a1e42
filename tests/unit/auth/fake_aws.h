/* A stand-in for a cloud's API: answers from a list, and keeps what it was asked. */
#pragma once

#include <stdio.h>
#include <string.h>

#include "auth/aws/ecr.h"

/* base64 of AWS:pass:word */
#define FAKE_TOKEN "QVdTOnBhc3M6d29yZA=="
#define FAKE_ANSWER                                                                                                    \
    "{\"authorizationData\":[{\"authorizationToken\":\"" FAKE_TOKEN "\",\"expiresAt\":4102444800.25,"                  \
    "\"proxyEndpoint\":\"https://123456789012.dkr.ecr.us-east-2.amazonaws.com\"}]}"

typedef struct fake_answer {
    long status;
    const char *header; /* "Name: value" or NULL */
    const char *body;
} fake_answer;

typedef struct fake_aws {
    const fake_answer *answers; /* the last one again and again */
    size_t count;
    size_t calls;
    pq_strings urls;
    pq_strings bodies;
    pq_strings headers; /* of the last request, Authorization included */
    const void *shown;  /* the identity of the last request, or NULL */
    char *ca_file;      /* its trust, or NULL */
    bool alone;
} fake_aws;

static inline void fake_aws_clear(fake_aws *fake)
{
    pq_strings_clear(&fake->urls);
    pq_strings_clear(&fake->bodies);
    pq_strings_clear(&fake->headers);
    free(pq_steal(fake->ca_file));
}

static inline bool fake_aws_send(void *context, const pq_http_request *request, pq_http_answer *out, pq_error *err)
{
    (void)err;
    fake_aws *fake = context;
    const fake_answer *answer = &fake->answers[fake->calls < fake->count ? fake->calls : fake->count - 1];
    fake->calls++;
    pq_strings_add(&fake->urls, request->url);
    pq_strings_take(&fake->bodies, pq_strndup(request->body ? request->body : "", request->body_length));
    pq_strings_clear(&fake->headers);
    for (size_t i = 0; request->headers && i < request->headers->count; i++)
        pq_strings_add(&fake->headers, request->headers->at[i]);
    if (request->authorization)
        pq_strings_take(&fake->headers, pq_asprintf("Authorization: %s", pq_secret_bytes(request->authorization)));
    fake->shown = request->identity ? request->identity->context : NULL;
    free(fake->ca_file);
    fake->ca_file = request->trust ? pq_strdup(request->trust->ca_file) : NULL;
    fake->alone = request->trust && request->trust->alone;
    fake->shown = request->identity ? request->identity->context : NULL;
    free(fake->ca_file);
    fake->ca_file = request->trust ? pq_strdup(request->trust->ca_file) : NULL;
    fake->alone = request->trust && request->trust->alone;
    *out = (pq_http_answer){.status = answer->status, .body = PQ_SENSITIVE_BUF(1u << 20)};
    if (answer->header)
        pq_strings_add(&out->headers, answer->header);
    pq_buf_adds(&out->body, answer->body);
    return true;
}

/* Value of a header of the last request, or NULL. */
static inline const char *fake_aws_header(const fake_aws *fake, const char *name)
{
    size_t width = strlen(name);
    for (size_t i = 0; i < fake->headers.count; i++)
        if (strncasecmp(fake->headers.at[i], name, width) == 0 && fake->headers.at[i][width] == ':')
            return fake->headers.at[i] + width + 2;
    return NULL;
}

/* "Date: …" of now plus some seconds. Owned. */
static inline char *fake_aws_date(long offset)
{
    char text[64];
    time_t when = pq_now() + offset;
    struct tm parts;
    (void)gmtime_r(&when, &parts);
    (void)strftime(text, sizeof text, "Date: %a, %d %b %Y %H:%M:%S GMT", &parts);
    return pq_strdup(text);
}
