/* Amazon ECR: a credentials file in a secret, the CI's OIDC token, the environment as the AWS CLI reads it, or the
 * certificate of a device. */
#include "auth/common/kind.h"
#include "auth/aws/ecr.h"
#include "auth/aws/iot.h"
#include "auth/aws/keys.h"
#include "auth/aws/roles_anywhere.h"
#include "auth/aws/sts.h"

/* What AWS expects as the audience of an OIDC token, unless the role's provider was set up otherwise. */
static const char audience[] = "sts.amazonaws.com";

static const char *profile_of(const pq_config_registry *entry)
{
    return entry->profile.text ? entry->profile.text : "default";
}

static pq_oidc_ask oidc_of(const pq_auth_ask *ask)
{
    return (pq_oidc_ask){.entry = ask->entry,
                         .audience = audience,
                         .where = ask->where,
                         .send = ask->run->send,
                         .send_context = ask->run->send_context};
}

/* A role of another partition can never open a registry of this one. */
static bool check_partition(const pq_auth_ask *ask, const pq_aws_host *host, pq_errors *errors)
{
    const pq_config_registry *entry = ask->entry;
    const char *arn = entry->role_arn.text ? entry->role_arn.text : entry->anywhere_role_arn.text;
    PQ_AUTO_FREE char *start = pq_asprintf("arn:%s:", host->partition->name);
    return !arn || pq_starts_with(arn, start) ||
           pq_errors_add(errors, PQ_ECONFIG, ask->where, NULL,
                         "role_arn is not of partition %s, to which the registry belongs", host->partition->name);
}

/* Of a device's certificate. Owned; NULL with problems. */
static pq_aws_step *make_device_plan(const pq_auth_ask *ask, pq_errors *errors)
{
    const pq_config_registry *entry = ask->entry;
    const pq_aws_iot iot = {.endpoint = entry->iot_endpoint.text,
                            .alias = entry->iot_role_alias.text,
                            .thing = entry->iot_thing_name.text,
                            .where = ask->where};
    const pq_aws_roles_anywhere anywhere = {.role_arn = entry->anywhere_role_arn.text,
                                            .profile_arn = entry->profile_arn.text,
                                            .trust_anchor_arn = entry->trust_anchor_arn.text,
                                            .where = ask->where};
    return entry->auth == PQ_AUTH_IOT ? pq_aws_iot_plan(&iot, ask->identity, errors)
                                      : pq_aws_roles_anywhere_plan(&anywhere, ask->identity, errors);
}

/* Owned; NULL with problems. */
static pq_aws_step *make_plan(const pq_auth_ask *ask, pq_errors *errors)
{
    const pq_config_registry *entry = ask->entry;
    const char *role = entry->role_arn.text, *session = entry->role_session_name.text;
    if (ask->identity)
        return make_device_plan(ask, errors);
    if (entry->auth == PQ_AUTH_OIDC) {
        pq_aws_step *step = pq_aws_plan_role(role, NULL, session, ask->where, NULL);
        step->words = pq_strdup(ask->secret_name);
        return step;
    }
    pq_aws_step *base = entry->auth == PQ_AUTH_ENVIRONMENT
                            ? pq_aws_plan_environment(entry->profile.text, ask->where, errors)
                            : pq_aws_plan_secret(ask->secret, ask->secret_name, profile_of(entry), errors);
    if (!base || !role)
        return base;
    pq_aws_step *step = pq_aws_plan_role(role, entry->external_id.text, session, ask->where, base);
    step->words = pq_strdup(base->words);
    return step;
}

/* Both are owned by the caller, also on failure. */
static bool prepare(const pq_auth_ask *ask, pq_aws_host *host, pq_aws_step **plan, pq_errors *errors)
{
    PQ_AUTO_ERROR err = {0};
    bool known = pq_aws_host_parse(ask->host, host, &err);
    if (known)
        known = check_partition(ask, host, errors);
    else
        pq_errors_take(errors, &err);
    *plan = make_plan(ask, errors);
    return *plan && known;
}

static bool check(const pq_auth_ask *ask, pq_errors *errors)
{
    PQ_AUTO_AWS_HOST host = {0};
    PQ_AUTO_AWS_STEP *plan = NULL;
    const pq_oidc_ask oidc = oidc_of(ask);
    return prepare(ask, &host, &plan, errors) && pq_aws_keys_check(plan, &oidc, errors);
}

static bool is_true(const char *variable)
{
    const char *value = pq_getenv(variable);
    return value && pq_ascii_equal_nocase(value, "true");
}

static pq_aws_reach reach_of(const pq_aws_host *host)
{
    return (pq_aws_reach){.fips = host->fips || is_true("AWS_USE_FIPS_ENDPOINT"),
                          .dual_stack = host->dual_stack || is_true("AWS_USE_DUALSTACK_ENDPOINT")};
}

