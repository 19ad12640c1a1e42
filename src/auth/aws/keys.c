#include "auth/aws/keys.h"

#include <string.h>

#include "auth/aws/container.h"
#include "auth/aws/instance.h"
#include "auth/aws/iot.h"
#include "auth/aws/process.h"
#include "auth/aws/roles_anywhere.h"
#include "auth/aws/sso.h"
#include "auth/aws/sts.h"
#include "auth/common/device_identity.h"
#include "base/file.h"
#include "base/log.h"
#include "base/process.h"

enum { REFRESH_BEFORE = 5 * 60, SOON = 60 * 60 };

/* --- what was fetched before -------------------------------------------------------------------------------------- */

typedef struct kept {
    char *key, *arn;
    pq_aws_keys keys;
} kept;

struct pq_aws_memory {
    kept *at;
    size_t count, capacity;
};

pq_aws_memory *pq_aws_memory_new(void)
{
    return pq_alloc(1, sizeof(pq_aws_memory));
}

static void kept_clear(kept *item)
{
    free(item->key);
    free(item->arn);
    pq_aws_keys_clear(&item->keys);
}

void pq_aws_memory_forget(pq_aws_memory *memory)
{
    for (size_t i = 0; i < memory->count; i++)
        kept_clear(&memory->at[i]);
    memory->count = 0;
}

void pq_aws_memory_free(pq_aws_memory *memory)
{
    if (!memory)
        return;
    pq_aws_memory_forget(memory);
    free(memory->at);
    free(memory);
}

static bool recall(pq_aws_memory *memory, const char *key, pq_aws_keys *out, char **out_arn)
{
    for (size_t i = 0; i < memory->count; i++) {
        kept *item = &memory->at[i];
        if (!pq_streq(item->key, key))
            continue;
        if (!item->keys.expires || item->keys.expires - pq_now() > REFRESH_BEFORE) {
            pq_aws_keys_copy(&item->keys, out);
            *out_arn = pq_strdup(item->arn);
            return true;
        }
        kept_clear(item);
        *item = memory->at[--memory->count];
        return false;
    }
    return false;
}

static void keep(pq_aws_memory *memory, const char *key, const pq_aws_keys *keys, const char *arn)
{
    memory->at = pq_grow(memory->at, &memory->capacity, memory->count + 1, sizeof *memory->at);
    kept *item = &memory->at[memory->count++];
    *item = (kept){.key = pq_strdup(key), .arn = pq_strdup(arn)};
    pq_aws_keys_copy(keys, &item->keys);
}

/* --- following ---------------------------------------------------------------------------------------------------- */

const char *pq_aws_endpoint(const char *variable)
{
    const char *own = pq_getenv(variable);
    return own ? own : pq_getenv("AWS_ENDPOINT_URL");
}

const char *pq_aws_keys_renewal(const pq_aws_step *step)
{
    if (step->kind != PQ_AWS_STEP_KEYS)
        return "the keys were fetched for this run: is this machine's clock right?";
    if (pq_starts_with(step->where, "secret "))
        return NULL;
    if (pq_starts_with(step->where, "file "))
        return "put fresh keys and their session token into the file";
    return pq_streq(step->where, "AWS_ACCESS_KEY_ID") ? "put fresh keys and their session token into the environment"
                                                      : "put fresh keys and their session token into the profile";
}

static bool fail_ended(const pq_aws_step *step, pq_error *err)
{
    const char *renewal = pq_aws_keys_renewal(step);
    char when[PQ_TIME_TEXT];
    pq_time_text(step->keys.expires, when);
    return pq_fail(err, PQ_EDENIED, step->where, renewal ? renewal : "put fresh keys and their session token there",
                   "the session of %s ended at %s", step->words, when);
}

/* Read each time, for platforms renew it. */
static bool read_token(const pq_aws_step *step, pq_secret **out, pq_error *err)
{
    PQ_AUTO_FREE char *path = pq_aws_own_path(step->token_file);
    return pq_oidc_token_file(path ? path : step->token_file, "web identity", step->token_file, step->where, out, err);
}

static pq_sts_place place_of(const pq_aws_follow *how)
{
    return (pq_sts_place){.caller = how->caller,
                          .region = how->region,
                          .reach = how->reach,
                          .endpoint = pq_aws_endpoint("AWS_ENDPOINT_URL_STS")};
}

