#include "auth/aws/call.h"

#include <string.h>

#include "auth/common/clock_skew.h"
#include "base/signals.h"

/* Where the call goes: URL, and host, path and query as they are signed. */
typedef struct place {
    char *url, *host, *path;
    const char *query; /* borrowed from the call, or NULL */
} place;

static void place_clear(place *to)
{
    free(to->url);
    free(to->host);
    free(to->path);
}

static bool find_place(const pq_aws_call *call, place *out, pq_error *err)
{
    const char *target = call->target ? call->target : "";
    size_t path = strcspn(target, "?");
    out->query = target[path] ? target + path + 1 : NULL;
    if (!call->endpoint) {
        out->host = pq_strdup(call->host);
        out->path = pq_asprintf("/%.*s", (int)path, target);
        out->url = pq_asprintf("https://%s/%s", out->host, target);
        return true;
    }
    const char *scheme = strstr(call->endpoint, "://");
    if (!scheme || !pq_url_is_safe(call->endpoint) || strpbrk(call->endpoint, "?#@ "))
        return pq_fail(err, PQ_ECONFIG, "AWS_ENDPOINT_URL", "write https://HOST[:PORT][/PATH]",
                       "the endpoint for %s must be an https URL (http only on loopback), without user or query",
                       call->service);
    const char *host = scheme + 3;
    size_t width = strcspn(host, "/"), length = strlen(host);
    while (length > width && host[length - 1] == '/')
        length--;
    out->host = pq_strndup(host, width);
    pq_ascii_lower_in_place(out->host);
    /* The HTTP client leaves a default port out of the Host header. */
    const char *port = pq_starts_with(call->endpoint, "https:") ? ":443" : ":80";
    if (pq_ends_with(out->host, port))
        out->host[strlen(out->host) - strlen(port)] = '\0';
    out->path = pq_asprintf("%.*s/%.*s", (int)(length - width), host + width, (int)path, target);
    out->url = pq_asprintf("%.*s/%s", (int)(host + length - call->endpoint), call->endpoint, target);
    return true;
}

/* Adds the signature's header lines; `*out` is the value of Authorization (owned), NULL when nothing is to be signed.
 */
static bool sign(const pq_aws_call *call, const place *to, pq_strings *headers, pq_secret **out, pq_error *err)
{
    PQ_AUTO_SENSITIVE_STRINGS to_sign = {0};
    if (!call->keys && !call->signer)
        return true;
    for (size_t i = 0; i < headers->count; i++)
        pq_strings_add(&to_sign, headers->at[i]);
    pq_strings_take(&to_sign, pq_asprintf("Host: %s", to->host));
    const pq_sigv4_request signing = {.method = call->method ? call->method : "POST",
                                      .path = to->path,
                                      .query = to->query,
                                      .headers = &to_sign,
                                      .body = call->body,
                                      .body_length = call->body_length,
                                      .keys = call->keys,
                                      .region = call->region,
                                      .service = call->signing_name,
                                      .when = pq_now() + *call->caller->clock_offset};
    PQ_AUTO_SIGV4 signature = {0};
    if (call->keys)
        pq_sigv4_sign(&signing, &signature);
    else if (!pq_sigv4_sign_x509(&signing, pq_identity_certificate(call->signer), pq_identity_key(call->signer),
                                 &signature, err))
        return false;
    for (size_t i = 0; i < signature.headers.count; i++)
        pq_strings_add(headers, signature.headers.at[i]);
    *out = pq_steal(signature.authorization);
    return true;
}

static bool send_once(const pq_aws_call *call, const place *to, pq_http_answer *answer, pq_error *err)
{
    PQ_AUTO_SENSITIVE_STRINGS headers = {0};
    for (size_t i = 0; call->headers && i < call->headers->count; i++)
        pq_strings_add(&headers, call->headers->at[i]);
    PQ_AUTO_SECRET *authorization = NULL;
    if (!sign(call, to, &headers, &authorization, err))
        return false;
    const pq_http_request request = {.method = call->method ? call->method : "POST",
                                     .url = to->url,
                                     .where = call->caller->where,
                                     .headers = &headers,
                                     .authorization = authorization,
                                     .body = call->body,
                                     .body_length = call->body_length,
                                     .trust = call->caller->trust,
                                     .identity = call->identity,
                                     .sensitive = true,
                                     .repeatable = true};
    return call->caller->send(call->caller->send_context, &request, answer, err);
}

