#include "auth/aws/iot.h"

#include <string.h>

#include "auth/aws/host.h"
#include "auth/aws/keys_json.h"
#include "auth/common/clock_skew.h"
#include "auth/common/device_identity.h"
#include "base/limits.h"

/* --- the plan -------------------------------------------------------------------------------------------------------
 */

static const char find_endpoint[] =
    "write what `aws iot describe-endpoint --endpoint-type iot:CredentialProvider` prints, "
    "ID.credentials.iot.REGION.amazonaws.com";

/* A device's other addresses at AWS IoT look much the same. */
static bool check_endpoint(const pq_aws_iot *iot, pq_errors *errors)
{
    bool of_iot = strstr(iot->endpoint, ".iot.") != NULL, of_credentials = strstr(iot->endpoint, ".credentials.iot.");
    return !of_iot || of_credentials ||
           pq_errors_add(errors, PQ_ECONFIG, iot->where, find_endpoint,
                         "iot: %s is AWS IoT's address for messages, not that of the credentials provider",
                         iot->endpoint);
}

/* AWS IoT API, CreateThing: 1 to 128 of [a-zA-Z0-9:_-]. */
static bool is_thing(const char *name)
{
    size_t length = 0;
    for (; name[length]; length++)
        if (!pq_ascii_alnum(name[length]) && !strchr(":_-", name[length]))
            return false;
    return length > 0 && length <= 128;
}

static bool check_thing(const pq_aws_iot *iot, const char *name, pq_errors *errors)
{
    static const char hint[] = "say it: iot: {thing_name: NAME}";
    if (is_thing(name))
        return true;
    if (!*name)
        return pq_errors_add(errors, PQ_ECONFIG, iot->where, hint,
                             "iot: which thing is it? the certificate has no common name");
    return pq_errors_add(errors, PQ_ECONFIG, iot->where, hint,
                         "iot: which thing is it? the certificate's common name, %s, can be no thing's", name);
}

pq_aws_step *pq_aws_iot_plan(const pq_aws_iot *iot, const pq_identity *identity, pq_errors *errors)
{
    const char *thing = iot->thing ? iot->thing : pq_certificate_name(pq_identity_certificate(identity));
    bool endpoint_good = check_endpoint(iot, errors);
    if (!check_thing(iot, thing, errors) || !endpoint_good)
        return NULL;
    pq_aws_step *step = pq_alloc(1, sizeof *step);
    *step = (pq_aws_step){.kind = PQ_AWS_STEP_IOT,
                          .where = pq_strdup(iot->where),
                          .words = pq_asprintf("thing %s, role alias %s", thing, iot->alias),
                          .identity = identity,
                          .iot_endpoint = pq_strdup(iot->endpoint),
                          .iot_alias = pq_strdup(iot->alias),
                          .iot_thing = pq_strdup(thing)};
    return step;
}

/* --- refusals -------------------------------------------------------------------------------------------------------
 */

/* What an answer that gives no keys is told with. */
typedef struct refusal {
    const pq_aws_step *step;
    long status;
    char *region;          /* of the endpoint; "REGION" when its name does not say */
    const char *partition; /* static */
    char *certificate;     /* its id at AWS IoT */
    char *answer;          /* " (CODE): AWS's words" */
} refusal;

static void refusal_clear(refusal *of)
{
    free(of->region);
    free(of->certificate);
    free(of->answer);
}

static refusal make_refusal(const pq_aws_step *step, const pq_aws_fault *fault, long status)
{
    static const char mark[] = ".credentials.iot.";
    const char *region = strstr(step->iot_endpoint, mark);
    PQ_AUTO_FREE char *code = fault->code ? pq_strdup(fault->code) : pq_asprintf("status %ld", status);
    char *named =
        region ? pq_strndup(region + sizeof mark - 1, strcspn(region + sizeof mark - 1, ".")) : pq_strdup("REGION");
    return (refusal){.step = step,
                     .status = status,
                     .region = named,
                     .partition = pq_aws_partition_of(named)->name,
                     .certificate = pq_device_key(step->identity),
                     .answer = pq_asprintf(" (%s)%s%s", code, fault->said ? ": " : "", fault->said ? fault->said : "")};
}

