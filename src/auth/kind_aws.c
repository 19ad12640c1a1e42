/* Amazon ECR with an AWS shared credentials file in a secret. */
#include "auth/aws_profile.h"
#include "auth/kind.h"

static const char *profile_of(const pq_config_registry *entry)
{
    return entry->profile.text ? entry->profile.text : "default";
}

static const char *not_built_in(const pq_config_registry *entry, unsigned *line)
{
    if (entry->auth != PQ_AUTH_SECRET) {
        *line = entry->auth_line;
        return entry->auth == PQ_AUTH_OIDC ? "auth: oidc" : "auth: environment";
    }
    *line = entry->role_arn.line;
    return entry->role_arn.text ? "role_arn" : NULL;
}

/* `keys` and `host` are owned by the caller, also on failure. */
static bool read_identity(const pq_auth_ask *ask, pq_aws_keys *keys, pq_aws_host *host, pq_errors *errors)
{
    PQ_AUTO_ERROR err = {0};
    bool known = pq_aws_host_parse(ask->host, host, &err);
    if (!known)
        pq_errors_take(errors, &err);
    return pq_aws_profile_read(ask->secret, ask->secret_name, profile_of(ask->entry), keys, errors) && known;
}

static bool check(const pq_auth_ask *ask, pq_errors *errors)
{
    PQ_AUTO_AWS_KEYS keys = {0};
    PQ_AUTO_AWS_HOST host = {0};
    return read_identity(ask, &keys, &host, errors);
}

static char *share_key(const pq_auth_ask *ask)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_AWS_HOST host = {0};
    if (!pq_aws_host_parse(ask->host, &host, &err))
        return pq_asprintf("aws %s %s", ask->secret_name, ask->host); /* get() will say what is wrong */
    return pq_asprintf("aws %s %s %s%s%s", ask->secret_name, host.region, host.fips ? "fips " : "",
                       host.dual_stack ? "dual-stack " : "", profile_of(ask->entry));
}

static bool get(const pq_auth_ask *ask, pq_credential *out, pq_error *err)
{
    PQ_AUTO_ERRORS errors = {0};
    PQ_AUTO_AWS_KEYS keys = {0};
    PQ_AUTO_AWS_HOST host = {0};
    if (!read_identity(ask, &keys, &host, &errors)) {
        pq_error_move(err, &errors.at[0]);
        return false;
    }
    const pq_auth_options *options = ask->options;
    const pq_http_trust trust = {.ca_file = options->aws_ca_bundle};
    const pq_ecr_call call = {.registry = &host,
                              .keys = &keys,
                              .where = ask->host,
                              .endpoint =
                                  options->ecr_endpoint && *options->ecr_endpoint ? options->ecr_endpoint : NULL,
                              .trust = options->aws_ca_bundle && *options->aws_ca_bundle ? &trust : NULL,
                              .send = ask->send,
                              .send_context = ask->send_context,
                              .clock_offset = ask->aws_clock_offset};
    PQ_AUTO_FREE char *source = pq_asprintf("%s, profile %s", ask->secret_name, profile_of(ask->entry));
    if (!pq_ecr_get_token(&call, out, err))
        return err->code == PQ_ECONFIG ? false : pq_error_wrap(err, "%s", source);
    out->source = pq_steal(source);
    return true;
}

const pq_auth_kind pq_auth_kind_aws = {
    .type = PQ_REGISTRY_AWS, .not_built_in = not_built_in, .check = check, .share_key = share_key, .get = get};
