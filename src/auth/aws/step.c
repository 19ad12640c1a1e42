/* A step of a plan: its life, and its key. */
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "auth/aws/plan.h"
#include "auth/common/device_identity.h"
#include "auth/common/oidc.h"
#include "base/limits.h"

void pq_aws_step_free(pq_aws_step *step)
{
    while (step) {
        pq_aws_step *source = step->source;
        free(step->where);
        free(step->words);
        pq_aws_keys_clear(&step->keys);
        free(step->role_arn);
        free(step->external_id);
        free(step->session_name);
        free(step->token_file);
        free(step->command);
        free(step->sso_region);
        free(step->sso_account);
        free(step->sso_role);
        free(step->sso_cache);
        free(step->sso_login);
        free(step->iot_endpoint);
        free(step->iot_alias);
        free(step->iot_thing);
        free(step->profile_arn);
        free(step->trust_anchor_arn);
        free(step->anywhere_region);
        free(step);
        step = source;
    }
}

void pq_aws_step_cleanup(pq_aws_step **step)
{
    pq_aws_step_free(*step);
}

const pq_aws_step *pq_aws_step_origin(const pq_aws_step *step)
{
    while (step->source)
        step = step->source;
    return step;
}

/* Length before text, so that no two lists of texts look the same. */
static void add_text(pq_buf *key, const char *text)
{
    if (text)
        pq_buf_addf(key, " %zu:%s", strlen(text), text);
    else
        pq_buf_adds(key, " -");
}

static void add_hash(pq_buf *key, const pq_secret *secret)
{
    pq_sha256 hash = pq_sha256_of(secret ? pq_secret_bytes(secret) : "", secret ? pq_secret_length(secret) : 0);
    char hex[PQ_SHA256_HEX];
    pq_sha256_hex(&hash, hex);
    pq_buf_addf(key, " %s", hex);
}

/* Platforms renew the token in a file: it is whose it is that counts. */
static void add_whose(pq_buf *key, const char *token_file)
{
    PQ_AUTO_FREE char *path = token_file ? pq_aws_own_path(token_file) : NULL;
    if (path)
        pq_oidc_add_whose(key, path);
}

/* Where the service is, and whom it takes us for. */
static void add_container(pq_buf *key)
{
    const char *file = pq_getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    const char *token = file ? NULL : pq_getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    add_text(key, pq_getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"));
    add_text(key, pq_getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI"));
    add_text(key, file);
    add_whose(key, file);
    PQ_AUTO_SECRET *shown = token ? pq_secret_new(token, strlen(token)) : NULL;
    add_hash(key, shown);
}

static void add_step(pq_buf *key, const pq_aws_step *step)
{
    static const char *const names[] = {[PQ_AWS_STEP_KEYS] = "keys",
                                        [PQ_AWS_STEP_ROLE] = "role",
                                        [PQ_AWS_STEP_WEB_IDENTITY] = "web-identity",
                                        [PQ_AWS_STEP_SSO] = "sso",
                                        [PQ_AWS_STEP_PROCESS] = "process",
                                        [PQ_AWS_STEP_CONTAINER] = "container",
                                        [PQ_AWS_STEP_INSTANCE] = "instance",
                                        [PQ_AWS_STEP_IOT] = "iot",
                                        [PQ_AWS_STEP_ROLES_ANYWHERE] = "roles-anywhere"};
    pq_buf_adds(key, names[step->kind]);
    if (step->kind == PQ_AWS_STEP_KEYS) {
        /* Keys of 40 random characters: their hash tells nothing of them. */
        add_text(key, step->keys.access_key_id);
        add_hash(key, step->keys.secret_access_key);
        add_hash(key, step->keys.session_token);
        return;
    }
    const char *const texts[] = {step->role_arn,    step->external_id,     step->session_name, step->token_file,
                                 step->command,     step->sso_region,      step->sso_account,  step->sso_role,
                                 step->sso_cache,   step->iot_endpoint,    step->iot_alias,    step->iot_thing,
                                 step->profile_arn, step->trust_anchor_arn};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        add_text(key, texts[i]);
    pq_buf_addf(key, " %u", step->duration);
    add_whose(key, step->token_file);
    PQ_AUTO_FREE char *certificate = step->identity ? pq_device_key(step->identity) : NULL;
    add_text(key, certificate);
    if (step->kind == PQ_AWS_STEP_CONTAINER)
        add_container(key);
    if (step->kind == PQ_AWS_STEP_INSTANCE) {
        add_text(key, pq_getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT"));
        add_text(key, pq_getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"));
    }
}

char *pq_aws_step_key(const pq_aws_step *step)
{
    PQ_AUTO_BUF key = PQ_BUF(PQ_MAX_TEXT);
    for (; step; step = step->source) {
        add_step(&key, step);
        pq_buf_adds(&key, step->source ? " by " : "");
    }
    return pq_buf_steal(&key);
}

char *pq_aws_own_path(const char *path)
{
    if (!pq_streq(path, "~") && !pq_starts_with(path, "~/"))
        return pq_strdup(path);
    const char *home = pq_getenv("HOME");
    const struct passwd *user = home ? NULL : getpwuid(geteuid());
    if (!home && user)
        home = user->pw_dir;
    return home ? pq_asprintf("%s%s", home, path + 1) : NULL;
}