/* Each part of a list is one thing that it can be, and what tells or mends it. */
static char *certificate_words(const refusal *of)
{
    return pq_asprintf("the certificate is not registered in the account of this endpoint, or is not ACTIVE: `aws iot "
                       "describe-certificate --region %s --certificate-id %s`",
                       of->region, of->certificate);
}

static char *policy_words(const refusal *of)
{
    return pq_asprintf("no policy that is attached to it allows iot:AssumeRoleWithCertificate on "
                       "arn:%s:iot:%s:ACCOUNT:rolealias/%s: `aws iot list-attached-policies --region %s --target "
                       "arn:%s:iot:%s:ACCOUNT:cert/%s` lists those that are, `pratique policy --device` prints one",
                       of->partition, of->region, of->step->iot_alias, of->region, of->partition, of->region,
                       of->certificate);
}

static char *thing_words(const refusal *of)
{
    return pq_asprintf("the thing %s is not attached to the certificate: `aws iot attach-thing-principal --region %s "
                       "--thing-name %s --principal arn:%s:iot:%s:ACCOUNT:cert/%s`",
                       of->step->iot_thing, of->region, of->step->iot_thing, of->partition, of->region,
                       of->certificate);
}

/* Where AWS did not say that this is it. */
static char *thing_look_words(const refusal *of)
{
    return pq_asprintf("the thing %s is not attached to the certificate: `aws iot list-principal-things --region %s "
                       "--principal arn:%s:iot:%s:ACCOUNT:cert/%s` lists those that are",
                       of->step->iot_thing, of->region, of->partition, of->region, of->certificate);
}

static char *endpoint_words(void)
{
    return pq_strdup("the endpoint is that of another account, region or kind: `aws iot describe-endpoint "
                     "--endpoint-type iot:CredentialProvider`");
}

static char *alias_words(const refusal *of)
{
    return pq_asprintf("there is no role alias %s: `aws iot list-role-aliases --region %s`", of->step->iot_alias,
                       of->region);
}

/* "it can be: …; …; …"; takes the parts. Owned. */
static char *list_of(char *const *parts, size_t count)
{
    PQ_AUTO_BUF text = PQ_BUF(PQ_MAX_MESSAGE);
    pq_buf_adds(&text, "it can be that ");
    for (size_t i = 0; i < count; i++) {
        pq_buf_addf(&text, "%s%s", i == 0 ? "" : i + 1 == count ? "; or " : "; ", parts[i]);
        free(parts[i]);
    }
    return pq_buf_steal(&text);
}
#define LIST_OF(...) list_of((char *const[]){__VA_ARGS__}, sizeof((char *const[]){__VA_ARGS__}) / sizeof(char *))

/* AWS's own words, where they leave no doubt. True then. */
static bool told_clearly(const refusal *of, const pq_aws_fault *fault, pq_error *err)
{
    const char *said = fault->said ? fault->said : "", *alias = of->step->iot_alias;
    PQ_AUTO_FREE char *hint = NULL;
    if (strcasestr(said, "thing name")) {
        hint = thing_words(of);
        return !pq_fail(err, PQ_EDENIED, NULL, hint, "AWS IoT knows no thing %s that has this certificate%s",
                        of->step->iot_thing, of->answer);
    }
    if (strcasestr(said, "invalid on this endpoint")) {
        hint = LIST_OF(certificate_words(of), endpoint_words());
        return !pq_fail(err, PQ_EDENIED, NULL, hint, "AWS IoT does not know this certificate at %s%s",
                        of->step->iot_endpoint, of->answer);
    }
    if (strcasestr(said, "alias does not exist")) {
        hint = alias_words(of);
        return !pq_fail(err, PQ_EDENIED, NULL, hint, "AWS IoT has no role alias %s%s", alias, of->answer);
    }
    if (strcasestr(said, "MaxSessionDuration")) {
        hint =
            pq_asprintf("`aws iot update-role-alias --region %s --role-alias %s --credential-duration-seconds 3600`, "
                        "or raise the role's maximum",
                        of->region, alias);
        return !pq_fail(err, PQ_EDENIED, NULL, hint,
                        "the role alias %s asks for longer sessions than its role allows%s", alias, of->answer);
    }
    if (strcasestr(said, "assume the role")) {
        hint = pq_asprintf("the role must exist, and trust the service credentials.iot.amazonaws.com: `aws iot "
                           "describe-role-alias --region %s --role-alias %s` says which it is, `pratique policy "
                           "--device` what it must trust",
                           of->region, alias);
        return !pq_fail(err, PQ_EDENIED, NULL, hint, "AWS IoT cannot assume the role of the alias %s%s", alias,
                        of->answer);
    }
    return false;
}

