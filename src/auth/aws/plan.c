#include "auth/aws/plan.h"

#include <string.h>

#include "auth/aws/host.h"
#include "auth/aws/sso.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/trust.h"
#include "config/config.h"

enum { LEAST_DURATION = 900, MOST_DURATION = 43200, MAX_CHAIN = 16 };

static const char default_session[] = "pratique";

/* While the profiles of one identity are followed. */
typedef struct planner {
    pq_aws_profiles *files;
    const char *where; /* who wants it */
    pq_errors *errors;
    pq_strings visited; /* profiles whose role is being planned */
} planner;

static void planner_clear(planner *p)
{
    pq_strings_clear(&p->visited);
}

static pq_aws_step *new_step(pq_aws_step_kind kind, char *where, char *words)
{
    pq_aws_step *step = pq_alloc(1, sizeof *step);
    *step = (pq_aws_step){.kind = kind, .where = where, .words = words};
    return step;
}

/* --- values ------------------------------------------------------------------------------------------------------- */

/* The text of a setting (owned), NULL when there is none. One that is no text is a problem. */
static char *text_of(const pq_aws_profile *profile, const char *name)
{
    pq_aws_ini *file = NULL;
    const pq_aws_setting *item = pq_aws_profile_get(profile, name, &file);
    if (!item)
        return NULL;
    bool good = !item->continued && item->value.length > 0 && item->value.length <= PQ_MAX_EXPANSION;
    for (size_t i = 0; i < item->value.length; i++)
        good = good && (unsigned char)item->value.at[i] >= ' ' && item->value.at[i] != 0x7f;
    if (good)
        return pq_strndup(item->value.at, item->value.length);
    pq_aws_problem(file, item->line, NULL,
                   item->continued ? "the line after %s is indented, which makes it a part of the value"
                                   : "%s has no value, or one with control bytes",
                   name);
    return NULL;
}

/* The same, told as a problem when it does not have the form. */
static char *text_like(const pq_aws_profile *profile, const char *name, bool (*valid)(const char *text),
                       const char *form)
{
    PQ_AUTO_FREE char *text = text_of(profile, name);
    if (!text || valid(text))
        return pq_steal(text);
    pq_aws_ini *file = NULL;
    const pq_aws_setting *item = pq_aws_profile_get(profile, name, &file);
    pq_aws_problem(file, item->line, form, "%s has not the form that AWS takes", name);
    return NULL;
}

static bool has(const pq_aws_profile *profile, const char *name)
{
    pq_aws_ini *file;
    return pq_aws_profile_get(profile, name, &file) != NULL;
}

static void problem_at(const pq_aws_profile *profile, const char *name, const char *hint, const char *format, ...)
    PQ_PRINTF(4, 5);

/* A problem with a setting, at its line; with the whole profile when it has no such setting. */
static void problem_at(const pq_aws_profile *profile, const char *name, const char *hint, const char *format, ...)
{
    pq_aws_ini *file = NULL;
    const pq_aws_setting *item = name ? pq_aws_profile_get(profile, name, &file) : NULL;
    if (!item) {
        bool held = profile->credentials != PQ_AWS_NOWHERE;
        file = held ? &profile->files->credentials : &profile->files->config;
    }
    size_t section = file == &profile->files->credentials ? profile->credentials : profile->config;
    va_list arguments;
    va_start(arguments, format);
    PQ_AUTO_FREE char *message = pq_vasprintf(format, arguments);
    va_end(arguments);
    pq_aws_problem(file, item ? item->line : file->sections[section].line, hint, "%s", message);
}

static bool has_static_keys(const pq_aws_profile *profile)
{
    return has(profile, "aws_access_key_id") || has(profile, "aws_secret_access_key");
}

/* What names a session in CloudTrail when nobody said. */
static char *session_of(const pq_aws_profile *profile)
{
    char *name =
        text_like(profile, "role_session_name", pq_config_session_valid, "2 to 64 letters, digits and _+=,.@-");
    return name ? name : pq_strdup(default_session);
}

