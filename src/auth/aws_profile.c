#include "auth/aws_profile.h"

#include <string.h>

#include "base/limits.h"
#include "base/log.h"

enum { MAX_SECTIONS = 1000, MAX_SETTINGS = 5000, MAX_PROBLEMS = 20, MAX_NAMES_SHOWN = 20 };

static const char get_keys[] = "write aws_access_key_id and aws_secret_access_key, as `aws configure` does";

/* Bytes of the secret, borrowed: nothing of it is copied but what is asked for. */
typedef struct slice {
    const char *at;
    size_t length;
} slice;

typedef struct setting {
    slice name, value;
    size_t section, line;
    bool continued; /* indented lines follow and belong to the value */
} setting;

typedef struct section {
    slice name;
    size_t line;
} section;

typedef struct ini {
    const char *where;
    pq_errors *errors;
    section *sections;
    size_t section_count, section_capacity;
    setting *settings;
    size_t setting_count, setting_capacity;
    size_t indent;   /* of the line that began the last section or setting */
    bool in_value;   /* a deeper line would continue the last setting */
    size_t problems; /* found so far */
} ini;

static void ini_clear(ini *file)
{
    free(file->sections);
    free(file->settings);
}

static slice trim(slice text)
{
    while (text.length && pq_ascii_space(text.at[0])) {
        text.at++;
        text.length--;
    }
    while (text.length && pq_ascii_space(text.at[text.length - 1]))
        text.length--;
    return text;
}

static bool slice_is(slice text, const char *word)
{
    return text.length == strlen(word) && memcmp(text.at, word, text.length) == 0;
}

static bool slice_is_nocase(slice text, const char *word)
{
    if (text.length != strlen(word))
        return false;
    for (size_t i = 0; i < text.length; i++)
        if (pq_ascii_lower(text.at[i]) != word[i])
            return false;
    return true;
}

static bool slices_equal(slice a, slice b, bool nocase)
{
    if (a.length != b.length)
        return false;
    for (size_t i = 0; i < a.length; i++)
        if (nocase ? pq_ascii_lower(a.at[i]) != pq_ascii_lower(b.at[i]) : a.at[i] != b.at[i])
            return false;
    return true;
}

static bool slice_starts(slice text, const char *prefix)
{
    return text.length >= strlen(prefix) && memcmp(text.at, prefix, strlen(prefix)) == 0;
}

/* One problem; a line of 0 means the whole file. */
static void problem(ini *file, size_t line, const char *hint, const char *format, ...) PQ_PRINTF(4, 5);

static void problem(ini *file, size_t line, const char *hint, const char *format, ...)
{
    if (++file->problems > MAX_PROBLEMS)
        return;
    PQ_AUTO_FREE char *place = line ? pq_asprintf("%s:%zu", file->where, line) : pq_strdup(file->where);
    va_list arguments;
    va_start(arguments, format);
    PQ_AUTO_FREE char *message = pq_vasprintf(format, arguments);
    va_end(arguments);
    (void)pq_errors_add(file->errors, PQ_ECONFIG, place, hint, "%s", message);
}

/* What else people put into the secret. True when it was recognised (and reported). */
static bool is_something_else(ini *file, slice text)
{
    const char *nul = memchr(text.at, '\0', text.length);
    if (slice_starts(text, "\xff\xfe") || slice_starts(text, "\xfe\xff"))
        problem(file, 0, "save it as UTF-8; PowerShell's `>` writes UTF-16", "the file is UTF-16");
    else if (nul || !pq_utf8_valid(text.at, text.length))
        problem(file, 0, NULL, "not an AWS credentials file: not text in UTF-8");
    else if (trim(text).length == 0)
        problem(file, 0, get_keys, "the credentials file is empty");
    else if (trim(text).at[0] == '{' && memmem(text.at, text.length, "\"AccessKey\"", 11))
        problem(file, 0, "write [default], aws_access_key_id = … and aws_secret_access_key = … from it",
                "this is the JSON that `aws iam create-access-key` prints, not a credentials file");
    else if (trim(text).at[0] == '{' && memmem(text.at, text.length, "\"Credentials\"", 13))
        problem(file, 0,
                "write [default], aws_access_key_id = …, aws_secret_access_key = … and aws_session_token = … from it",
                "this is the JSON that `aws sts` prints, not a credentials file");
    else if (trim(text).at[0] == '{')
        problem(file, 0, get_keys, "this is JSON, not an AWS credentials file");
    else
        return false;
    return true;
}

