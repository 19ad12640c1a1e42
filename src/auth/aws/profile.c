#include "auth/aws/profile.h"

#include <string.h>

#include "base/limits.h"
#include "base/log.h"

enum { MAX_NAMES_SHOWN = 20 };

static const char get_keys[] = "write aws_access_key_id and aws_secret_access_key, as `aws configure` does";

/* --- the files ---------------------------------------------------------------------------------------------------- */

void pq_aws_profiles_clear(pq_aws_profiles *files)
{
    pq_aws_ini_clear(&files->credentials);
    pq_aws_ini_clear(&files->config);
    pq_secret_free(files->credentials_bytes);
    pq_secret_free(files->config_bytes);
    *files = (pq_aws_profiles){0};
}

static void add_file(pq_aws_ini *file, pq_secret **held, const pq_secret *bytes, const char *where, bool may_be_empty,
                     pq_errors *errors)
{
    *held = pq_secret_copy(bytes);
    *file = (pq_aws_ini){.where = pq_strdup(where), .errors = errors, .may_be_empty = may_be_empty};
    pq_aws_ini_read(file, pq_secret_bytes(*held), pq_secret_length(*held));
}

void pq_aws_profiles_add_secret(pq_aws_profiles *files, const pq_secret *bytes, const char *where, pq_errors *errors)
{
    files->is_secret = true;
    add_file(&files->credentials, &files->credentials_bytes, bytes, where, false, errors);
}

void pq_aws_profiles_add_credentials(pq_aws_profiles *files, const pq_secret *bytes, const char *where,
                                     pq_errors *errors)
{
    add_file(&files->credentials, &files->credentials_bytes, bytes, where, true, errors);
}

void pq_aws_profiles_add_config(pq_aws_profiles *files, const pq_secret *bytes, const char *where, pq_errors *errors)
{
    add_file(&files->config, &files->config_bytes, bytes, where, true, errors);
}

/* --- profiles ----------------------------------------------------------------------------------------------------- */

/* "profile NAME", "profile \"A B\"", "sso-session NAME" without their first word; false when it is another one. */
static bool name_behind(pq_aws_slice section, const char *word, pq_aws_slice *out)
{
    if (!pq_aws_slice_starts(section, word))
        return false;
    size_t width = strlen(word);
    pq_aws_slice name = pq_aws_slice_trim((pq_aws_slice){section.at + width, section.length - width});
    if (section.length == width || !pq_ascii_space(section.at[width]) || !name.length)
        return false;
    char quote = name.at[0];
    if (name.length >= 2 && (quote == '"' || quote == '\'') && name.at[name.length - 1] == quote)
        name = (pq_aws_slice){name.at + 1, name.length - 2};
    *out = name;
    return true;
}

/* The section of ~/.aws/config for a profile or an SSO session; PQ_AWS_NOWHERE when there is none. */
static size_t find_in_config(const pq_aws_ini *file, const char *word, const char *name)
{
    pq_aws_slice behind;
    for (size_t i = 0; i < file->section_count; i++) {
        pq_aws_slice section = file->sections[i].name;
        bool plain = pq_streq(word, "profile") && pq_streq(name, "default") && pq_aws_slice_is(section, "default");
        if (plain || (name_behind(section, word, &behind) && pq_aws_slice_is(behind, name)))
            return i;
    }
    return PQ_AWS_NOWHERE;
}

bool pq_aws_profiles_find(pq_aws_profiles *files, const char *name, pq_aws_profile *out)
{
    *out = (pq_aws_profile){.files = files, .name = name, .credentials = PQ_AWS_NOWHERE};
    for (size_t i = 0; i < files->credentials.section_count && out->credentials == PQ_AWS_NOWHERE; i++)
        if (pq_aws_slice_is(files->credentials.sections[i].name, name))
            out->credentials = i;
    out->config = find_in_config(&files->config, "profile", name);
    return out->credentials != PQ_AWS_NOWHERE || out->config != PQ_AWS_NOWHERE;
}

bool pq_aws_profiles_find_session(pq_aws_profiles *files, const char *name, pq_aws_profile *out)
{
    *out = (pq_aws_profile){.files = files,
                            .name = name,
                            .credentials = PQ_AWS_NOWHERE,
                            .config = find_in_config(&files->config, "sso-session", name)};
    return out->config != PQ_AWS_NOWHERE;
}

const pq_aws_setting *pq_aws_profile_get(const pq_aws_profile *profile, const char *name, pq_aws_ini **out_file)
{
    const pq_aws_setting *found = NULL;
    if (profile->credentials != PQ_AWS_NOWHERE) {
        *out_file = &profile->files->credentials;
        found = pq_aws_ini_find(*out_file, profile->credentials, name);
    }
    if (!found && profile->config != PQ_AWS_NOWHERE) {
        *out_file = &profile->files->config;
        found = pq_aws_ini_find(*out_file, profile->config, name);
    }
    return found;
}