static unsigned duration_of(const pq_aws_profile *profile)
{
    PQ_AUTO_FREE char *text = text_of(profile, "duration_seconds");
    uint64_t seconds = 0;
    if (!text)
        return 0;
    if (!pq_parse_number(text, MOST_DURATION, &seconds) || seconds < LEAST_DURATION)
        problem_at(profile, "duration_seconds", NULL, "duration_seconds must be %d to %d", LEAST_DURATION,
                   MOST_DURATION);
    return (unsigned)seconds;
}

static char *words_of(const pq_aws_profile *profile, const char *more)
{
    return pq_asprintf("profile %s%s", profile->name, more);
}

/* --- steps that lead elsewhere ------------------------------------------------------------------------------------ */

static pq_aws_step *plan_container(void)
{
    const char *variable = pq_getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
                               ? "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
                               : "AWS_CONTAINER_CREDENTIALS_FULL_URI";
    if (!pq_getenv(variable))
        return NULL;
    return new_step(PQ_AWS_STEP_CONTAINER, pq_strdup(variable), pq_strdup("container credentials"));
}

static bool metadata_is_disabled(void)
{
    const char *disabled = pq_getenv("AWS_EC2_METADATA_DISABLED");
    return disabled && pq_ascii_equal_nocase(disabled, "true");
}

static pq_aws_step *plan_instance(bool last_resort)
{
    if (metadata_is_disabled())
        return NULL;
    pq_aws_step *step =
        new_step(PQ_AWS_STEP_INSTANCE, pq_strdup("the instance metadata service"), pq_strdup("instance metadata"));
    step->last_resort = last_resort;
    return step;
}

/* NULL without a problem when they are not set. */
static pq_aws_step *plan_variables(pq_errors *errors)
{
    static const char variable[] = "AWS_ACCESS_KEY_ID";
    const char *id = pq_getenv(variable), *secret = pq_getenv("AWS_SECRET_ACCESS_KEY"),
               *token = pq_getenv("AWS_SESSION_TOKEN"), *expiration = pq_getenv("AWS_CREDENTIAL_EXPIRATION");
    if (!id)
        return NULL;
    if (!secret) {
        (void)pq_errors_add(errors, PQ_ECONFIG, variable, "set both or none", "AWS_SECRET_ACCESS_KEY is not set");
        return NULL;
    }
    if (pq_starts_with(id, "ASIA") && !token) {
        (void)pq_errors_add(errors, PQ_ECONFIG, variable, "set AWS_SESSION_TOKEN too",
                            "a temporary key (ASIA…) without its session token");
        return NULL;
    }
    pq_aws_step *step = new_step(PQ_AWS_STEP_KEYS, pq_strdup(variable), pq_strdup(variable));
    step->keys = (pq_aws_keys){.access_key_id = pq_strdup(id),
                               .secret_access_key = pq_secret_new(secret, strlen(secret)),
                               .session_token = token ? pq_secret_new(token, strlen(token)) : NULL};
    if (expiration && !pq_time_parse(expiration, &step->keys.expires))
        step->keys.expires = 0;
    return step;
}

/* The variables go before the profile's own settings, unless the profile was named in the entry. */
static pq_aws_step *plan_web_identity(planner *p, const pq_aws_profile *profile, bool with_variables)
{
    static const char variable[] = "AWS_WEB_IDENTITY_TOKEN_FILE";
    const char *file = with_variables ? pq_getenv(variable) : NULL;
    const char *role = with_variables ? pq_getenv("AWS_ROLE_ARN") : NULL;
    const char *session = with_variables ? pq_getenv("AWS_ROLE_SESSION_NAME") : NULL;
    bool by_variable = file != NULL;
    PQ_AUTO_AWS_STEP *step =
        new_step(PQ_AWS_STEP_WEB_IDENTITY, by_variable ? pq_strdup(variable) : pq_aws_profile_where(profile),
                 by_variable ? pq_strdup(variable) : words_of(profile, ", web identity"));
    step->token_file = file ? pq_strdup(file) : text_of(profile, "web_identity_token_file");
    step->role_arn = role ? pq_strdup(role) : text_of(profile, "role_arn");
    step->session_name = session ? pq_strdup(session) : session_of(profile);
    step->duration = duration_of(profile);
    const char *named = role ? "AWS_ROLE_ARN" : step->where;
    if (!step->role_arn)
        (void)pq_errors_add(p->errors, PQ_ECONFIG, step->where,
                            by_variable ? "set AWS_ROLE_ARN" : "add role_arn to the profile",
                            "web identity without a role to assume");
    else if (!pq_config_role_valid(step->role_arn))
        (void)pq_errors_add(p->errors, PQ_ECONFIG, named, "a role such as arn:aws:iam::123456789012:role/pull",
                            "role_arn has not the form that AWS takes");
    else if (!pq_config_session_valid(step->session_name))
        (void)pq_errors_add(p->errors, PQ_ECONFIG, "AWS_ROLE_SESSION_NAME", NULL,
                            "must be 2 to 64 letters, digits and _+=,.@-");
    else
        return pq_steal(step);
    return NULL;
}

