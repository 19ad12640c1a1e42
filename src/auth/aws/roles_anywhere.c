#include "auth/aws/roles_anywhere.h"

#include <string.h>

#include "auth/aws/keys_json.h"
#include "base/limits.h"

/* --- the plan -------------------------------------------------------------------------------------------------------
 */

/* arn:PARTITION:SERVICE:REGION:ACCOUNT:REST: the part `index`, from 0; "" when there is none. Owned. */
static char *part_of(const char *arn, size_t index)
{
    for (; index; index--) {
        const char *colon = strchr(arn, ':');
        if (!colon)
            return pq_strdup("");
        arn = colon + 1;
    }
    return pq_strndup(arn, strcspn(arn, ":"));
}

static bool same_part(const char *a, const char *b, size_t index)
{
    PQ_AUTO_FREE char *left = part_of(a, index);
    PQ_AUTO_FREE char *right = part_of(b, index);
    return pq_streq(left, right);
}

enum { PARTITION = 1, REGION = 3 };

/* The service looks for anchor and profile in one region (as its own helper demands). */
static bool check_arns(const pq_aws_roles_anywhere *anywhere, pq_errors *errors)
{
    const char *profile = anywhere->profile_arn, *anchor = anywhere->trust_anchor_arn, *role = anywhere->role_arn;
    PQ_AUTO_FREE char *region = part_of(anchor, REGION);
    if (!pq_aws_region_valid(region, strlen(region)))
        return pq_errors_add(errors, PQ_ECONFIG, anywhere->where, NULL,
                             "roles_anywhere: trust_anchor_arn names no region");
    if (!same_part(profile, anchor, REGION))
        return pq_errors_add(errors, PQ_ECONFIG, anywhere->where, "both must be in one region",
                             "roles_anywhere: profile_arn and trust_anchor_arn are of two regions");
    if (!same_part(profile, anchor, PARTITION) || !same_part(role, anchor, PARTITION))
        return pq_errors_add(errors, PQ_ECONFIG, anywhere->where, NULL,
                             "roles_anywhere: the three ARNs are not of one partition");
    return true;
}

/* "Up to five certificates" beside the one that is meant (user guide, "Quotas" and "The signing process"). */
static bool check_chain(const pq_aws_roles_anywhere *anywhere, const pq_certificate *certificate, pq_errors *errors)
{
    enum { LONGEST = 5 };
    size_t beside = pq_certificate_count(certificate) - 1;
    return beside <= LONGEST ||
           pq_errors_add(
               errors, PQ_ECONFIG, anywhere->where, "the trust anchor's own certificate need not be among them",
               "roles_anywhere: %zu certificates follow the device's, and the service takes %d", beside, LONGEST);
}

pq_aws_step *pq_aws_roles_anywhere_plan(const pq_aws_roles_anywhere *anywhere, const pq_identity *identity,
                                        pq_errors *errors)
{
    const pq_certificate *certificate = pq_identity_certificate(identity);
    if (!check_arns(anywhere, errors) || !check_chain(anywhere, certificate, errors))
        return NULL;
    pq_aws_step *step = pq_alloc(1, sizeof *step);
    *step = (pq_aws_step){.kind = PQ_AWS_STEP_ROLES_ANYWHERE,
                          .where = pq_strdup(anywhere->where),
                          .words = pq_asprintf("certificate %s", pq_certificate_name(certificate)),
                          .identity = identity,
                          .role_arn = pq_strdup(anywhere->role_arn),
                          .profile_arn = pq_strdup(anywhere->profile_arn),
                          .trust_anchor_arn = pq_strdup(anywhere->trust_anchor_arn),
                          .anywhere_region = part_of(anywhere->trust_anchor_arn, REGION)};
    return step;
}

/* --- refusals -------------------------------------------------------------------------------------------------------
 */

/* Words of the service that say which of its checks failed. */
typedef enum remedy { CERTIFICATE_USE, ANCHOR, REVOKED, DATES, SESSION_TAGS, DURATION, ROLE } remedy;