char *pq_aws_profile_where(const pq_aws_profile *profile)
{
    bool held = profile->credentials != PQ_AWS_NOWHERE;
    const pq_aws_ini *file = held ? &profile->files->credentials : &profile->files->config;
    return pq_asprintf("%s:%zu", file->where, file->sections[held ? profile->credentials : profile->config].line);
}

static void add_name(pq_buf *names, pq_aws_slice name)
{
    bool odd = name.length != pq_aws_slice_trim(name).length;
    pq_buf_adds(names, names->length ? ", " : "");
    pq_buf_adds(names, odd ? "\"" : "");
    pq_buf_add_printable(names, name.at, name.length < 100 ? name.length : 100);
    pq_buf_adds(names, odd ? "\" (with blanks)" : "");
}

/* Those that there are, in words. Owned. */
static char *profile_names(const pq_aws_profiles *files)
{
    PQ_AUTO_BUF names = PQ_BUF(PQ_MAX_MESSAGE);
    size_t shown = 0;
    for (size_t i = 0; i < files->credentials.section_count && shown < MAX_NAMES_SHOWN; i++, shown++)
        add_name(&names, files->credentials.sections[i].name);
    for (size_t i = 0; i < files->config.section_count && shown < MAX_NAMES_SHOWN; i++) {
        pq_aws_slice name = files->config.sections[i].name;
        if (!pq_aws_slice_is(name, "default") && !name_behind(name, "profile", &name))
            continue;
        add_name(&names, name);
        shown++;
    }
    if (shown == MAX_NAMES_SHOWN)
        pq_buf_adds(&names, ", …");
    return names.length ? pq_buf_steal(&names) : pq_strdup("none");
}

void pq_aws_profiles_missing(const pq_aws_profiles *files, const char *name, const char *where, pq_errors *errors)
{
    size_t line = find_in_config(&files->credentials, "profile", name);
    if (line != PQ_AWS_NOWHERE) {
        PQ_AUTO_FREE char *place =
            pq_asprintf("%s:%zu", files->credentials.where, files->credentials.sections[line].line);
        PQ_AUTO_FREE char *hint =
            files->is_secret ? pq_asprintf("put ~/.aws/credentials into the secret, where the profile is [%s]", name)
                             : pq_asprintf("write [%s] there, or move it to ~/.aws/config", name);
        (void)pq_errors_add(errors, PQ_ECONFIG, place, hint,
                            "[profile …] is the form of ~/.aws/config, not of a credentials file");
        return;
    }
    PQ_AUTO_FREE char *names = profile_names(files);
    (void)pq_errors_add(errors, PQ_ECONFIG, where,
                        "set `profile` of the registry's entry to one that is there, or add it",
                        "no profile %s; there are: %s", name, names);
}

/* --- keys --------------------------------------------------------------------------------------------------------- */

/* The line of a setting whose name seems to be meant for `wanted`, or 0. */
static size_t find_misspelt(const pq_aws_ini *file, size_t index, const char *wanted)
{
    static const struct {
        const char *wrong, *right;
    } usual[] = {
        {"aws_access_key", "aws_access_key_id"},
        {"access_key_id", "aws_access_key_id"},
        {"access_key", "aws_access_key_id"},
        {"accesskeyid", "aws_access_key_id"},
        {"aws_key_id", "aws_access_key_id"},
        {"aws_secret_key", "aws_secret_access_key"},
        {"secret_access_key", "aws_secret_access_key"},
        {"secret_key", "aws_secret_access_key"},
        {"secretaccesskey", "aws_secret_access_key"},
        {"aws_secret_access_key_id", "aws_secret_access_key"},
        {"aws_secret", "aws_secret_access_key"},
        {"session_token", "aws_session_token"},
        {"sessiontoken", "aws_session_token"},
        {"aws_token", "aws_session_token"},
    };
    for (size_t i = 0; i < file->setting_count; i++) {
        if (file->settings[i].section != index || file->settings[i].name.length > 64)
            continue;
        PQ_AUTO_FREE char *name = pq_strndup(file->settings[i].name.at, file->settings[i].name.length);
        pq_ascii_lower_in_place(name);
        bool near = !pq_streq(name, wanted) && pq_nearest(name, &wanted, 1) != NULL;
        for (size_t j = 0; j < sizeof usual / sizeof *usual && !near; j++)
            near = pq_streq(name, usual[j].wrong) && pq_streq(wanted, usual[j].right);
        if (near)
            return file->settings[i].line;
    }
    return 0;
}

static bool value_has_blank(pq_aws_slice value)
{
    for (size_t i = 0; i < value.length; i++)
        if (value.at[i] <= ' ' || value.at[i] > '~')
            return true;
    return false;
}