/* "Access Denied", "Not Found", a page of HTML: only the status is left to go by. */
static bool fail_vague(const refusal *of, const pq_aws_fault *fault, pq_error *err)
{
    const char *alias = of->step->iot_alias;
    PQ_AUTO_FREE char *hint = NULL;
    if (of->status == 403 && fault->said) {
        hint = LIST_OF(policy_words(of), certificate_words(of));
        return pq_fail(err, PQ_EDENIED, NULL, hint, "this certificate may not use the role alias %s%s", alias,
                       of->answer);
    }
    if (of->status == 401 || of->status == 403) {
        hint = LIST_OF(certificate_words(of), policy_words(of), thing_look_words(of), endpoint_words());
        return pq_fail(err, PQ_EDENIED, NULL, hint,
                       "AWS IoT gives no keys for this certificate, and does not say why%s", of->answer);
    }
    if (of->status == 404) {
        hint = LIST_OF(alias_words(of), endpoint_words());
        return pq_fail(err, PQ_EDENIED, NULL, hint, "%s has no role alias %s%s", of->step->iot_endpoint, alias,
                       of->answer);
    }
    return false;
}

/* --- keys -----------------------------------------------------------------------------------------------------------
 */

static bool fail_iot(const pq_aws_step *step, const pq_aws_fault *fault, long status, pq_error *err)
{
    PQ_CLEANUP(refusal_clear) refusal of = make_refusal(step, fault, status);
    bool passes = fault->kind == PQ_AWS_THROTTLED || fault->kind == PQ_AWS_SERVER || status < 400;
    return !passes && !told_clearly(&of, fault, err) && fail_vague(&of, fault, err);
}

bool pq_aws_iot_keys(const pq_aws_step *step, const pq_aws_caller *caller, pq_aws_keys *out, pq_error *err)
{
    PQ_AUTO_FREE char *alias = pq_url_escape(step->iot_alias);
    PQ_AUTO_FREE char *target = pq_asprintf("role-aliases/%s/credentials", alias);
    PQ_AUTO_STRINGS headers = {0};
    pq_strings_take(&headers, pq_asprintf("x-amzn-iot-thingname: %s", step->iot_thing));
    pq_strings_add(&headers, "Accept: application/json");
    const pq_http_identity identity = pq_device_http(step->identity);
    const pq_aws_call call = {.caller = caller,
                              .service = "AWS IoT",
                              .host = step->iot_endpoint,
                              .method = "GET",
                              .target = target,
                              .headers = &headers,
                              .identity = &identity,
                              .may_not = "use the role alias"};
    PQ_AUTO_ANSWER answer = {0};
    PQ_AUTO_AWS_FAULT fault = {0};
    bool answered = pq_aws_call_do(&call, &answer, &fault, err);
    pq_clock_skew_notice(&answer, caller->where, "AWS", caller->clock_offset);
    if (!answered)
        return answer.status ? fail_iot(step, &fault, answer.status, err) : false;
    if (!pq_aws_keys_read_json(pq_buf_text(&answer.body), answer.body.length, PQ_AWS_FORM_IOT, "AWS IoT", out, err))
        return false;
    out->expires = pq_aws_expiry(caller, out->expires);
    return true;
}
