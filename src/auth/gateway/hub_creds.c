#include "auth/gateway/hub_creds.h"

#include <jansson.h>
#include <string.h>

#include "auth/common/clock_skew.h"
#include "auth/common/device_identity.h"
#include "auth/common/json_memory.h"
#include "auth/common/jwt.h"
#include "base/limits.h"

/* --- the answer -----------------------------------------------------------------------------------------------------
 */

/* A text without control bytes; NULL otherwise. A user may not have the colon that ends it (RFC 7617, section 2). */
static const char *text_of(const json_t *object, const char *name, bool user)
{
    const json_t *value = json_object_get(object, name);
    const char *text = json_string_value(value);
    if (!text || !*text || strlen(text) != json_string_length(value) || (user && strchr(text, ':')))
        return NULL;
    for (const char *at = text; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            return NULL;
    return text;
}

static bool fail_answer(pq_error *err, const char *what)
{
    return pq_fail(err, PQ_EFAILED, NULL, "is there a proxy between, or another service at that address?",
                   "the gateway's answer %s", what);
}

static time_t end_of(const char *secret, time_t now)
{
    PQ_AUTO_JWT jwt = {0};
    bool says = pq_jwt_read(secret, strlen(secret), &jwt) && jwt.expires;
    return says ? jwt.expires : now + PQ_HUB_CREDS_LIFE;
}

static bool read_document(const json_t *document, time_t now, pq_credential *out, pq_error *err)
{
    const char *user = text_of(document, "Username", true), *secret = text_of(document, "Secret", false);
    if (!json_is_object(document))
        return fail_answer(err, "is not JSON");
    if (!user || !secret)
        return fail_answer(err, user ? "has no usable Secret" : "has no usable Username");
    *out = (pq_credential){
        .username = pq_strdup(user), .secret = pq_secret_new(secret, strlen(secret)), .expires = end_of(secret, now)};
    return out->expires > now || fail_answer(err, "has a Secret that has ended already");
}

bool pq_hub_creds_read(const void *bytes, size_t length, time_t now, pq_credential *out, pq_error *err)
{
    *out = (pq_credential){0};
    pq_json_wipe_memory();
    json_t *document = json_loadb(bytes, length, JSON_REJECT_DUPLICATES, NULL);
    bool good = read_document(document, now, out, err);
    json_decref(document);
    if (!good)
        pq_credential_clear(out);
    return good;
}

/* --- refusals -------------------------------------------------------------------------------------------------------
 */

static bool says(const pq_http_answer *answer, const char *words)
{
    return strcasestr(pq_buf_text(&answer->body), words) != NULL;
}

/* What nginx says of certificates, with status 400, before anything behind it is asked (ngx_http_special_response.c:
 * its own codes 495 and 496). True when it is one of these. */
static bool told_by_nginx(const pq_http_answer *answer, pq_error *err)
{
    if (says(answer, "No required SSL certificate"))
        return !pq_fail(
            err, PQ_EDENIED, NULL, "is there a proxy between that ends TLS? It must pass the connection on as it is",
            "the gateway wants a client certificate, and the device's did not reach it (status %ld)", answer->status);
    if (says(answer, "SSL certificate error"))
        return !pq_fail(
            err, PQ_EDENIED, NULL,
            "it can be that the gateway does not know the authority that signed it; that it has ended, by "
            "the gateway's clock; or that it has been revoked: ask the gateway's keeper, and have a new one "
            "issued",
            "the gateway refuses the device's certificate (status %ld: The SSL certificate error)", answer->status);
    return false;
}

static bool fail_status(const pq_hub_creds_call *call, const pq_http_answer *answer, pq_error *err)
{
    long status = answer->status;
    if (told_by_nginx(answer, err))
        return false;
    if (status == 401 || status == 403) {
        const char *name = pq_certificate_name(pq_identity_certificate(call->identity));
        return pq_fail(err, PQ_EDENIED, NULL,
                       "it can be that the device is not registered there, that it was denied or revoked, or that its "
                       "certificate is of another factory: ask the gateway's keeper",
                       "the gateway gives this device, %s, no credential (status %ld)", name, status);
    }
    if (status == 404 || status == 405)
        return pq_fail(err, PQ_EDENIED, NULL, "is it the address of a device gateway, with its port?",
                       "%s has no /hub-creds/ (status %ld)", call->gateway, status);
    if (status >= 300 && status < 400)
        return pq_fail(err, PQ_EFAILED, NULL, "write the address that it leads to, if that is the gateway's",
                       "%s leads elsewhere (status %ld), where the certificate is not shown", call->gateway, status);
    if (status == 502)
        return pq_fail(
            err, PQ_EBUSY, NULL,
            "what stands behind it may be down; a gateway that remembers each device's first key answers so, "
            "too, when the key is another now",
            "the gateway has a problem of its own (status 502)");
    if (status == 429 || status >= 500)
        return pq_fail(err, PQ_EBUSY, NULL, "try again later",
                       status == 429 ? "the gateway says that there are too many requests (status %ld)"
                                     : "the gateway has a problem of its own (status %ld)",
                       status);
    return pq_fail(err, PQ_EFAILED, NULL, "is it the address of a device gateway, with its port?",
                   "status %ld instead of a credential", status);
}

/* --- asking ---------------------------------------------------------------------------------------------------------
 */

/* The gateway's own certificate is judged by identity.ca, which no general advice knows of. */
static bool fail_to_reach(const pq_hub_creds_call *call, pq_error *err)
{
    bool untrusted = err->code == PQ_EFAILED && strstr(err->message, "CA that is not trusted here");
    if (!untrusted)
        return false;
    free(err->hint);
    err->hint = call->ca_file
                    ? pq_asprintf("identity.ca, %s, alone is trusted for the gateway: it must hold the authority "
                                  "of the gateway's own certificate",
                                  call->ca_file)
                    : pq_strdup("name the authority of the gateway's own certificate: identity: {ca: FILE}");
    return false;
}

bool pq_hub_creds_get(const pq_hub_creds_call *call, pq_credential *out, pq_error *err)
{
    *out = (pq_credential){0};
    size_t length = strlen(call->gateway);
    while (length && call->gateway[length - 1] == '/')
        length--;
    PQ_AUTO_FREE char *url = pq_asprintf("%.*s/hub-creds/", (int)length, call->gateway);
    PQ_AUTO_STRINGS headers = {0};
    pq_strings_add(&headers, "Accept: application/json");
    const pq_http_trust trust = {.ca_file = call->ca_file, .alone = true};
    const pq_http_identity identity = pq_device_http(call->identity);
    const pq_http_request request = {.method = "GET",
                                     .url = url,
                                     .where = call->where,
                                     .headers = &headers,
                                     .trust = call->ca_file ? &trust : NULL,
                                     .identity = &identity,
                                     .answer_cap = PQ_MAX_TOKEN_ANSWER,
                                     .sensitive = true};
    PQ_AUTO_ANSWER answer = {0};
    long offset = 0;
    if (!call->send(call->send_context, &request, &answer, err))
        return fail_to_reach(call, err);
    pq_clock_skew_notice(&answer, call->where, "the gateway", &offset);
    if (answer.status != 200)
        return fail_status(call, &answer, err);
    if (!pq_hub_creds_read(pq_buf_text(&answer.body), answer.body.length, pq_now() + offset, out, err))
        return false;
    out->expires -= offset; /* whoever looks at it looks at this machine's clock */
    return true;
}