/* The name of the role stands in some of them: so those that are about it come first. */
static const struct {
    const char *said;
    bool at_start;
    remedy remedy;
} known[] = {
    {"Unable to assume role", true, ROLE},
    {"Insufficient certificate", false, CERTIFICATE_USE},
    {"Untrusted", true, ANCHOR},
    {"Certificate revoked", true, REVOKED},
    {"Certificate is revoked", true, REVOKED},
    {"Certificate has expired", true, DATES},
};

/* NULL: none of them. */
static const remedy *remedy_of(const char *said)
{
    static const remedy tags = SESSION_TAGS, duration = DURATION;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const char *found = strcasestr(said, known[i].said);
        if (!found || (known[i].at_start && found != said))
            continue;
        if (known[i].remedy == ROLE && strstr(said, "session tags"))
            return &tags;
        if (known[i].remedy == ROLE && strstr(said, "requested DurationSeconds"))
            return &duration;
        return &known[i].remedy;
    }
    return strstr(said, "requested DurationSeconds") ? &duration : NULL;
}

/* Owned hint. */
static char *role_hint(const pq_aws_step *step)
{
    return pq_asprintf(
        "it can be that the role's trust policy does not let rolesanywhere.amazonaws.com do all of "
        "sts:AssumeRole, sts:TagSession and sts:SetSourceIdentity; that a condition of it, on aws:SourceArn "
        "or aws:PrincipalTag/x509Subject/…, does not fit this anchor and certificate; or that %s does not "
        "list the role: `pratique policy --device` prints what is wanted",
        step->profile_arn);
}

static bool fail_known(const pq_aws_step *step, remedy mend, const char *answer, pq_error *err)
{
    const char *name = pq_certificate_name(pq_identity_certificate(step->identity));
    PQ_AUTO_FREE char *hint = NULL;
    switch (mend) {
    case CERTIFICATE_USE:
        return pq_fail(
            err, PQ_EDENIED, NULL,
            "it must be one of X.509 version 3 with CA:FALSE and the key usage digitalSignature; is it within "
            "its dates by AWS's clock, and signed by the anchor's authority?",
            "IAM Roles Anywhere does not take the certificate %s%s", name, answer);
    case ANCHOR:
        hint = pq_asprintf("it can be that another authority signed the certificate than that of %s; that intermediate "
                           "certificates are missing: put them behind the device's own, in the file of "
                           "identity.certificate; or that the certificate or one of these has ended",
                           step->trust_anchor_arn);
        return pq_fail(err, PQ_EDENIED, NULL, hint,
                       "the trust anchor of IAM Roles Anywhere does not vouch for the certificate %s%s", name, answer);
    case REVOKED:
        return pq_fail(err, PQ_EDENIED, NULL,
                       "a revocation list of the trust anchor names it: the device needs another certificate",
                       "the certificate %s has been revoked%s", name, answer);
    case DATES:
        return pq_fail(err, PQ_EDENIED, NULL, "have a new one issued; and is this machine's clock right?",
                       "the certificate %s, or one above it, is not within its dates by AWS's clock%s", name, answer);
    case SESSION_TAGS:
        return pq_fail(err, PQ_EDENIED, NULL,
                       "names in the certificate have characters that tags may not have, or are too many: see the "
                       "attribute mappings of the profile",
                       "IAM Roles Anywhere cannot make session tags of the certificate %s%s", name, answer);
    case DURATION:
        return pq_fail(err, PQ_EDENIED, NULL,
                       "`aws rolesanywhere update-profile --profile-id … --duration-seconds 3600`, or raise the role's "
                       "maximum",
                       "the profile asks for longer sessions than the role %s allows%s", step->role_arn, answer);
    case ROLE:
        hint = role_hint(step);
        return pq_fail(err, PQ_EDENIED, NULL, hint, "IAM Roles Anywhere cannot assume the role %s%s", step->role_arn,
                       answer);
    }
    return false;
}