/* "AWS's words (Code)" behind our own. */
static bool fail_fault(const pq_aws_call *call, const pq_aws_fault *fault, long status, pq_error *err)
{
    PQ_AUTO_FREE char *code = fault->code ? pq_strdup(fault->code) : pq_asprintf("status %ld", status);
    PQ_AUTO_FREE char *said = fault->said ? pq_asprintf(": %s", fault->said) : pq_strdup("");
    bool temporary = call->keys && call->keys->session_token;
    switch (fault->kind) {
    case PQ_AWS_KEY_ID:
        return pq_fail(err, PQ_EDENIED, NULL,
                       temporary
                           ? "look whether key id and session token belong together, and whether the region is enabled"
                           : "the key may be deleted, inactive or of another partition, or the region not enabled",
                       "AWS does not know this access key id (%s)", code);
    case PQ_AWS_SECRET:
        return pq_fail(err, PQ_EDENIED, NULL, "copy aws_secret_access_key anew",
                       "the secret access key does not belong to the access key id (%s)", code);
    case PQ_AWS_CLOCK:
        return pq_fail(err, PQ_EFAILED, NULL, "set this machine's clock",
                       "AWS finds the time of the request wrong (%s)%s", code, said);
    case PQ_AWS_SESSION:
        return pq_fail(err, PQ_EDENIED, NULL,
                       call->renew ? call->renew : "put fresh keys and their session token into the secret",
                       "the session token has expired (%s)", code);
    case PQ_AWS_DENIED:
        return pq_fail(err, PQ_EDENIED, NULL, call->denied_hint, "this identity may not %s (%s)%s", call->may_not, code,
                       said);
    case PQ_AWS_REGION:
        return pq_fail(err, PQ_EDENIED, NULL, "enable the region in the account, or look at the registry's host",
                       "the account does not use %s in region %s (%s)%s", call->service, call->region, code, said);
    case PQ_AWS_THROTTLED:
        return pq_fail(err, PQ_EBUSY, NULL, "try again later", "AWS says that there are too many requests (%s)", code);
    case PQ_AWS_SERVER:
        return pq_fail(err, PQ_EBUSY, NULL, "try again later", "AWS has a problem of its own (%s)%s", code, said);
    case PQ_AWS_NO_FAULT:
    case PQ_AWS_OTHER:
        break;
    }
    if (!fault->code)
        return pq_fail(err, PQ_EFAILED, NULL, "is there a proxy, or another service under AWS_ENDPOINT_URL?",
                       "status %ld instead of an answer of AWS", status);
    return pq_fail(err, PQ_EFAILED, NULL, NULL, "AWS refuses the request (%s)%s", code, said);
}

static double jittered(double pause)
{
    uint16_t chance;
    pq_random(&chance, sizeof chance);
    return pause * (0.5 + (double)chance / UINT16_MAX);
}

/* The HTTP client has tried 429 and most of 5xx again already; AWS also throttles with status 400, and tells its own
 * problems with 500. */
static bool is_worth_another_try(const pq_aws_fault *fault, long status)
{
    return (fault->kind == PQ_AWS_THROTTLED || fault->kind == PQ_AWS_SERVER) && (status == 400 || status == 500);
}

/* A signature by a certificate is refused in general words, whatever is wrong with its time. */
static bool clock_is_wrong(const pq_aws_call *call, const pq_http_answer *answer, const pq_aws_fault *fault)
{
    return fault->kind == PQ_AWS_CLOCK || (call->signer && fault->kind == PQ_AWS_DENIED &&
                                           pq_clock_skew_is_large(answer, *call->caller->clock_offset));
}

bool pq_aws_call_do(const pq_aws_call *call, pq_http_answer *answer, pq_aws_fault *fault, pq_error *err)
{
    enum { TRIES = 4 };
    *fault = (pq_aws_fault){0};
    PQ_CLEANUP(place_clear) place to = {0};
    if (!find_place(call, &to, err))
        return false;
    double pause = call->caller->pause > 0 ? call->caller->pause : 0.5;
    bool corrected = false;
    for (int tries = 1;; tries++) {
        pq_http_answer_clear(answer);
        pq_aws_fault_clear(fault);
        if (!send_once(call, &to, answer, err))
            return false;
        if (answer->status == 200 || answer->status == 201)
            return true;
        if (call->xml)
            pq_aws_fault_read_xml(answer, fault);
        else
            pq_aws_fault_read_json(answer, fault);
        if (clock_is_wrong(call, answer, fault) && !corrected &&
            pq_clock_skew_learn(answer, call->caller->where, "AWS", call->caller->clock_offset)) {
            corrected = true;
            continue;
        }
        if (!is_worth_another_try(fault, answer->status) || call->caller->once || tries >= TRIES)
            return fail_fault(call, fault, answer->status, err);
        if (!pq_sleep(jittered(pause)) && pq_interrupted())
            return pq_fail(err, PQ_EINTERRUPTED, NULL, NULL, "interrupted");
        pause *= 2;
    }
}

bool pq_aws_answer_fail(pq_error *err, const char *action, const char *what)
{
    return pq_fail(err, PQ_EFAILED, NULL, "is there a proxy, or another service under AWS_ENDPOINT_URL?",
                   "the answer to %s %s", action, what);
}

time_t pq_aws_expiry(const pq_aws_caller *caller, time_t theirs)
{
    return theirs && *caller->clock_offset > 0 ? theirs - *caller->clock_offset : theirs;
}