static const char *ecr_endpoint(const pq_aws_host *host)
{
    return pq_aws_endpoint(host->gallery ? "AWS_ENDPOINT_URL_ECR_PUBLIC" : "AWS_ENDPOINT_URL_ECR");
}

static char *share_key(const pq_auth_ask *ask)
{
    PQ_AUTO_ERRORS ignored = {0};
    PQ_AUTO_AWS_HOST host = {0};
    PQ_AUTO_AWS_STEP *plan = NULL;
    if (!prepare(ask, &host, &plan, &ignored))
        return pq_asprintf("aws %s %s", ask->secret_name, ask->host); /* get() will say what is wrong */
    pq_aws_reach reach = reach_of(&host);
    const char *ecr = ecr_endpoint(&host), *sts = pq_aws_endpoint("AWS_ENDPOINT_URL_STS"),
               *sso = pq_aws_endpoint("AWS_ENDPOINT_URL_SSO"),
               *anywhere = pq_aws_endpoint("AWS_ENDPOINT_URL_ROLESANYWHERE");
    PQ_AUTO_FREE char *who = pq_aws_step_key(plan);
    PQ_AUTO_FREE char *oidc = ask->entry->auth == PQ_AUTH_OIDC ? pq_oidc_share_key(ask->entry) : pq_strdup("");
    return pq_asprintf("aws %s %s %s%s%s%s %s ecr=%s sts=%s sso=%s anywhere=%s", ask->secret_name, host.region,
                       host.gallery ? "gallery " : "", reach.fips ? "fips " : "", reach.dual_stack ? "dual-stack " : "",
                       who, oidc, ecr ? ecr : "", sts ? sts : "", sso ? sso : "", anywhere ? anywhere : "");
}

/* "secret aws_creds, profile ci", "auth: environment, instance metadata", "auth: oidc". Owned. */
static char *source_of(const pq_auth_ask *ask, const pq_aws_step *plan)
{
    return ask->entry->auth == PQ_AUTH_OIDC ? pq_strdup(ask->secret_name)
                                            : pq_asprintf("%s, %s", ask->secret_name, plan->words);
}

static bool ask_aws(const pq_auth_ask *ask, const pq_aws_host *host, const pq_aws_step *plan, pq_credential *out,
                    char **out_arn, pq_error *err)
{
    const char *bundle = pq_getenv("AWS_CA_BUNDLE");
    const pq_http_trust trust = {.ca_file = bundle};
    const pq_aws_caller caller = {.where = ask->host,
                                  .once = ask->run->once,
                                  .trust = bundle ? &trust : NULL,
                                  .send = ask->run->send,
                                  .send_context = ask->run->send_context,
                                  .clock_offset = &ask->run->aws_clock_offset};
    const pq_oidc_ask oidc = oidc_of(ask);
    const pq_aws_follow how = {.caller = &caller,
                               .region = host->region,
                               .reach = reach_of(host),
                               .oidc = &oidc,
                               .memory = ask->run->aws_memory};
    PQ_AUTO_AWS_KEYS keys = {0};
    if (!pq_aws_keys_get(plan, &how, &keys, out_arn, err))
        return false;
    char *known = ask->run->ask_who ? pq_aws_whose(&how, &keys) : NULL;
    if (known) {
        free(*out_arn);
        *out_arn = known;
    }
    const pq_ecr_call call = {.caller = &caller,
                              .registry = host,
                              .reach = how.reach,
                              .keys = &keys,
                              .endpoint = ecr_endpoint(host),
                              .renew = pq_aws_keys_renewal(plan)};
    bool denied = false;
    if (pq_ecr_get_token(&call, out, &denied, err))
        return true;
    if (denied)
        pq_aws_explain_denial(&how, &keys, *out_arn, err);
    return false;
}

static bool get(const pq_auth_ask *ask, pq_credential *out, pq_error *err)
{
    PQ_AUTO_ERRORS errors = {0};
    PQ_AUTO_AWS_HOST host = {0};
    PQ_AUTO_AWS_STEP *plan = NULL;
    if (!prepare(ask, &host, &plan, &errors)) {
        pq_error_move(err, &errors.at[0]);
        return false;
    }
    PQ_AUTO_FREE char *source = source_of(ask, plan);
    PQ_AUTO_FREE char *arn = NULL;
    if (!ask_aws(ask, &host, plan, out, &arn, err))
        return err->code == PQ_ECONFIG || err->code == PQ_EINTERRUPTED ? false : pq_error_wrap(err, "%s", source);
    out->source = arn ? pq_asprintf("%s, as %s", source, arn) : pq_steal(source);
    return true;
}

const pq_auth_kind pq_auth_kind_aws = {.type = PQ_REGISTRY_AWS, .check = check, .share_key = share_key, .get = get};
