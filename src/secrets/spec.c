#include "secrets/spec.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "secrets/name.h"

static const char forms[] = "write NAME=VALUE, NAME==FILE, NAME=- or NAME=, and put quotes around a value with blanks";

static bool named_before(const pq_secret_specs *specs, const char *name)
{
    for (size_t i = 0; i < specs->count; i++)
        if (pq_streq(specs->at[i].name, name))
            return true;
    return false;
}

static bool stdin_before(const pq_secret_specs *specs)
{
    for (size_t i = 0; i < specs->count; i++)
        if (specs->at[i].kind == PQ_SPEC_STDIN)
            return true;
    return false;
}

static bool parse_one(char *argument, size_t place, pq_secret_specs *specs, pq_errors *errors)
{
    char *equals = strchr(argument, '=');
    PQ_AUTO_FREE char *name = equals ? pq_strndup(argument, (size_t)(equals - argument)) : NULL;
    if (!name || !pq_secret_name_valid(name)) {
        explicit_bzero(argument, strlen(argument));
        if (!name)
            return pq_errors_add(errors, PQ_EUSAGE, NULL, forms, "argument %zu has no '='", place);
        explicit_bzero(name, strlen(name));
        return pq_errors_add(errors, PQ_EUSAGE, NULL,
                             "use letters, digits, dots, underscores and hyphens, and no leading dot",
                             "argument %zu has a name that a secret cannot have", place);
    }
    char *text = equals + 1;
    pq_secret_spec spec = {.kind = *text == '\0'            ? PQ_SPEC_REMOVE
                                   : *text == '='           ? PQ_SPEC_FILE
                                   : strcmp(text, "-") == 0 ? PQ_SPEC_STDIN
                                                            : PQ_SPEC_VALUE};
    if (spec.kind == PQ_SPEC_VALUE)
        spec.value = pq_secret_new(text, strlen(text));
    else if (spec.kind == PQ_SPEC_FILE)
        spec.file = pq_strdup(text + 1);
    explicit_bzero(text, strlen(text));

    bool good = true;
    if (named_before(specs, name))
        good = pq_errors_add(errors, PQ_EUSAGE, NULL, NULL, "argument %zu names a secret that an earlier one names",
                             place);
    if (spec.kind == PQ_SPEC_FILE && *spec.file == '\0')
        good = pq_errors_add(errors, PQ_EUSAGE, NULL, forms, "argument %zu names no file after '=='", place);
    if (spec.kind == PQ_SPEC_STDIN && stdin_before(specs))
        good = pq_errors_add(errors, PQ_EUSAGE, NULL, NULL,
                             "argument %zu reads the standard input, which an earlier one reads already", place);
    spec.name = pq_steal(name);
    specs->at = pq_grow(specs->at, &specs->capacity, specs->count + 1, sizeof *specs->at);
    specs->at[specs->count++] = spec;
    return good;
}

bool pq_secret_specs_parse(char **arguments, size_t count, pq_secret_specs *out, pq_errors *errors)
{
    bool good = true;
    for (size_t i = 0; i < count; i++)
        if (!parse_one(arguments[i], i + 1, out, errors))
            good = false;
    if (count == 0)
        return pq_errors_add(errors, PQ_EUSAGE, NULL, forms, "there is nothing to update");
    return good;
}

static bool load_fd(int fd, const char *where, pq_secret **out, pq_error *err)
{
    PQ_AUTO_BUF bytes = PQ_SENSITIVE_BUF(PQ_MAX_SECRET);
    if (!pq_read_fd(fd, where, &bytes, err))
        return false;
    if (bytes.length == 0) /* most likely a pipeline that failed */
        return pq_fail(err, PQ_EINPUT, where, "NAME= removes a secret", "is empty, and an empty secret is not stored");
    *out = pq_secret_from_buf(&bytes);
    return true;
}

/* Not pq_read_file(): the user may well name a pipe, as in NAME==<(command). */
static bool load_file(const char *path, pq_secret **out, pq_error *err)
{
    PQ_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    struct stat status;
    if (fd < 0 && errno == ENOENT)
        return pq_fail(err, PQ_EINPUT, path, NULL, "no such file");
    if (fd < 0 || fstat(fd, &status) != 0)
        return pq_fail_errno(err, path, "cannot open");
    if (S_ISDIR(status.st_mode))
        return pq_fail(err, PQ_EINPUT, path, NULL, "is a folder, not a file");
    return load_fd(fd, path, out, err);
}

bool pq_secret_specs_load(pq_secret_specs *specs, int stdin_fd, pq_errors *errors)
{
    bool good = true;
    for (size_t i = 0; i < specs->count; i++) {
        pq_secret_spec *spec = &specs->at[i];
        PQ_AUTO_ERROR err = {0};
        if (spec->value || spec->kind == PQ_SPEC_REMOVE || spec->kind == PQ_SPEC_VALUE)
            continue;
        if (spec->kind == PQ_SPEC_FILE ? load_file(spec->file, &spec->value, &err)
                                       : load_fd(stdin_fd, "standard input", &spec->value, &err))
            continue;
        pq_errors_take(errors, &err);
        good = false;
    }
    return good;
}

bool pq_secret_specs_store(pq_secret_specs *specs, const pq_strings *hosts, pq_store *store, pq_error *err)
{
    PQ_AUTO_FREE pq_store_change *changes = pq_alloc(specs->count, sizeof *changes);
    for (size_t i = 0; i < specs->count; i++)
        changes[i] = (pq_store_change){.name = specs->at[i].name, .value = specs->at[i].value, .hosts = hosts};
    if (!pq_store_update(store, changes, specs->count, err))
        return false;
    for (size_t i = 0; i < specs->count; i++) {
        specs->at[i].existed = changes[i].existed;
        if (!changes[i].value && !changes[i].existed)
            pq_warn(pq_store_path(store), NULL, "there was no secret named %s to remove", changes[i].name);
    }
    return true;
}

void pq_secret_specs_clear(pq_secret_specs *specs)
{
    for (size_t i = 0; i < specs->count; i++) {
        free(specs->at[i].name);
        free(specs->at[i].file);
        pq_secret_free(specs->at[i].value);
    }
    free(specs->at);
    *specs = (pq_secret_specs){0};
}
