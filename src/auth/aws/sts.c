#include "auth/aws/sts.h"

#include <string.h>

#include "auth/aws/sts_xml.h"
#include "auth/common/jwt.h"
#include "base/limits.h"

/* --- the form ----------------------------------------------------------------------------------------------------- */

static pq_buf begin_form(const char *action)
{
    pq_buf form = PQ_SENSITIVE_BUF(PQ_MAX_API_ANSWER);
    pq_form_add(&form, "Action", action);
    pq_form_add(&form, "Version", "2011-06-15");
    return form;
}

static void add_role(pq_buf *form, const pq_sts_role *role)
{
    pq_form_add(form, "RoleArn", role->arn);
    pq_form_add(form, "RoleSessionName", role->session_name);
    if (role->duration)
        pq_buf_addf(form, "&DurationSeconds=%u", role->duration);
}

/* Sends the form and reads the XML of the answer. */
static bool ask(const pq_sts_place *place, const pq_aws_keys *keys, const char *renew, const char *action,
                const pq_buf *form, pq_sts_xml *out, pq_aws_fault *fault, pq_error *err)
{
    PQ_AUTO_FREE char *host = pq_aws_sts_host(place->region, place->reach);
    PQ_AUTO_FREE char *may_not = pq_asprintf("call sts:%s", action);
    PQ_AUTO_STRINGS headers = {0};
    pq_strings_add(&headers, PQ_FORM_TYPE);
    const pq_aws_call call = {.caller = place->caller,
                              .service = "STS",
                              .signing_name = "sts",
                              .region = place->region,
                              .keys = keys,
                              .host = host,
                              .endpoint = place->endpoint,
                              .headers = &headers,
                              .body = pq_buf_text(form),
                              .body_length = form->length,
                              .xml = true,
                              .may_not = may_not,
                              .renew = renew};
    PQ_AUTO_ANSWER answer = {0};
    if (!pq_aws_call_do(&call, &answer, fault, err))
        return false;
    return pq_sts_xml_read(pq_buf_text(&answer.body), answer.body.length, out) ||
           pq_aws_answer_fail(err, action, "is not the XML of STS");
}

/* --- what is wrong ------------------------------------------------------------------------------------------------ */

/* Codes of AssumeRole and AssumeRoleWithWebIdentity that a person can do something about (STS API reference, "Errors").
 */
static const struct {
    const char *code, *message, *hint;
} known[] = {
    {"MalformedPolicyDocument", "AWS finds a policy of the session malformed", "look at the role's policies"},
    {"PackedPolicyTooLarge", "the policies and tags of the session are too large", "shorten the tags of the session"},
    {"InvalidIdentityToken", "AWS does not take the OIDC token",
     "make an OIDC provider for its issuer in the role's account, with its audience among the client ids"},
    {"IDPRejectedClaim", "the OIDC provider rejects the token", "get a fresh one from the CI"},
};

/* Beyond what any call of AWS can say. False, so that it can be returned. */
static bool fail_role(const pq_sts_role *role, const pq_aws_fault *fault, const char *denied_hint, pq_error *err)
{
    PQ_AUTO_FREE char *said = fault->said ? pq_asprintf(": %s", fault->said) : pq_strdup("");
    if (fault->kind == PQ_AWS_DENIED)
        return pq_fail(err, PQ_EDENIED, NULL, denied_hint, "the role %s may not be assumed (%s)%s", role->arn,
                       fault->code, said);
    if (pq_streq(fault->code, "ValidationError"))
        return pq_fail(err, PQ_EDENIED, NULL,
                       fault->said && strstr(fault->said, "DurationSeconds")
                           ? "lower duration_seconds: one role assumed from another lasts an hour at most, others up "
                             "to the role's own maximum"
                           : NULL,
                       "AWS refuses the session of role %s (%s)%s", role->arn, fault->code, said);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (pq_streq(fault->code, known[i].code))
            return pq_fail(err, PQ_EDENIED, NULL, known[i].hint, "%s (%s)%s", known[i].message, fault->code, said);
    return false;
}

/* --- roles -------------------------------------------------------------------------------------------------------- */