static pq_aws_step *plan_process(const pq_aws_profile *profile)
{
    pq_aws_step *step =
        new_step(PQ_AWS_STEP_PROCESS, pq_aws_profile_where(profile), words_of(profile, ", credential_process"));
    step->command = text_of(profile, "credential_process");
    return step;
}

/* The profile, or the [sso-session] that it names if the setting stands there. Borrowed. */
static const pq_aws_profile *sso_holder(const pq_aws_profile *profile, const pq_aws_profile *session, const char *name)
{
    return session && has(session, name) ? session : profile;
}

static bool is_region(const char *text)
{
    return pq_aws_region_valid(text, strlen(text));
}

static pq_aws_step *plan_sso(const pq_aws_profile *profile)
{
    pq_aws_profile session = {0};
    PQ_AUTO_FREE char *name = text_of(profile, "sso_session");
    if (name && !pq_aws_profiles_find_session(profile->files, name, &session)) {
        problem_at(profile, "sso_session", "make one with `aws configure sso-session`", "there is no [sso-session %s]",
                   name);
        return NULL;
    }
    PQ_AUTO_AWS_STEP *step = new_step(PQ_AWS_STEP_SSO, pq_aws_profile_where(profile), words_of(profile, ", SSO"));
    const pq_aws_profile *behind = name ? &session : NULL;
    PQ_AUTO_FREE char *start = text_of(sso_holder(profile, behind, "sso_start_url"), "sso_start_url");
    /* A part of the host that the login's token goes to. */
    step->sso_region =
        text_like(sso_holder(profile, behind, "sso_region"), "sso_region", is_region, "a region such as us-east-2");
    step->sso_account = text_of(profile, "sso_account_id");
    step->sso_role = text_of(profile, "sso_role_name");
    const struct {
        const char *name, *value;
    } needed[] = {{"sso_start_url", start},
                  {"sso_region", step->sso_region},
                  {"sso_account_id", step->sso_account},
                  {"sso_role_name", step->sso_role}};
    bool whole = true;
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        if (!needed[i].value) {
            if (!has(sso_holder(profile, behind, needed[i].name), needed[i].name))
                problem_at(profile, NULL, "`aws configure sso` writes all of them", "profile %s has no %s",
                           profile->name, needed[i].name);
            whole = false;
        }
    if (!whole)
        return NULL;
    step->sso_cache = pq_aws_sso_cache_path(name ? name : start);
    step->sso_login = name ? pq_asprintf("aws sso login --sso-session %s", name)
                           : pq_asprintf("aws sso login --profile %s", profile->name);
    return pq_steal(step);
}

/* --- profiles ----------------------------------------------------------------------------------------------------- */

static pq_aws_step *plan_section_keys(const pq_aws_profile *profile, pq_aws_ini *file, size_t section)
{
    pq_aws_keys keys;
    if (!pq_aws_section_keys(file, section, &keys))
        return NULL;
    pq_aws_step *step = new_step(PQ_AWS_STEP_KEYS, pq_asprintf("%s:%zu", file->where, file->sections[section].line),
                                 words_of(profile, ""));
    step->keys = keys;
    return step;
}

static bool section_has_keys(const pq_aws_ini *file, size_t section)
{
    return section != PQ_AWS_NOWHERE && (pq_aws_ini_find(file, section, "aws_access_key_id") ||
                                         pq_aws_ini_find(file, section, "aws_secret_access_key"));
}