static bool is_csv_of_the_console(slice line)
{
    static const char heads[] = "access key id,secret access key";
    const size_t width = sizeof heads - 1;
    for (size_t i = 0; i + width <= line.length; i++)
        if (slice_is_nocase((slice){line.at + i, width}, heads))
            return true;
    return false;
}

static void add_section(ini *file, slice line, size_t number)
{
    file->in_value = false;
    const char *end = memrchr(line.at, ']', line.length);
    slice name = {line.at + 1, end ? (size_t)(end - line.at - 1) : 0};
    if (!name.length)
        problem(file, number, "write [name]",
                end ? "a profile without a name" : "a profile line without its closing ]");
    for (size_t i = 0; name.length && i < file->section_count; i++)
        if (slices_equal(name, file->sections[i].name, false)) {
            problem(file, number, "keep one of the two", "this profile stands already in line %zu",
                    file->sections[i].line);
            break;
        }
    file->sections = pq_grow(file->sections, &file->section_capacity, file->section_count + 1, sizeof *file->sections);
    file->sections[file->section_count++] = (section){.name = name, .line = number};
}

static void add_setting(ini *file, slice line, size_t number)
{
    file->in_value = false;
    size_t width = 0;
    while (width < line.length && line.at[width] != '=' && line.at[width] != ':')
        width++;
    slice name = trim((slice){line.at, width});
    if (width == line.length || !name.length) {
        problem(file, number, "write name = value", "neither a [profile], a setting nor a comment");
        return;
    }
    for (size_t i = file->setting_count; i-- && file->settings[i].section == file->section_count - 1;)
        if (slices_equal(name, file->settings[i].name, true)) {
            problem(file, number, "keep one of the two", "this setting stands already in line %zu",
                    file->settings[i].line);
            break;
        }
    file->settings = pq_grow(file->settings, &file->setting_capacity, file->setting_count + 1, sizeof *file->settings);
    file->settings[file->setting_count++] =
        (setting){.name = name,
                  .value = trim((slice){line.at + width + 1, line.length - width - 1}),
                  .section = file->section_count - 1,
                  .line = number};
    file->in_value = true;
}

/* False when there is no sense in reading on. */
static bool add_line(ini *file, slice raw, size_t number)
{
    slice line = trim(raw);
    if (!line.length || line.at[0] == '#' || line.at[0] == ';')
        return true;
    size_t indent = (size_t)(line.at - raw.at);
    if (file->in_value && indent > file->indent) {
        setting *last = &file->settings[file->setting_count - 1];
        last->continued = true;
        if (!last->value.length && !memchr(line.at, '=', line.length))
            problem(file, number, "write name = value", "a nested setting without =");
        return true;
    }
    file->indent = indent;
    if (line.at[0] == '[') {
        add_section(file, line, number);
    } else if (file->section_count) {
        add_setting(file, line, number);
    } else if (is_csv_of_the_console(line)) {
        problem(file, number, "write [default], aws_access_key_id = … and aws_secret_access_key = … from it",
                "this is the CSV file of the AWS console, not a credentials file");
        return false;
    } else {
        problem(file, number, "put [default] in front", "a line stands before the first [profile]");
        return false;
    }
    if (file->section_count <= MAX_SECTIONS && file->setting_count <= MAX_SETTINGS)
        return true;
    problem(file, number, NULL, "more than %d profiles or %d settings", MAX_SECTIONS, MAX_SETTINGS);
    return false;
}

static void read_lines(ini *file, slice text)
{
    size_t number = 1;
    for (size_t at = 0; at < text.length; number++) {
        size_t width = 0;
        while (at + width < text.length && text.at[at + width] != '\n' && text.at[at + width] != '\r')
            width++;
        if (!add_line(file, (slice){text.at + at, width}, number))
            return;
        at += width;
        if (at < text.length)
            at += at + 1 < text.length && text.at[at] == '\r' && text.at[at + 1] == '\n' ? 2 : 1;
    }
    if (!file->section_count && !file->problems)
        problem(file, 0, get_keys, "the credentials file has no profile, only comments");
}