static pq_sts_role role_of(const pq_aws_step *step)
{
    return (pq_sts_role){.arn = step->role_arn,
                         .session_name = step->session_name,
                         .external_id = step->external_id,
                         .duration = step->duration};
}

static bool follow_web_identity(const pq_aws_step *step, const pq_aws_follow *how, pq_aws_keys *out, char **out_arn,
                                pq_error *err)
{
    PQ_AUTO_SECRET *token = NULL;
    const pq_sts_place place = place_of(how);
    const pq_sts_role role = role_of(step);
    bool have = step->token_file ? read_token(step, &token, err) : pq_oidc_token(how->oidc, &token, err);
    return have && pq_sts_assume_role_with_web_identity(&place, token, &role, out, out_arn, err);
}

static bool follow_role(const pq_aws_step *step, const pq_aws_follow *how, pq_aws_keys *out, char **out_arn,
                        pq_error *err)
{
    PQ_AUTO_AWS_KEYS source = {0};
    PQ_AUTO_FREE char *arn = NULL;
    if (!pq_aws_keys_get(step->source, how, &source, &arn, err))
        return false;
    const pq_sts_place place = place_of(how);
    const pq_sts_role role = role_of(step);
    if (pq_sts_assume_role(&place, &source, pq_aws_keys_renewal(step->source), &role, out, out_arn, err))
        return true;
    if (err->code == PQ_EDENIED)
        pq_aws_explain_denial(how, &source, arn, err);
    return false;
}

static bool follow_instance(const pq_aws_step *step, const pq_aws_follow *how, pq_aws_keys *out, pq_error *err)
{
    if (pq_aws_instance_keys(how->caller, out, err))
        return true;
    if (!step->last_resort || err->code != PQ_ETRANSPORT)
        return false;
    PQ_AUTO_FREE char *hint = pq_strdup(err->hint);
    return pq_fail(err, PQ_EFAILED, NULL, hint,
                   "no AWS identity is to be found: no keys in the environment or in a profile, no container, and no "
                   "instance metadata service");
}

static bool follow_step(const pq_aws_step *step, const pq_aws_follow *how, pq_aws_keys *out, char **out_arn,
                        pq_error *err)
{
    switch (step->kind) {
    case PQ_AWS_STEP_KEYS:
        if (step->keys.expires && step->keys.expires <= pq_now())
            return fail_ended(step, err);
        pq_aws_keys_copy(&step->keys, out);
        return true;
    case PQ_AWS_STEP_ROLE:
        return follow_role(step, how, out, out_arn, err);
    case PQ_AWS_STEP_WEB_IDENTITY:
        return follow_web_identity(step, how, out, out_arn, err);
    case PQ_AWS_STEP_SSO:
        return pq_aws_sso_keys(step, how->caller, how->reach, pq_aws_endpoint("AWS_ENDPOINT_URL_SSO"), out, err);
    case PQ_AWS_STEP_PROCESS:
        return pq_aws_process_keys(step->command, step->where, out, err);
    case PQ_AWS_STEP_CONTAINER:
        return pq_aws_container_keys(how->caller, out, err);
    case PQ_AWS_STEP_INSTANCE:
        return follow_instance(step, how, out, err);
    case PQ_AWS_STEP_IOT:
        return pq_aws_iot_keys(step, how->caller, out, err);
    case PQ_AWS_STEP_ROLES_ANYWHERE:
        return pq_aws_roles_anywhere_keys(step, how->caller, how->reach,
                                          pq_aws_endpoint("AWS_ENDPOINT_URL_ROLESANYWHERE"), out, out_arn, err);
    }
    return false;
}

bool pq_aws_keys_get(const pq_aws_step *step, const pq_aws_follow *how, pq_aws_keys *out, char **out_arn, pq_error *err)
{
    *out = (pq_aws_keys){0};
    *out_arn = NULL;
    PQ_AUTO_FREE char *key = pq_aws_step_key(step);
    if (recall(how->memory, key, out, out_arn))
        return true;
    if (!follow_step(step, how, out, out_arn, err))
        return false;
    if (step->kind != PQ_AWS_STEP_KEYS)
        keep(how->memory, key, out, *out_arn);
    return true;
}