/* False, with a problem, when the value cannot be what its name says. */
static bool value_is_sound(pq_aws_ini *file, const pq_aws_setting *item, const char *name)
{
    pq_aws_slice value = item->value;
    if (item->continued)
        pq_aws_problem(file, item->line, "take the blanks away from the start of the next line",
                       "the line after %s is indented, which makes it a part of the value", name);
    else if (!value.length)
        pq_aws_problem(file, item->line, NULL, "%s has no value", name);
    else if (value.at[0] == '"' || value.at[0] == '\'')
        pq_aws_problem(file, item->line, "write it without quotes",
                       "the value of %s is in quotes, which would be part of it", name);
    else if (value.at[0] == '$' || value.at[0] == '<')
        pq_aws_problem(file, item->line, "put the real value there; nothing is expanded in a secret",
                       "the value of %s is a placeholder", name);
    else if (value_has_blank(value))
        pq_aws_problem(file, item->line, "a comment needs a line of its own",
                       "the value of %s has blanks or bytes that no key has", name);
    else
        return true;
    return false;
}

static void missing(pq_aws_ini *file, size_t section, const char *name)
{
    size_t line = find_misspelt(file, section, name);
    PQ_AUTO_FREE char *misspelt = line ? pq_asprintf("line %zu seems to be meant for it", line) : NULL;
    pq_aws_slice profile = file->sections[section].name;
    pq_aws_problem(file, file->sections[section].line, misspelt ? misspelt : get_keys, "profile %.*s has no %s",
                   (int)profile.length, profile.at, name);
}

static void check_key_id(pq_aws_ini *file, const pq_aws_setting *id, const pq_aws_setting *secret, bool has_token)
{
    bool word = true;
    for (size_t i = 0; i < id->value.length; i++)
        word = word && (pq_ascii_alnum(id->value.at[i]) || id->value.at[i] == '_');
    if (secret && (pq_aws_slice_starts(secret->value, "AKIA") || pq_aws_slice_starts(secret->value, "ASIA")) &&
        secret->value.length == 20 && id->value.length == 40)
        pq_aws_problem(file, id->line, "swap the two values",
                       "the access key id and the secret access key are in each other's place");
    else if (!word || id->value.length < 16 || id->value.length > 128)
        pq_aws_problem(file, id->line, "it looks like AKIA followed by 16 letters and digits",
                       "this is not an access key id");
    else if (pq_aws_slice_starts(id->value, "ASIA") && !has_token)
        pq_aws_problem(file, id->line, "add aws_session_token, or use a long-lived key (AKIA…)",
                       "a temporary key (ASIA…) without its aws_session_token");
}

/* When some login tools write that a session ends; they do not agree on a name. */
static time_t expiry_of(const pq_aws_ini *file, size_t section)
{
    static const char *const names[] = {"x_security_token_expires", "aws_session_expiration", "aws_expiration",
                                        "expiration"};
    time_t expires = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names && !expires; i++) {
        const pq_aws_setting *item = pq_aws_ini_find(file, section, names[i]);
        PQ_AUTO_FREE char *text = item ? pq_strndup(item->value.at, item->value.length) : NULL;
        if (text && !pq_time_parse(text, &expires))
            expires = 0;
    }
    return expires;
}

bool pq_aws_section_keys(pq_aws_ini *file, size_t section, pq_aws_keys *out)
{
    *out = (pq_aws_keys){0};
    const pq_aws_setting *id = pq_aws_ini_find(file, section, "aws_access_key_id");
    const pq_aws_setting *secret = pq_aws_ini_find(file, section, "aws_secret_access_key");
    const pq_aws_setting *token = pq_aws_ini_find(file, section, "aws_session_token");
    if (!token)
        token = pq_aws_ini_find(file, section, "aws_security_token"); /* its name before 2014 */
    size_t before = file->problems;
    if (!id)
        missing(file, section, "aws_access_key_id");
    if (!secret)
        missing(file, section, "aws_secret_access_key");
    bool sound = id && value_is_sound(file, id, "aws_access_key_id");
    if (secret && !value_is_sound(file, secret, "aws_secret_access_key"))
        sound = false;
    if (token && !value_is_sound(file, token, "aws_session_token"))
        sound = false;
    if (sound)
        check_key_id(file, id, secret, token != NULL);
    if (file->problems > before || !id || !secret)
        return false;
    *out = (pq_aws_keys){.access_key_id = pq_strndup(id->value.at, id->value.length),
                         .secret_access_key = pq_secret_new(secret->value.at, secret->value.length),
                         .session_token = token ? pq_secret_new(token->value.at, token->value.length) : NULL,
                         .expires = token ? expiry_of(file, section) : 0};
    return true;
}
