#include "auth/aws/ecr.h"

#include <string.h>

static const char private_target[] = "X-Amz-Target: AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken";
static const char gallery_target[] = "X-Amz-Target: SpencerFrontendService.GetAuthorizationToken";

bool pq_ecr_get_token(const pq_ecr_call *call, pq_credential *out, bool *out_denied, pq_error *err)
{
    *out = (pq_credential){0};
    *out_denied = false;
    bool gallery = call->registry->gallery;
    PQ_AUTO_FREE char *host = pq_aws_ecr_api_host(call->registry, call->reach);
    PQ_AUTO_STRINGS headers = {0};
    pq_strings_add(&headers, "Content-Type: application/x-amz-json-1.1");
    pq_strings_add(&headers, gallery ? gallery_target : private_target);
    const pq_aws_call request = {.caller = call->caller,
                                 .service = gallery ? "ECR Public" : "ECR",
                                 .signing_name = gallery ? "ecr-public" : "ecr",
                                 .region = call->registry->region,
                                 .keys = call->keys,
                                 .host = host,
                                 .endpoint = call->endpoint,
                                 .headers = &headers,
                                 .body = "{}",
                                 .body_length = 2,
                                 .may_not = "get a registry password",
                                 .denied_hint = gallery ? "allow ecr-public:GetAuthorizationToken and "
                                                          "sts:GetServiceBearerToken on resource *"
                                                        : "allow ecr:GetAuthorizationToken on resource *",
                                 .renew = call->renew};
    PQ_AUTO_ANSWER answer = {0};
    PQ_AUTO_AWS_FAULT fault = {0};
    if (!pq_aws_call_do(&request, &answer, &fault, err)) {
        *out_denied = fault.kind == PQ_AWS_DENIED;
        return false;
    }
    if (!pq_ecr_answer_read(pq_buf_text(&answer.body), answer.body.length, out, err))
        return false;
    out->expires = pq_aws_expiry(call->caller, out->expires);
    return true;
}