char *pq_aws_whose(const pq_aws_follow *how, const pq_aws_keys *keys)
{
    char *arn = NULL;
    PQ_AUTO_ERROR ignored = {0};
    const pq_sts_place place = place_of(how);
    return pq_sts_caller_identity(&place, keys, &arn, &ignored) ? arn : NULL;
}

void pq_aws_explain_denial(const pq_aws_follow *how, const pq_aws_keys *keys, const char *arn, pq_error *err)
{
    PQ_AUTO_FREE char *asked = arn ? NULL : pq_aws_whose(how, keys);
    arn = asked ? asked : arn;
    if (!arn || strstr(err->message, arn))
        return;
    char *message = pq_asprintf("%s; AWS knows this identity as %s", err->message, arn);
    free(err->message);
    err->message = message;
}

/* --- offline ------------------------------------------------------------------------------------------------------ */

static void warn_of_end(const pq_aws_step *step, time_t expires, const char *hint)
{
    if (!expires || expires - pq_now() > SOON)
        return;
    char when[PQ_TIME_TEXT];
    pq_time_text(expires, when);
    pq_warn(step->where, hint, "the session of %s ends soon, at %s", step->words, when);
}

static bool check_process(const pq_aws_step *step, pq_error *err)
{
    PQ_AUTO_STRINGS argv = {0};
    if (!pq_words_split(step->command, &argv))
        return pq_fail(err, PQ_ECONFIG, step->where,
                       "no shell is started: quote a word with blanks, and close each quote",
                       "credential_process is not a command");
    PQ_AUTO_FREE char *program = strchr(argv.at[0], '/') ? pq_strdup(argv.at[0]) : pq_process_find(argv.at[0]);
    return (program && pq_path_exists(program)) ||
           pq_fail(err, PQ_ECONFIG, step->where, NULL, "credential_process: the program %s is not there", argv.at[0]);
}

static bool check_sso(const pq_aws_step *step, pq_error *err)
{
    PQ_AUTO_SECRET *token = NULL;
    time_t expires = 0;
    if (!pq_aws_sso_token(step, &token, &expires, err))
        return false;
    PQ_AUTO_FREE char *hint = pq_asprintf("run `%s`", step->sso_login);
    warn_of_end(step, expires, hint);
    return true;
}

static bool check_token_file(const pq_aws_step *step, pq_error *err)
{
    PQ_AUTO_FREE char *path = pq_aws_own_path(step->token_file);
    return (path && pq_path_exists(path)) ||
           pq_fail(err, PQ_ECONFIG, step->where, "look at the path, and whether the platform mounts the token",
                   "web identity: there is no file %s", step->token_file);
}

bool pq_aws_keys_check(const pq_aws_step *step, const pq_oidc_ask *oidc, pq_errors *errors)
{
    PQ_AUTO_ERROR err = {0};
    const pq_aws_step *origin = pq_aws_step_origin(step);
    bool good = true;
    switch (origin->kind) {
    case PQ_AWS_STEP_KEYS:
        good = !origin->keys.expires || origin->keys.expires > pq_now() || fail_ended(origin, &err);
        if (good)
            warn_of_end(origin, origin->keys.expires, pq_aws_keys_renewal(origin));
        break;
    case PQ_AWS_STEP_WEB_IDENTITY:
        good = origin->token_file ? check_token_file(origin, &err) : pq_oidc_check(oidc, &err);
        break;
    case PQ_AWS_STEP_SSO:
        good = check_sso(origin, &err);
        break;
    case PQ_AWS_STEP_PROCESS:
        good = check_process(origin, &err);
        break;
    case PQ_AWS_STEP_CONTAINER:
        good = pq_aws_container_check(&err);
        break;
    case PQ_AWS_STEP_INSTANCE:
        good = pq_aws_instance_check(&err);
        break;
    case PQ_AWS_STEP_IOT:
        pq_device_warn_of_use(origin->identity);
        break;
    case PQ_AWS_STEP_ROLES_ANYWHERE:
    case PQ_AWS_STEP_ROLE: /* has a source */
        break;
    }
    if (!good)
        pq_errors_take(errors, &err);
    return good;
}