/* Beyond what any call of AWS can say. False, so that it can be returned. */
static bool fail_session(const pq_aws_step *step, const pq_aws_fault *fault, pq_error *err)
{
    if (!fault->code || (fault->kind != PQ_AWS_DENIED && fault->kind != PQ_AWS_OTHER))
        return false;
    PQ_AUTO_FREE char *answer =
        pq_asprintf(" (%s)%s%s", fault->code, fault->said ? ": " : "", fault->said ? fault->said : "");
    const remedy *mend = fault->said ? remedy_of(fault->said) : NULL;
    if (mend)
        return fail_known(step, *mend, answer, err);
    if (pq_streq(fault->code, "ResourceNotFoundException"))
        return pq_fail(err, PQ_EDENIED, NULL,
                       "`aws rolesanywhere list-trust-anchors` and `aws rolesanywhere list-profiles`, in that region; "
                       "both must be enabled",
                       "there is no such trust anchor or profile in %s%s", step->anywhere_region, answer);
    if (fault->kind != PQ_AWS_DENIED)
        return false;
    PQ_AUTO_FREE char *role = role_hint(step);
    PQ_AUTO_FREE char *hint = pq_asprintf("%s; or the trust anchor or the profile is disabled", role);
    return pq_fail(err, PQ_EDENIED, NULL, hint, "IAM Roles Anywhere gives no session to this certificate%s", answer);
}

/* --- keys -----------------------------------------------------------------------------------------------------------
 */

static void add_base64(const pq_certificate *certificate, size_t index, pq_buf *out)
{
    PQ_AUTO_BUF der = PQ_BUF(PQ_MAX_SECRET);
    pq_certificate_der(certificate, index, &der);
    pq_base64_add(out, pq_buf_text(&der), der.length);
}

static void add_certificates(const pq_certificate *certificate, pq_strings *headers)
{
    PQ_AUTO_BUF own = PQ_BUF(PQ_MAX_TEXT), chain = PQ_BUF(PQ_MAX_TEXT);
    add_base64(certificate, 0, &own);
    pq_strings_take(headers, pq_asprintf("X-Amz-X509: %s", pq_buf_text(&own)));
    for (size_t i = 1; i < pq_certificate_count(certificate); i++) {
        pq_buf_adds(&chain, i > 1 ? "," : "");
        add_base64(certificate, i, &chain);
    }
    if (chain.length)
        pq_strings_take(headers, pq_asprintf("X-Amz-X509-Chain: %s", pq_buf_text(&chain)));
}

bool pq_aws_roles_anywhere_keys(const pq_aws_step *step, const pq_aws_caller *caller, pq_aws_reach reach,
                                const char *endpoint, pq_aws_keys *out, char **out_arn, pq_error *err)
{
    static const char body[] = "{}";
    PQ_AUTO_FREE char *host = pq_aws_roles_anywhere_host(step->anywhere_region, reach);
    PQ_AUTO_FREE char *profile = pq_url_escape(step->profile_arn);
    PQ_AUTO_FREE char *role = pq_url_escape(step->role_arn);
    PQ_AUTO_FREE char *anchor = pq_url_escape(step->trust_anchor_arn);
    PQ_AUTO_FREE char *target =
        pq_asprintf("sessions?profileArn=%s&roleArn=%s&trustAnchorArn=%s", profile, role, anchor);
    PQ_AUTO_STRINGS headers = {0};
    pq_strings_add(&headers, "Content-Type: application/json");
    add_certificates(pq_identity_certificate(step->identity), &headers);
    const pq_aws_call call = {.caller = caller,
                              .service = "IAM Roles Anywhere",
                              .signing_name = "rolesanywhere",
                              .region = step->anywhere_region,
                              .signer = step->identity,
                              .host = host,
                              .endpoint = endpoint,
                              .target = target,
                              .headers = &headers,
                              .body = body,
                              .body_length = sizeof body - 1,
                              .may_not = "make a session"};
    PQ_AUTO_ANSWER answer = {0};
    PQ_AUTO_AWS_FAULT fault = {0};
    if (!pq_aws_call_do(&call, &answer, &fault, err)) {
        (void)fail_session(step, &fault, err);
        return false;
    }
    if (!pq_aws_keys_read_json(pq_buf_text(&answer.body), answer.body.length, PQ_AWS_FORM_ROLES_ANYWHERE, call.service,
                               out, err))
        return false;
    out->expires = pq_aws_expiry(caller, out->expires);
    *out_arn = pq_aws_session_arn_read(pq_buf_text(&answer.body), answer.body.length);
    return true;
}