/* What would have us run a program, read another file or ask another service, in a secret. */
static void check_elsewhere(const pq_aws_profile *profile, bool has_keys)
{
    static const char *const names[] = {"credential_process", "credential_source", "web_identity_token_file",
                                        "sso_session",        "sso_start_url",     "sso_account_id"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        pq_aws_ini *file = NULL;
        const pq_aws_setting *item = pq_aws_profile_get(profile, names[i], &file);
        if (!item)
            continue;
        if (!has_keys) {
            pq_aws_problem(file, item->line,
                           "write aws_access_key_id and aws_secret_access_key, or role_arn and "
                           "source_profile; `auth: environment` follows such settings in files of "
                           "your own",
                           "%s is not followed from inside a secret: a secret is not code", names[i]);
            continue;
        }
        PQ_AUTO_FREE char *place = pq_asprintf("%s:%zu", file->where, item->line);
        pq_warn(place, NULL, "%s is left alone: the keys of the profile are used", names[i]);
    }
}

/* All but the role: NULL without a problem when the profile names no identity. */
static pq_aws_step *plan_chain(planner *p, const pq_aws_profile *profile, bool with_variables)
{
    pq_aws_ini *credentials = &profile->files->credentials, *config = &profile->files->config;
    if (p->files->is_secret) {
        size_t before = credentials->problems;
        check_elsewhere(profile, has(profile, "aws_access_key_id") && has(profile, "aws_secret_access_key"));
        return credentials->problems > before ? NULL : plan_section_keys(profile, credentials, profile->credentials);
    }
    if ((with_variables && pq_getenv("AWS_WEB_IDENTITY_TOKEN_FILE")) || has(profile, "web_identity_token_file"))
        return plan_web_identity(p, profile, with_variables);
    if (has(profile, "sso_account_id") || has(profile, "sso_role_name"))
        return plan_sso(profile);
    if (section_has_keys(credentials, profile->credentials))
        return plan_section_keys(profile, credentials, profile->credentials);
    if (has(profile, "credential_process"))
        return plan_process(profile);
    if (section_has_keys(config, profile->config))
        return plan_section_keys(profile, config, profile->config);
    return NULL;
}

static pq_aws_step *plan_profile_role(planner *p, const pq_aws_profile *profile);

/* The profile that another one names as its source. */
static pq_aws_step *plan_source(planner *p, const pq_aws_profile *from, const char *name)
{
    pq_aws_profile profile;
    if (!pq_aws_profiles_find(p->files, name, &profile)) {
        problem_at(from, "source_profile", p->files->is_secret ? "it must stand in the same secret" : NULL,
                   "there is no profile %s", name);
        return NULL;
    }
    bool itself = pq_streq(name, from->name), static_keys = has_static_keys(&profile);
    if ((itself && !static_keys) || (!itself && pq_strings_have(&p->visited, name)) || p->visited.count == MAX_CHAIN) {
        PQ_AUTO_BUF way = PQ_BUF(PQ_MAX_MESSAGE);
        for (size_t i = 0; i < p->visited.count; i++)
            pq_buf_addf(&way, "%s -> ", p->visited.at[i]);
        problem_at(from, "source_profile", "one of them needs keys of its own",
                   p->visited.count == MAX_CHAIN ? "more than 16 profiles one behind the other: %s%s"
                                                 : "profiles lead in a circle: %s%s",
                   pq_buf_text(&way), name);
        return NULL;
    }
    if (!static_keys && has(&profile, "role_arn") && !has(&profile, "web_identity_token_file"))
        return plan_profile_role(p, &profile);
    size_t before = p->errors->count;
    pq_aws_step *step = plan_chain(p, &profile, false);
    if (!step && p->errors->count == before)
        problem_at(from, "source_profile", NULL, "profile %s holds no identity", name);
    return step;
}

