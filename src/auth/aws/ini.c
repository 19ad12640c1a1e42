#include "auth/aws/ini.h"

#include <string.h>

#include "base/buf.h"

enum { MAX_SECTIONS = 1000, MAX_SETTINGS = 5000 };

static const char get_keys[] = "write aws_access_key_id and aws_secret_access_key, as `aws configure` does";

void pq_aws_ini_clear(pq_aws_ini *file)
{
    free(file->where);
    free(file->sections);
    free(file->settings);
    *file = (pq_aws_ini){0};
}

pq_aws_slice pq_aws_slice_trim(pq_aws_slice text)
{
    while (text.length && pq_ascii_space(text.at[0])) {
        text.at++;
        text.length--;
    }
    while (text.length && pq_ascii_space(text.at[text.length - 1]))
        text.length--;
    return text;
}

bool pq_aws_slice_is(pq_aws_slice text, const char *word)
{
    return text.length == strlen(word) && memcmp(text.at, word, text.length) == 0;
}

bool pq_aws_slice_is_nocase(pq_aws_slice text, const char *word)
{
    if (text.length != strlen(word))
        return false;
    for (size_t i = 0; i < text.length; i++)
        if (pq_ascii_lower(text.at[i]) != word[i])
            return false;
    return true;
}

static bool slices_equal(pq_aws_slice a, pq_aws_slice b, bool nocase)
{
    if (a.length != b.length)
        return false;
    for (size_t i = 0; i < a.length; i++)
        if (nocase ? pq_ascii_lower(a.at[i]) != pq_ascii_lower(b.at[i]) : a.at[i] != b.at[i])
            return false;
    return true;
}

bool pq_aws_slice_starts(pq_aws_slice text, const char *prefix)
{
    return text.length >= strlen(prefix) && memcmp(text.at, prefix, strlen(prefix)) == 0;
}

void pq_aws_problem(pq_aws_ini *file, size_t line, const char *hint, const char *format, ...)
{
    if (++file->problems > PQ_AWS_MAX_PROBLEMS) {
        if (file->problems == PQ_AWS_MAX_PROBLEMS + 1)
            (void)pq_errors_add(file->errors, PQ_ECONFIG, file->where, NULL, "and more problems");
        return;
    }
    PQ_AUTO_FREE char *place = line ? pq_asprintf("%s:%zu", file->where, line) : pq_strdup(file->where);
    va_list arguments;
    va_start(arguments, format);
    PQ_AUTO_FREE char *message = pq_vasprintf(format, arguments);
    va_end(arguments);
    (void)pq_errors_add(file->errors, PQ_ECONFIG, place, hint, "%s", message);
}

/* What else people put there. True when it was recognised (and reported). */
static bool is_something_else(pq_aws_ini *file, pq_aws_slice text)
{
    const char *nul = memchr(text.at, '\0', text.length);
    if (pq_aws_slice_starts(text, "\xff\xfe") || pq_aws_slice_starts(text, "\xfe\xff"))
        pq_aws_problem(file, 0, "save it as UTF-8; PowerShell's `>` writes UTF-16", "the file is UTF-16");
    else if (nul || !pq_utf8_valid(text.at, text.length))
        pq_aws_problem(file, 0, NULL, "not an AWS credentials file: not text in UTF-8");
    else if (pq_aws_slice_trim(text).length == 0 && file->may_be_empty)
        return true;
    else if (pq_aws_slice_trim(text).length == 0)
        pq_aws_problem(file, 0, get_keys, "the credentials file is empty");
    else if (pq_aws_slice_trim(text).at[0] == '{' && memmem(text.at, text.length, "\"AccessKey\"", 11))
        pq_aws_problem(file, 0, "write [default], aws_access_key_id = … and aws_secret_access_key = … from it",
                       "this is the JSON that `aws iam create-access-key` prints, not a credentials file");
    else if (pq_aws_slice_trim(text).at[0] == '{' && memmem(text.at, text.length, "\"Credentials\"", 13))
        pq_aws_problem(
            file, 0,
            "write [default], aws_access_key_id = …, aws_secret_access_key = … and aws_session_token = … from it",
            "this is the JSON that `aws sts` prints, not a credentials file");
    else if (pq_aws_slice_trim(text).at[0] == '{')
        pq_aws_problem(file, 0, get_keys, "this is JSON, not an AWS credentials file");
    else
        return false;
    return true;
}

static bool is_csv_of_the_console(pq_aws_slice line)
{
    static const char heads[] = "access key id,secret access key";
    const size_t width = sizeof heads - 1;
    for (size_t i = 0; i + width <= line.length; i++)
        if (pq_aws_slice_is_nocase((pq_aws_slice){line.at + i, width}, heads))
            return true;
    return false;
}