static char *profile_names(const ini *file)
{
    PQ_AUTO_BUF names = PQ_BUF(PQ_MAX_MESSAGE);
    for (size_t i = 0; i < file->section_count && i < MAX_NAMES_SHOWN; i++) {
        slice name = file->sections[i].name;
        bool odd = name.length != trim(name).length;
        pq_buf_adds(&names, i ? ", " : "");
        pq_buf_adds(&names, odd ? "\"" : "");
        pq_buf_add_printable(&names, name.at, name.length < 100 ? name.length : 100);
        pq_buf_adds(&names, odd ? "\" (with blanks)" : "");
    }
    if (file->section_count > MAX_NAMES_SHOWN)
        pq_buf_adds(&names, ", …");
    return pq_buf_steal(&names);
}

static const section *find_profile(ini *file, const char *profile)
{
    for (size_t i = 0; i < file->section_count; i++)
        if (slice_is(file->sections[i].name, profile))
            return &file->sections[i];
    PQ_AUTO_FREE char *config_name = pq_asprintf("profile %s", profile);
    for (size_t i = 0; i < file->section_count; i++)
        if (slice_is(file->sections[i].name, config_name)) {
            PQ_AUTO_FREE char *hint =
                pq_asprintf("put ~/.aws/credentials into the secret, where the profile is [%s]", profile);
            problem(file, file->sections[i].line, hint,
                    "[profile …] is the form of ~/.aws/config, not of a credentials file");
            return NULL;
        }
    PQ_AUTO_FREE char *names = profile_names(file);
    problem(file, 0, "set `profile` of the registry's entry to one that is there, or add it",
            "no profile %s; there are: %s", profile, names);
    return NULL;
}

static const setting *find_setting(const ini *file, const section *profile, const char *name)
{
    size_t index = (size_t)(profile - file->sections);
    for (size_t i = 0; i < file->setting_count; i++)
        if (file->settings[i].section == index && slice_is_nocase(file->settings[i].name, name))
            return &file->settings[i];
    return NULL;
}

/* The line of a setting whose name seems to be meant for `wanted`, or 0. */
static size_t find_misspelt(const ini *file, const section *profile, const char *wanted)
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
    size_t index = (size_t)(profile - file->sections);
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

static bool value_has_blank(slice value)
{
    for (size_t i = 0; i < value.length; i++)
        if (value.at[i] <= ' ' || value.at[i] > '~')
            return true;
    return false;
}

/* False, with a problem, when the value cannot be what its name says. */
static bool value_is_sound(ini *file, const setting *item, const char *name)
{
    slice value = item->value;
    if (item->continued)
        problem(file, item->line, "take the blanks away from the start of the next line",
                "the line after %s is indented, which makes it a part of the value", name);
    else if (!value.length)
        problem(file, item->line, NULL, "%s has no value", name);
    else if (value.at[0] == '"' || value.at[0] == '\'')
        problem(file, item->line, "write it without quotes", "the value of %s is in quotes, which would be part of it",
                name);
    else if (value.at[0] == '$' || value.at[0] == '<')
        problem(file, item->line, "put the real value there; nothing is expanded in a secret",
                "the value of %s is a placeholder", name);
    else if (value_has_blank(value))
        problem(file, item->line, "a comment needs a line of its own",
                "the value of %s has blanks or bytes that no key has", name);
    else
        return true;
    return false;
}

static void missing(ini *file, const section *profile, const char *name)
{
    size_t line = find_misspelt(file, profile, name);
    PQ_AUTO_FREE char *misspelt = line ? pq_asprintf("line %zu seems to be meant for it", line) : NULL;
    problem(file, profile->line, misspelt ? misspelt : get_keys, "profile %.*s has no %s", (int)profile->name.length,
            profile->name.at, name);
}