static pq_aws_step *plan_named_source(planner *p, const pq_aws_profile *profile, const char *source)
{
    pq_aws_step *step = NULL;
    size_t before = p->errors->count;
    if (pq_streq(source, "Environment"))
        step = plan_variables(p->errors);
    else if (pq_streq(source, "EcsContainer"))
        step = plan_container();
    else if (pq_streq(source, "Ec2InstanceMetadata"))
        step = plan_instance(false);
    else
        problem_at(profile, "credential_source", "it can be Environment, Ec2InstanceMetadata or EcsContainer",
                   "credential_source names no source");
    if (!step && p->errors->count == before)
        problem_at(profile, "credential_source", NULL, "credential_source: %s has no keys here", source);
    return step;
}

/* The profile has role_arn. */
static pq_aws_step *plan_profile_role(planner *p, const pq_aws_profile *profile)
{
    pq_strings_add(&p->visited, profile->name);
    size_t before = p->errors->count;
    if (has(profile, "mfa_serial"))
        problem_at(profile, "mfa_serial",
                   "take another profile, or put the keys of `aws sts get-session-token` into the environment",
                   "this role needs a code that a person reads from a device (MFA), and nobody is asked here");
    PQ_AUTO_FREE char *source = text_of(profile, "source_profile");
    PQ_AUTO_FREE char *named = text_of(profile, "credential_source");
    if (named && p->files->is_secret)
        check_elsewhere(profile, false);
    else if (source && named)
        problem_at(profile, "credential_source", "remove one",
                   "source_profile and credential_source exclude each other");
    else if (!source && !named)
        problem_at(profile, "role_arn",
                   has_static_keys(profile) ? "its own keys are meant? Then write source_profile = its own name"
                                            : "add source_profile",
                   "role_arn without a source_profile%s", p->files->is_secret ? "" : " or credential_source");
    PQ_AUTO_AWS_STEP *step = new_step(PQ_AWS_STEP_ROLE, pq_aws_profile_where(profile), words_of(profile, ""));
    step->role_arn =
        text_like(profile, "role_arn", pq_config_role_valid, "a role such as arn:aws:iam::123456789012:role/pull");
    step->external_id = text_of(profile, "external_id");
    step->session_name = session_of(profile);
    step->duration = duration_of(profile);
    if (p->errors->count > before)
        return NULL;
    step->source = source ? plan_source(p, profile, source) : plan_named_source(p, profile, named);
    return step->source ? pq_steal(step) : NULL;
}

/* NULL without a problem when the profile names no identity. */
static pq_aws_step *plan_profile(planner *p, const pq_aws_profile *profile, bool with_variables)
{
    bool web = has(profile, "web_identity_token_file");
    if (has(profile, "role_arn") && (!web || p->files->is_secret)) {
        if (web)
            check_elsewhere(profile, false);
        return web ? NULL : plan_profile_role(p, profile);
    }
    return plan_chain(p, profile, with_variables);
}

pq_aws_step *pq_aws_plan_role(const char *role_arn, const char *external_id, const char *session_name,
                              const char *where, pq_aws_step *source)
{
    pq_aws_step *step = new_step(source ? PQ_AWS_STEP_ROLE : PQ_AWS_STEP_WEB_IDENTITY, pq_strdup(where), NULL);
    step->role_arn = pq_strdup(role_arn);
    step->external_id = pq_strdup(external_id);
    step->session_name = pq_strdup(session_name ? session_name : default_session);
    step->source = source;
    return step;
}

pq_aws_step *pq_aws_plan_secret(const pq_secret *file, const char *where, const char *name, pq_errors *errors)
{
    PQ_AUTO_AWS_PROFILES files = {0};
    size_t before = errors->count;
    pq_aws_profiles_add_secret(&files, file, where, errors);
    PQ_CLEANUP(planner_clear) planner p = {.files = &files, .where = where, .errors = errors};
    pq_aws_profile profile;
    PQ_AUTO_AWS_STEP *step = NULL;
    if (pq_aws_profiles_find(&files, name ? name : "default", &profile))
        step = plan_profile(&p, &profile, false);
    else if (files.credentials.section_count)
        pq_aws_profiles_missing(&files, name ? name : "default", where, errors);
    return errors->count == before ? pq_steal(step) : NULL;
}

/* --- the environment ---------------------------------------------------------------------------------------------- */