static void add_section(pq_aws_ini *file, pq_aws_slice line, size_t number)
{
    file->in_value = false;
    const char *end = memrchr(line.at, ']', line.length);
    pq_aws_slice name = {line.at + 1, end ? (size_t)(end - line.at - 1) : 0};
    if (!name.length)
        pq_aws_problem(file, number, "write [name]",
                       end ? "a profile without a name" : "a profile line without its closing ]");
    for (size_t i = 0; name.length && i < file->section_count; i++)
        if (slices_equal(name, file->sections[i].name, false)) {
            pq_aws_problem(file, number, "keep one of the two", "this profile stands already in line %zu",
                           file->sections[i].line);
            break;
        }
    file->sections = pq_grow(file->sections, &file->section_capacity, file->section_count + 1, sizeof *file->sections);
    file->sections[file->section_count++] = (pq_aws_section){.name = name, .line = number};
}

static void add_setting(pq_aws_ini *file, pq_aws_slice line, size_t number)
{
    file->in_value = false;
    size_t width = 0;
    while (width < line.length && line.at[width] != '=' && line.at[width] != ':')
        width++;
    pq_aws_slice name = pq_aws_slice_trim((pq_aws_slice){line.at, width});
    if (width == line.length || !name.length) {
        pq_aws_problem(file, number, "write name = value", "neither a [profile], a setting nor a comment");
        return;
    }
    for (size_t i = file->setting_count; i-- && file->settings[i].section == file->section_count - 1;)
        if (slices_equal(name, file->settings[i].name, true)) {
            pq_aws_problem(file, number, "keep one of the two", "this setting stands already in line %zu",
                           file->settings[i].line);
            break;
        }
    file->settings = pq_grow(file->settings, &file->setting_capacity, file->setting_count + 1, sizeof *file->settings);
    file->settings[file->setting_count++] =
        (pq_aws_setting){.name = name,
                         .value = pq_aws_slice_trim((pq_aws_slice){line.at + width + 1, line.length - width - 1}),
                         .section = file->section_count - 1,
                         .line = number};
    file->in_value = true;
}

/* False when there is no sense in reading on. */
static bool add_line(pq_aws_ini *file, pq_aws_slice raw, size_t number)
{
    pq_aws_slice line = pq_aws_slice_trim(raw);
    if (!line.length || line.at[0] == '#' || line.at[0] == ';')
        return true;
    size_t indent = (size_t)(line.at - raw.at);
    if (file->in_value && indent > file->indent) {
        pq_aws_setting *last = &file->settings[file->setting_count - 1];
        last->continued = true;
        if (!last->value.length && !memchr(line.at, '=', line.length))
            pq_aws_problem(file, number, "write name = value", "a nested setting without =");
        return true;
    }
    file->indent = indent;
    if (line.at[0] == '[') {
        add_section(file, line, number);
    } else if (file->section_count) {
        add_setting(file, line, number);
    } else if (is_csv_of_the_console(line)) {
        pq_aws_problem(file, number, "write [default], aws_access_key_id = … and aws_secret_access_key = … from it",
                       "this is the CSV file of the AWS console, not a credentials file");
        return false;
    } else {
        pq_aws_problem(file, number, "put [default] in front", "a line stands before the first [profile]");
        return false;
    }
    if (file->section_count <= MAX_SECTIONS && file->setting_count <= MAX_SETTINGS)
        return true;
    pq_aws_problem(file, number, NULL, "more than %d profiles or %d settings", MAX_SECTIONS, MAX_SETTINGS);
    return false;
}

static void read_lines(pq_aws_ini *file, pq_aws_slice text)
{
    size_t number = 1;
    for (size_t at = 0; at < text.length; number++) {
        size_t width = 0;
        while (at + width < text.length && text.at[at + width] != '\n' && text.at[at + width] != '\r')
            width++;
        if (!add_line(file, (pq_aws_slice){text.at + at, width}, number))
            return;
        at += width;
        if (at < text.length)
            at += at + 1 < text.length && text.at[at] == '\r' && text.at[at + 1] == '\n' ? 2 : 1;
    }
    if (!file->section_count && !file->problems && !file->may_be_empty)
        pq_aws_problem(file, 0, get_keys, "the credentials file has no profile, only comments");
}

void pq_aws_ini_read(pq_aws_ini *out, const void *bytes, size_t length)
{
    pq_aws_slice text = {bytes, length};
    if (pq_aws_slice_starts(text, "\xef\xbb\xbf"))
        text = (pq_aws_slice){text.at + 3, text.length - 3};
    if (!is_something_else(out, text))
        read_lines(out, text);
}

const pq_aws_setting *pq_aws_ini_find(const pq_aws_ini *file, size_t section, const char *name)
{
    for (size_t i = 0; i < file->setting_count; i++)
        if (file->settings[i].section == section && pq_aws_slice_is_nocase(file->settings[i].name, name))
            return &file->settings[i];
    return NULL;
}
