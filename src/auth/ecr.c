#include "auth/ecr.h"

#include <string.h>

#include "auth/clock_skew.h"
#include "base/signals.h"

static const char target[] = "X-Amz-Target: AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken";

/* Where the call goes: URL, and host and path as they are signed. */
typedef struct place {
    char *url, *host, *path;
} place;

static void place_clear(place *to)
{
    free(to->url);
    free(to->host);
    free(to->path);
}

static bool find_place(const pq_ecr_call *call, place *out, pq_error *err)
{
    if (!call->endpoint) {
        out->host = pq_aws_ecr_api_host(call->registry);
        out->path = pq_strdup("/");
        out->url = pq_asprintf("https://%s/", out->host);
        return true;
    }
    const char *scheme = strstr(call->endpoint, "://");
    if (!scheme || !pq_url_is_safe(call->endpoint) || strpbrk(call->endpoint, "?#@ "))
        return pq_fail(err, PQ_ECONFIG, "AWS_ENDPOINT_URL", "write https://HOST[:PORT][/PATH]",
                       "the endpoint for ECR must be an https URL (http only on loopback), without user or query");
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
    out->path = pq_asprintf("%.*s/", (int)(length - width), host + width);
    out->url = pq_asprintf("%.*s/", (int)(host + length - call->endpoint), call->endpoint);
    return true;
}

/* One signed request. */
static bool send_signed(const pq_ecr_call *call, const place *to, pq_http_answer *answer, pq_error *err)
{
    PQ_AUTO_SENSITIVE_STRINGS headers = {0};
    pq_strings_add(&headers, "Content-Type: application/x-amz-json-1.1");
    pq_strings_add(&headers, target);
    PQ_AUTO_STRINGS to_sign = {0};
    for (size_t i = 0; i < headers.count; i++)
        pq_strings_add(&to_sign, headers.at[i]);
    pq_strings_take(&to_sign, pq_asprintf("Host: %s", to->host));
    const pq_sigv4_request signing = {.method = "POST",
                                      .path = to->path,
                                      .headers = &to_sign,
                                      .body = "{}",
                                      .body_length = 2,
                                      .keys = call->keys,
                                      .region = call->registry->region,
                                      .service = "ecr",
                                      .when = pq_now() + *call->clock_offset};
    PQ_AUTO_SIGV4 signature = {0};
    pq_sigv4_sign(&signing, &signature);
    for (size_t i = 0; i < signature.headers.count; i++)
        pq_strings_add(&headers, signature.headers.at[i]);
    const pq_http_request request = {.method = "POST",
                                     .url = to->url,
                                     .where = call->where,
                                     .headers = &headers,
                                     .authorization = signature.authorization,
                                     .body = "{}",
                                     .body_length = 2,
                                     .trust = call->trust,
                                     .sensitive = true,
                                     .repeatable = true};
    return call->send(call->send_context, &request, answer, err);
}

/* "AWS's words (Code)" behind our own. */
static bool fail_fault(const pq_ecr_call *call, const pq_ecr_fault *fault, long status, pq_error *err)
{
    PQ_AUTO_FREE char *code = fault->code ? pq_strdup(fault->code) : pq_asprintf("status %ld", status);
    PQ_AUTO_FREE char *said = fault->said ? pq_asprintf(": %s", fault->said) : pq_strdup("");
    switch (fault->kind) {
    case PQ_ECR_KEY_ID:
        return pq_fail(err, PQ_EDENIED, NULL,
                       call->keys->session_token
                           ? "look whether key id and session token belong together, and whether the region is enabled"
                           : "the key may be deleted, inactive or of another partition, or the region not enabled",
                       "AWS does not know this access key id (%s)", code);
    case PQ_ECR_SECRET:
        return pq_fail(err, PQ_EDENIED, NULL, "copy aws_secret_access_key anew",
                       "the secret access key does not belong to the access key id (%s)", code);
    case PQ_ECR_CLOCK:
        return pq_fail(err, PQ_EFAILED, NULL, "set this machine's clock",
                       "AWS finds the time of the request wrong (%s)%s", code, said);
    case PQ_ECR_SESSION:
        return pq_fail(err, PQ_EDENIED, NULL, "put fresh keys and their session token into the secret",
                       "the session token has expired (%s)", code);
    case PQ_ECR_DENIED:
        return pq_fail(err, PQ_EDENIED, NULL, "allow ecr:GetAuthorizationToken on resource *",
                       "this identity may not get a registry password (%s)%s", code, said);
    case PQ_ECR_REGION:
        return pq_fail(err, PQ_EDENIED, NULL, "enable the region in the account, or look at the registry's host",
                       "the account does not use ECR in region %s (%s)%s", call->registry->region, code, said);
    case PQ_ECR_THROTTLED:
        return pq_fail(err, PQ_EBUSY, NULL, "try again later", "AWS says that there are too many requests (%s)", code);
    case PQ_ECR_SERVER:
        return pq_fail(err, PQ_EBUSY, NULL, "try again later", "AWS has a problem of its own (%s)%s", code, said);
    case PQ_ECR_OTHER:
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

static bool accept(const pq_ecr_call *call, const pq_http_answer *answer, pq_credential *out, pq_error *err)
{
    if (!pq_ecr_answer_read(pq_buf_text(&answer->body), answer->body.length, out, err))
        return false;
    /* Whoever looks at the expiry looks at this machine's clock: the earlier of both readings is always safe. */
    if (out->expires && *call->clock_offset > 0)
        out->expires -= *call->clock_offset;
    return true;
}

bool pq_ecr_get_token(const pq_ecr_call *call, pq_credential *out, pq_error *err)
{
    enum { TRIES = 4 };
    *out = (pq_credential){0};
    PQ_CLEANUP(place_clear) place to = {0};
    if (!find_place(call, &to, err))
        return false;
    double pause = call->pause > 0 ? call->pause : 0.5;
    bool corrected = false;
    for (int tries = 1;; tries++) {
        PQ_AUTO_ANSWER answer = {0};
        if (!send_signed(call, &to, &answer, err))
            return false;
        if (answer.status == 200)
            return accept(call, &answer, out, err);
        PQ_AUTO_ECR_FAULT fault = {0};
        pq_ecr_fault_read(&answer, &fault);
        if (fault.kind == PQ_ECR_CLOCK && !corrected &&
            pq_clock_skew_learn(&answer, call->where, "AWS", call->clock_offset)) {
            corrected = true;
            continue;
        }
        /* The HTTP client has tried 429 and most of 5xx again already; ECR also throttles with status 400. */
        bool again = (fault.kind == PQ_ECR_THROTTLED || fault.kind == PQ_ECR_SERVER) && tries < TRIES &&
                     (answer.status == 400 || answer.status == 500);
        if (!again)
            return fail_fault(call, &fault, answer.status, err);
        if (!pq_sleep(jittered(pause)) && pq_interrupted())
            return pq_fail(err, PQ_EINTERRUPTED, NULL, NULL, "interrupted");
        pause *= 2;
    }
}
