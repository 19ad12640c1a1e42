#include "auth/aws/fault.h"

#include <jansson.h>
#include <string.h>

#include "auth/aws/sts_xml.h"
#include "auth/common/service_words.h"
#include "base/limits.h"

void pq_aws_fault_clear(pq_aws_fault *fault)
{
    free(fault->code);
    free(fault->said);
    *fault = (pq_aws_fault){0};
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

static pq_aws_fault_kind kind_of(const char *code, const char *said, long status)
{
    static const struct {
        const char *code;
        pq_aws_fault_kind kind;
    } known[] = {
        {"UnrecognizedClientException", PQ_AWS_KEY_ID},
        {"InvalidClientTokenId", PQ_AWS_KEY_ID},
        {"InvalidSignatureException", PQ_AWS_SECRET},
        {"SignatureDoesNotMatch", PQ_AWS_SECRET},
        {"RequestExpired", PQ_AWS_CLOCK},
        {"RequestTimeTooSkewed", PQ_AWS_CLOCK},
        {"RequestInTheFuture", PQ_AWS_CLOCK},
        {"ExpiredTokenException", PQ_AWS_SESSION},
        {"ExpiredToken", PQ_AWS_SESSION},
        {"AccessDeniedException", PQ_AWS_DENIED},
        {"AccessDenied", PQ_AWS_DENIED},
        {"NotAuthorized", PQ_AWS_DENIED},
        {"ForbiddenException", PQ_AWS_DENIED},
        {"UnauthorizedOperation", PQ_AWS_DENIED},
        {"OptInRequired", PQ_AWS_REGION},
        {"SubscriptionRequiredException", PQ_AWS_REGION},
        {"RegionDisabledException", PQ_AWS_REGION},
        {"RegionDisabled", PQ_AWS_REGION},
        {"Throttling", PQ_AWS_THROTTLED},
        {"ThrottlingException", PQ_AWS_THROTTLED},
        {"ThrottledException", PQ_AWS_THROTTLED},
        {"TooManyRequestsException", PQ_AWS_THROTTLED},
        {"RequestLimitExceeded", PQ_AWS_THROTTLED},
        {"RequestThrottled", PQ_AWS_THROTTLED},
        {"RequestThrottledException", PQ_AWS_THROTTLED},
        {"SlowDown", PQ_AWS_THROTTLED},
        {"ServerException", PQ_AWS_SERVER},
        {"InternalFailure", PQ_AWS_SERVER},
        {"ServiceUnavailable", PQ_AWS_SERVER},
        {"ServiceUnavailableException", PQ_AWS_SERVER},
        {"IDPCommunicationError", PQ_AWS_SERVER},
    };
    pq_aws_fault_kind kind = status == 429 ? PQ_AWS_THROTTLED : status >= 500 ? PQ_AWS_SERVER : PQ_AWS_OTHER;
    for (size_t i = 0; code && i < sizeof known / sizeof *known; i++)
        if (strcmp(code, known[i].code) == 0)
            kind = known[i].kind;
    /* A wrong clock comes under the code of a wrong signature; only the words tell. */
    if (kind == PQ_AWS_SECRET && said &&
        (strstr(said, "Signature expired") || strstr(said, "Signature not yet current")))
        kind = PQ_AWS_CLOCK;
    return kind;
}

/* `code` is taken. */
static void judge(const pq_http_answer *answer, char *code, const char *message, pq_aws_fault *out)
{
    *out = (pq_aws_fault){.code = code, .said = pq_service_words(message, message ? strlen(message) : 0)};
    out->kind = kind_of(out->code, out->said, answer->status);
    if (out->kind == PQ_AWS_SECRET && out->said && pq_starts_with(out->said, "Credential should be scoped"))
        out->kind = PQ_AWS_OTHER; /* another region's or service's endpoint was asked; the words hold no secret */
    if (out->kind == PQ_AWS_SECRET) {
        /* Here AWS tells the canonical request, in which the session token stands. */
        free(out->said);
        out->said = NULL;
    }
}

void pq_aws_fault_read_json(const pq_http_answer *answer, pq_aws_fault *out)
{
    char *code = clean_code(pq_http_header(answer, "x-amzn-ErrorType"));
    json_t *json = json_loadb(pq_buf_text(&answer->body), answer->body.length, 0, NULL);
    if (!code)
        code = clean_code(json_string_value(json_object_get(json, "__type")));
    if (!code)
        code = clean_code(json_string_value(json_object_get(json, "code")));
    const char *message = json_string_value(json_object_get(json, "message"));
    if (!message)
        message = json_string_value(json_object_get(json, "Message"));
    judge(answer, code, message, out);
    json_decref(json);
}

void pq_aws_fault_read_xml(const pq_http_answer *answer, pq_aws_fault *out)
{
    PQ_AUTO_STS_XML xml = {0};
    bool good = pq_sts_xml_read(pq_buf_text(&answer->body), answer->body.length, &xml);
    judge(answer, good ? clean_code(xml.error_code) : NULL, good ? xml.error_message : NULL, out);
}