static pq_aws_step *fail_nothing(const char *where, const char *name, pq_errors *errors)
{
    (void)pq_errors_add(errors, PQ_ECONFIG, where,
                        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_ROLE_ARN and "
                        "AWS_WEB_IDENTITY_TOKEN_FILE, or make a profile with `aws configure`",
                        "auth: environment: no AWS identity is to be found: no keys in the environment, none in "
                        "profile %s, no container, and instance metadata is disabled",
                        name);
    return NULL;
}

pq_aws_step *pq_aws_plan_files(pq_aws_profiles *files, const char *entry_profile, const char *where, pq_errors *errors)
{
    /* botocore's order of the two variables. They do not switch the keys of the environment off, as --profile does. */
    const char *variable = pq_getenv("AWS_DEFAULT_PROFILE") ? "AWS_DEFAULT_PROFILE" : "AWS_PROFILE";
    const char *given = entry_profile ? entry_profile : pq_getenv(variable);
    const char *name = given ? given : "default";
    PQ_CLEANUP(planner_clear) planner p = {.files = files, .where = where, .errors = errors};
    pq_aws_profile profile;
    size_t before = errors->count;
    bool found = pq_aws_profiles_find(files, name, &profile);
    if (!found && given) {
        pq_aws_profiles_missing(files, name, entry_profile ? where : variable, errors);
        return NULL;
    }
    PQ_AUTO_AWS_STEP *step = entry_profile ? NULL : plan_variables(errors);
    if (!step && errors->count == before) /* a profile that is not there has no settings, but the variables count */
        step = plan_profile(&p, &profile, !entry_profile);
    if (!step && errors->count == before)
        step = plan_container();
    if (!step && errors->count == before)
        step = plan_instance(true);
    if (errors->count > before)
        return NULL;
    return step ? pq_steal(step) : fail_nothing(where, name, errors);
}

typedef struct own_file {
    const char *variable, *usual;
} own_file;

static const own_file credentials_file = {"AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"};
static const own_file config_file = {"AWS_CONFIG_FILE", "~/.aws/config"};

/* As a person knows it. Borrowed. */
static const char *shown_path(const own_file *which)
{
    const char *named = pq_getenv(which->variable);
    return named ? named : which->usual;
}

/* Owned; NULL when it is not there, which is fine. */
static char *path_of(const own_file *which)
{
    PQ_AUTO_FREE char *path = pq_aws_own_path(shown_path(which));
    return path && pq_path_exists(path) ? pq_steal(path) : NULL;
}

static void add_own_file(pq_aws_profiles *files, const own_file *which, pq_errors *errors)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *path = path_of(which);
    PQ_AUTO_BUF text = PQ_SENSITIVE_BUF(PQ_MAX_CONFIG);
    if (!path)
        return;
    if (!pq_read_file(path, &text, &err)) {
        pq_errors_take(errors, &err);
        return;
    }
    PQ_AUTO_SECRET *bytes = pq_secret_from_buf(&text);
    if (which == &config_file)
        pq_aws_profiles_add_config(files, bytes, shown_path(which), errors);
    else
        pq_aws_profiles_add_credentials(files, bytes, shown_path(which), errors);
}

/* What others may write would have us run their program. */
static bool may_run(const pq_aws_step *step, pq_errors *errors)
{
    const own_file *const files[] = {&credentials_file, &config_file};
    if (!step || pq_aws_step_origin(step)->kind != PQ_AWS_STEP_PROCESS)
        return true;
    size_t before = errors->count;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        PQ_AUTO_ERROR err = {0};
        PQ_AUTO_FREE char *path = path_of(files[i]);
        if (path && !pq_trust_to_run(path, &err))
            pq_errors_take(errors, &err);
    }
    return errors->count == before;
}

pq_aws_step *pq_aws_plan_environment(const char *profile, const char *where, pq_errors *errors)
{
    PQ_AUTO_AWS_PROFILES files = {0};
    size_t before = errors->count;
    add_own_file(&files, &credentials_file, errors);
    add_own_file(&files, &config_file, errors);
    PQ_AUTO_AWS_STEP *step = errors->count == before ? pq_aws_plan_files(&files, profile, where, errors) : NULL;
    return may_run(step, errors) ? pq_steal(step) : NULL;
}
