#include "device/serve/catch.h"

#include <string.h>

#include "base/text.h"
#include "base/token_cache.h"

void pq_device_catch_clear(pq_device_catch *caught)
{
    pq_credential_clear(&caught->credential);
    *caught = (pq_device_catch){0};
}

static pq_span span_of(const char *text)
{
    return text ? (pq_span){text, strlen(text)} : (pq_span){0};
}

static char *text_of(pq_span span)
{
    return span.at ? pq_strndup(span.at, span.length) : NULL;
}

static const char pin_word[] = " PIN";

/* It is an entry of the token cache, with the Retry-After, and whether a PIN was refused, in front. */
void pq_device_catch_write(const pq_device_catch *caught, const pq_error *err, pq_buf *out)
{
    const pq_credential *c = &caught->credential;
    time_t now = pq_now();
    pq_token_entry written = {.fetched = caught->fetched ? caught->fetched : now, .refresh = 1, .expires = 1};
    if (err->code == PQ_OK) {
        written.refresh = caught->refresh ? caught->refresh : written.fetched;
        written.expires = c->expires ? c->expires : now + PQ_DEVICE_LEAST_LEFT;
        written.user = span_of(c->username);
        written.secret = (pq_span){pq_secret_bytes(c->secret), pq_secret_length(c->secret)};
        written.identity = c->identity_token ? span_of("") : (pq_span){0};
        written.words = span_of(c->source);
    } else {
        written.code = (unsigned)err->code;
        written.where = span_of(err->where);
        written.message = span_of(err->message);
        written.hint = span_of(err->hint);
    }
    pq_buf_addf(out, "%.0f%s\n", caught->retry_after, caught->pin_refused ? pin_word : "");
    pq_token_entry_format(&written, out);
}

bool pq_device_catch_read(const pq_buf *output, pq_device_catch *out, pq_error *err)
{
    const char *text = pq_buf_text(output), *end = memchr(text, '\n', output->length);
    pq_token_entry got;
    char *stop = NULL;
    double retry_after = end ? strtod(text, &stop) : 0;
    bool pin_refused = end && pq_starts_with(stop, pin_word);
    if (!end || stop + (pin_refused ? strlen(pin_word) : 0) != end ||
        !pq_token_entry_parse(end + 1, output->length - (size_t)(end + 1 - text), &got))
        return false;
    *out = (pq_device_catch){
        .fetched = got.fetched, .refresh = got.refresh, .retry_after = retry_after, .pin_refused = pin_refused};
    if (got.code)
        *err = (pq_error){.code = (pq_code)got.code,
                          .where = text_of(got.where),
                          .message = text_of(got.message),
                          .hint = text_of(got.hint)};
    else
        out->credential = (pq_credential){.username = text_of(got.user),
                                          .secret = pq_secret_new(got.secret.at, got.secret.length),
                                          .identity_token = got.identity.at != NULL,
                                          .expires = got.expires};
    return true;
}