static bool take_session(const pq_sts_place *place, const char *action, pq_sts_xml *xml, pq_aws_keys *out,
                         char **out_arn, pq_error *err)
{
    time_t expires = 0;
    if (!xml->access_key_id || !xml->secret_access_key || !xml->session_token)
        return pq_aws_answer_fail(err, action, "has no keys");
    if (!xml->expiration || !pq_time_parse(xml->expiration, &expires) || expires <= 0)
        return pq_aws_answer_fail(err, action, "does not say when the keys end");
    *out = (pq_aws_keys){.access_key_id = pq_steal(xml->access_key_id),
                         .secret_access_key = pq_steal(xml->secret_access_key),
                         .session_token = pq_steal(xml->session_token),
                         .expires = pq_aws_expiry(place->caller, expires)};
    *out_arn = pq_steal(xml->arn);
    return true;
}

bool pq_sts_assume_role(const pq_sts_place *place, const pq_aws_keys *keys, const char *renew, const pq_sts_role *role,
                        pq_aws_keys *out, char **out_arn, pq_error *err)
{
    static const char action[] = "AssumeRole";
    PQ_AUTO_BUF form = begin_form(action);
    add_role(&form, role);
    if (role->external_id)
        pq_form_add(&form, "ExternalId", role->external_id);
    PQ_AUTO_STS_XML xml = {0};
    PQ_AUTO_AWS_FAULT fault = {0};
    if (ask(place, keys, renew, action, &form, &xml, &fault, err))
        return take_session(place, action, &xml, out, out_arn, err);
    const char *hint = role->external_id
                           ? "the role's trust policy must name this identity and this external_id, and the identity "
                             "needs sts:AssumeRole on the role"
                           : "the role's trust policy must name this identity, without a condition for an external "
                             "id, and the identity needs sts:AssumeRole on the role";
    (void)fail_role(role, &fault, hint, err);
    return false;
}

/* What the token says of itself, for the conditions of a trust policy. Owned. */
static char *trust_hint(const pq_secret *token)
{
    PQ_AUTO_JWT jwt = {0};
    bool readable = pq_jwt_read(pq_secret_bytes(token), pq_secret_length(token), &jwt);
    return readable ? pq_asprintf("the role's trust policy must name the OIDC provider, and its conditions this token: "
                                  "iss %s, aud %s, sub %s",
                                  jwt.issuer ? jwt.issuer : "-", jwt.audience ? jwt.audience : "-",
                                  jwt.subject ? jwt.subject : "-")
                    : pq_strdup("the role's trust policy must name the OIDC provider of this token");
}

bool pq_sts_assume_role_with_web_identity(const pq_sts_place *place, const pq_secret *token, const pq_sts_role *role,
                                          pq_aws_keys *out, char **out_arn, pq_error *err)
{
    static const char action[] = "AssumeRoleWithWebIdentity";
    PQ_AUTO_BUF form = begin_form(action);
    add_role(&form, role);
    pq_form_add_secret(&form, "WebIdentityToken", token);
    PQ_AUTO_STS_XML xml = {0};
    PQ_AUTO_AWS_FAULT fault = {0};
    if (ask(place, NULL, NULL, action, &form, &xml, &fault, err))
        return take_session(place, action, &xml, out, out_arn, err);
    if (fault.kind == PQ_AWS_SESSION) /* nothing was signed: it is the token that has ended */
        return pq_fail(err, PQ_EDENIED, NULL, "it lives for minutes: use it early in the job, or have a fresh one made",
                       "the OIDC token has ended (%s)", fault.code);
    PQ_AUTO_FREE char *hint = trust_hint(token);
    (void)fail_role(role, &fault, hint, err);
    return false;
}

bool pq_sts_caller_identity(const pq_sts_place *place, const pq_aws_keys *keys, char **out_arn, pq_error *err)
{
    static const char action[] = "GetCallerIdentity";
    PQ_AUTO_BUF form = begin_form(action);
    PQ_AUTO_STS_XML xml = {0};
    PQ_AUTO_AWS_FAULT fault = {0};
    if (!ask(place, keys, NULL, action, &form, &xml, &fault, err))
        return false;
    if (!xml.arn)
        return pq_aws_answer_fail(err, action, "has no ARN");
    *out_arn = pq_steal(xml.arn);
    return true;
}