/* The settings that would have us run a program, read another file or ask another service. */
static void check_elsewhere(ini *file, const section *profile, bool has_keys)
{
    static const char *const names[] = {"credential_process", "credential_source", "web_identity_token_file",
                                        "sso_session",        "sso_start_url",     "sso_account_id"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const setting *item = find_setting(file, profile, names[i]);
        if (!item)
            continue;
        if (!has_keys) {
            problem(file, item->line, get_keys, "%s is not followed from inside a secret: a secret is not code",
                    names[i]);
            continue;
        }
        PQ_AUTO_FREE char *place = pq_asprintf("%s:%zu", file->where, item->line);
        pq_warn(place, NULL, "%s is left alone: the keys of the profile are used", names[i]);
    }
}

static void check_key_id(ini *file, const setting *id, const setting *secret, bool has_token)
{
    bool word = true;
    for (size_t i = 0; i < id->value.length; i++)
        word = word && (pq_ascii_alnum(id->value.at[i]) || id->value.at[i] == '_');
    if (secret && (slice_starts(secret->value, "AKIA") || slice_starts(secret->value, "ASIA")) &&
        secret->value.length == 20 && id->value.length == 40)
        problem(file, id->line, "swap the two values",
                "the access key id and the secret access key are in each other's place");
    else if (!word || id->value.length < 16 || id->value.length > 128)
        problem(file, id->line, "it looks like AKIA followed by 16 letters and digits", "this is not an access key id");
    else if (slice_starts(id->value, "ASIA") && !has_token)
        problem(file, id->line, "add aws_session_token, or use a long-lived key (AKIA…)",
                "a temporary key (ASIA…) without its aws_session_token");
}

static void read_profile(ini *file, const section *profile, pq_aws_keys *out)
{
    const setting *role = find_setting(file, profile, "role_arn");
    const setting *id = find_setting(file, profile, "aws_access_key_id");
    const setting *secret = find_setting(file, profile, "aws_secret_access_key");
    const setting *token = find_setting(file, profile, "aws_session_token");
    if (!token)
        token = find_setting(file, profile, "aws_security_token"); /* its name before 2014 */
    size_t before = file->problems;
    check_elsewhere(file, profile, id && secret);
    if (role)
        problem(file, role->line,
                "use a profile with static keys, or put the keys and session token of `aws sts assume-role` there",
                "assuming a role (role_arn) is not built in yet");
    if (file->problems > before)
        return;
    if (!id)
        missing(file, profile, "aws_access_key_id");
    if (!secret)
        missing(file, profile, "aws_secret_access_key");
    bool sound = id && value_is_sound(file, id, "aws_access_key_id");
    if (secret && !value_is_sound(file, secret, "aws_secret_access_key"))
        sound = false;
    if (token && !value_is_sound(file, token, "aws_session_token"))
        sound = false;
    if (sound)
        check_key_id(file, id, secret, token != NULL);
    if (file->problems > before || !id || !secret)
        return;
    out->access_key_id = pq_strndup(id->value.at, id->value.length);
    out->secret_access_key = pq_secret_new(secret->value.at, secret->value.length);
    if (token)
        out->session_token = pq_secret_new(token->value.at, token->value.length);
}

bool pq_aws_profile_read(const pq_secret *secret, const char *where, const char *profile, pq_aws_keys *out,
                         pq_errors *errors)
{
    *out = (pq_aws_keys){0};
    PQ_CLEANUP(ini_clear) ini file = {.where = where, .errors = errors};
    slice text = {pq_secret_bytes(secret), pq_secret_length(secret)};
    if (slice_starts(text, "\xef\xbb\xbf"))
        text = (slice){text.at + 3, text.length - 3};
    if (!is_something_else(&file, text))
        read_lines(&file, text);
    const section *found = file.section_count ? find_profile(&file, profile ? profile : "default") : NULL;
    if (found)
        read_profile(&file, found, out);
    if (file.problems > MAX_PROBLEMS)
        (void)pq_errors_add(errors, PQ_ECONFIG, where, NULL, "and %zu problems more", file.problems - MAX_PROBLEMS);
    if (file.problems == 0)
        return true;
    pq_aws_keys_clear(out);
    return false;
}
