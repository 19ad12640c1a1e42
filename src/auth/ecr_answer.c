/* What ECR answers: a token, or one of the reasons why not. */
#include "auth/ecr.h"

#include <jansson.h>
#include <string.h>

#include "auth/json_memory.h"
#include "auth/service_words.h"
#include "base/limits.h"

void pq_ecr_fault_clear(pq_ecr_fault *fault)
{
    free(fault->code);
    free(fault->said);
    *fault = (pq_ecr_fault){0};
}

/* "prefix#Code:tail" (AWS JSON 1.1 protocol, "Operation error serialization") to "Code"; NULL for anything that is not
 * a name. Owned. */
static char *clean_code(const char *text)
{
    enum { LONGEST = 100 };
    size_t length = text ? strcspn(text, ":") : 0;
    const char *hash = length ? memrchr(text, '#', length) : NULL;
    const char *start = hash ? hash + 1 : text;
    length -= hash ? (size_t)(start - text) : 0;
    for (size_t i = 0; i < length; i++)
        if (!pq_ascii_alnum(start[i]) && start[i] != '.' && start[i] != '_')
            return NULL;
    return length && length <= LONGEST ? pq_strndup(start, length) : NULL;
}

static pq_ecr_fault_kind kind_of(const char *code, const char *said, long status)
{
    static const struct {
        const char *code;
        pq_ecr_fault_kind kind;
    } known[] = {
        {"UnrecognizedClientException", PQ_ECR_KEY_ID},
        {"InvalidClientTokenId", PQ_ECR_KEY_ID},
        {"InvalidSignatureException", PQ_ECR_SECRET},
        {"SignatureDoesNotMatch", PQ_ECR_SECRET},
        {"RequestExpired", PQ_ECR_CLOCK},
        {"RequestTimeTooSkewed", PQ_ECR_CLOCK},
        {"RequestInTheFuture", PQ_ECR_CLOCK},
        {"ExpiredTokenException", PQ_ECR_SESSION},
        {"ExpiredToken", PQ_ECR_SESSION},
        {"AccessDeniedException", PQ_ECR_DENIED},
        {"AccessDenied", PQ_ECR_DENIED},
        {"NotAuthorized", PQ_ECR_DENIED},
        {"UnauthorizedOperation", PQ_ECR_DENIED},
        {"OptInRequired", PQ_ECR_REGION},
        {"SubscriptionRequiredException", PQ_ECR_REGION},
        {"RegionDisabledException", PQ_ECR_REGION},
        {"Throttling", PQ_ECR_THROTTLED},
        {"ThrottlingException", PQ_ECR_THROTTLED},
        {"ThrottledException", PQ_ECR_THROTTLED},
        {"TooManyRequestsException", PQ_ECR_THROTTLED},
        {"RequestLimitExceeded", PQ_ECR_THROTTLED},
        {"RequestThrottled", PQ_ECR_THROTTLED},
        {"RequestThrottledException", PQ_ECR_THROTTLED},
        {"SlowDown", PQ_ECR_THROTTLED},
        {"ServerException", PQ_ECR_SERVER},
        {"InternalFailure", PQ_ECR_SERVER},
        {"ServiceUnavailable", PQ_ECR_SERVER},
        {"ServiceUnavailableException", PQ_ECR_SERVER},
    };
    pq_ecr_fault_kind kind = status == 429 ? PQ_ECR_THROTTLED : status >= 500 ? PQ_ECR_SERVER : PQ_ECR_OTHER;
    for (size_t i = 0; code && i < sizeof known / sizeof *known; i++)
        if (strcmp(code, known[i].code) == 0)
            kind = known[i].kind;
    /* A wrong clock comes under the code of a wrong signature; only the words tell. */
    if (kind == PQ_ECR_SECRET && said &&
        (strstr(said, "Signature expired") || strstr(said, "Signature not yet current")))
        kind = PQ_ECR_CLOCK;
    return kind;
}

void pq_ecr_fault_read(const pq_http_answer *answer, pq_ecr_fault *out)
{
    *out = (pq_ecr_fault){.code = clean_code(pq_http_header(answer, "x-amzn-ErrorType"))};
    json_t *json = json_loadb(pq_buf_text(&answer->body), answer->body.length, 0, NULL);
    if (!out->code)
        out->code = clean_code(json_string_value(json_object_get(json, "__type")));
    if (!out->code)
        out->code = clean_code(json_string_value(json_object_get(json, "code")));
    const char *message = json_string_value(json_object_get(json, "message"));
    if (!message)
        message = json_string_value(json_object_get(json, "Message"));
    out->said = pq_service_words(message, message ? strlen(message) : 0);
    out->kind = kind_of(out->code, out->said, answer->status);
    if (out->kind == PQ_ECR_SECRET) {
        /* Here AWS tells the canonical request, in which the session token stands. */
        free(out->said);
        out->said = NULL;
    }
    json_decref(json);
}

static bool fail_answer(pq_error *err, const char *what)
{
    return pq_fail(err, PQ_EFAILED, NULL, "is there a proxy, or another service under AWS_ENDPOINT_URL?",
                   "the answer to GetAuthorizationToken %s", what);
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
    json_t *data = json_array_get(json_object_get(json, "authorizationData"), 0);
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
