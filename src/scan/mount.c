#include "scan/mount.h"

#include <string.h>

#include "base/limits.h"
#include "base/text.h"

static bool refuse(pq_error *err, const char *what)
{
    return pq_fail(err, PQ_EINPUT, NULL, NULL, "--mount: %s", what);
}

/* Comma-separated fields, RFC 4180: a field in quotes may hold commas, and quotes doubled. */
static bool split_fields(const char *text, pq_strings *out, pq_error *err)
{
    for (;;) {
        PQ_AUTO_BUF field = PQ_BUF(PQ_MAX_TREE_FILE);
        if (*text == '"') {
            for (text++; *text && !(text[0] == '"' && text[1] != '"'); text++) {
                if (*text == '"')
                    text++;
                pq_buf_addc(&field, *text);
            }
            if (!*text)
                return refuse(err, "a quote is not closed");
            text++;
            if (*text && *text != ',')
                return refuse(err, "a quote ends within a field");
        } else {
            size_t length = strcspn(text, ",");
            if (memchr(text, '"', length))
                return refuse(err, "a quote stands within a field");
            pq_buf_add(&field, text, length);
            text += length;
        }
        pq_strings_take(out, pq_buf_steal(&field));
        if (!*text)
            return true;
        text++;
    }
}

static bool is_one_of(const char *word, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(word, list[i]) == 0)
            return true;
    return false;
}

static const char *const types[] = {"bind", "cache", "tmpfs", "secret", "ssh"};
static const char *const keys[] = {"type",     "from", "source",    "src", "target",   "dst",  "destination",
                                   "readonly", "ro",   "readwrite", "rw",  "required", "size", "id",
                                   "sharing",  "mode", "uid",       "gid", "env"};
static const char *const switches[] = {"readonly", "ro", "readwrite", "rw", "required"};
#define COUNT(list) (sizeof(list) / sizeof *(list))

/* What decides about images and secrets, and what only some types may have. */
typedef struct fields {
    const char *type, *from, *source, *target, *id;
    const char *sharing, *required, *size, *owner; /* owner: the last of mode, uid, gid */
} fields;

static bool has_variable(const char *value)
{
    return value && strchr(value, '$');
}

static bool is_truth(const char *value)
{
    static const char *const truths[] = {"1", "t", "T", "TRUE",  "true",  "True",
                                         "0", "f", "F", "FALSE", "false", "False"};
    return is_one_of(value, truths, COUNT(truths));
}

/* Whether the value is one that the key may have, as far as it can be known. */
static bool value_fits(const char *key, const char *value)
{
    static const char *const sharing[] = {"shared", "private", "locked"};
    if (has_variable(value))
        return true;
    if (is_one_of(key, switches, COUNT(switches)))
        return is_truth(value);
    if (strcmp(key, "sharing") == 0) {
        PQ_AUTO_FREE char *lower = pq_strdup(value);
        pq_ascii_lower_in_place(lower);
        return is_one_of(lower, sharing, COUNT(sharing));
    }
    if (strcmp(key, "mode") == 0)
        return *value && strspn(value, "01234567") == strlen(value);
    if (strcmp(key, "uid") == 0 || strcmp(key, "gid") == 0)
        return *value && strspn(value, "0123456789") == strlen(value);
    return true;
}

static bool take_field(char *field, fields *out, pq_error *err)
{
    char *equals = strchr(field, '=');
    if (equals)
        *equals = '\0';
    pq_ascii_lower_in_place(field);
    const char *value = equals ? equals + 1 : NULL;
    if (!is_one_of(field, keys, COUNT(keys))) {
        const char *near = pq_nearest(field, keys, COUNT(keys));
        PQ_AUTO_FREE char *hint = near ? pq_asprintf("did you mean %s?", near) : NULL;
        return pq_fail(err, PQ_EINPUT, NULL, hint, "--mount: unknown key");
    }
    if (strcmp(field, "required") == 0)
        out->required = field;
    if (value && !value_fits(field, value))
        return pq_fail(err, PQ_EINPUT, NULL, NULL, "--mount: invalid value for %s", field);
    if (!value)
        return is_one_of(field, switches, COUNT(switches)) || refuse(err, "a field is not key=value");
    if (strcmp(field, "type") == 0)
        out->type = value;
    else if (strcmp(field, "from") == 0)
        out->from = value;
    else if (strcmp(field, "source") == 0 || strcmp(field, "src") == 0)
        out->source = value;
    else if (strcmp(field, "target") == 0 || strcmp(field, "dst") == 0 || strcmp(field, "destination") == 0)
        out->target = value;
    else if (strcmp(field, "id") == 0)
        out->id = value;
    else if (strcmp(field, "sharing") == 0)
        out->sharing = value;
    else if (strcmp(field, "size") == 0)
        out->size = field;
    else if (strcmp(field, "mode") == 0 || strcmp(field, "uid") == 0 || strcmp(field, "gid") == 0)
        out->owner = field;
    return true;
}

static bool given(const char *value)
{
    return value && *value;
}

static bool settle_secret(const fields *found, pq_mount *out, pq_error *err)
{
    if (given(found->from))
        return refuse(err, "a secret mount has no from");
    if (given(found->source) && given(found->id))
        return refuse(err, "a secret mount has either source or id");
    const char *id = given(found->source) ? found->source : found->id;
    const char *target = given(found->target) ? strrchr(found->target, '/') : NULL;
    if (!given(id))
        id = target ? target + 1 : found->target;
    if (!given(id))
        return refuse(err, "a secret mount needs an id or a target");
    out->secret = has_variable(id) ? NULL : pq_strdup(id);
    return true;
}

static bool keys_fit(const fields *found, const char *type, pq_error *err)
{
    bool cache = strcmp(type, "cache") == 0, tmpfs = strcmp(type, "tmpfs") == 0;
    bool given_by_caller = strcmp(type, "secret") == 0 || strcmp(type, "ssh") == 0;
    const char *wrong = found->required && !given_by_caller          ? found->required
                        : found->size && !tmpfs                      ? found->size
                        : found->owner && !cache && !given_by_caller ? found->owner
                        : given(found->sharing) && !cache            ? "sharing"
                                                                     : NULL;
    return !wrong || pq_fail(err, PQ_EINPUT, NULL, NULL, "--mount: a mount of type %s has no %s", type, wrong);
}

bool pq_mount_parse(const char *text, pq_mount *out, pq_error *err)
{
    PQ_AUTO_STRINGS list = {0};
    if (!split_fields(text, &list, err))
        return false;
    fields found = {.type = "bind"};
    for (size_t i = 0; i < list.count; i++)
        if (!take_field(list.at[i], &found, err))
            return false;
    const char *dollar = found.from ? strchr(found.from, '$') : NULL;
    if (dollar && dollar[1])
        return pq_fail(err, PQ_EINPUT, NULL, "name a stage: FROM with the variable, AS a name",
                       "--mount: from does not take variables");
    PQ_AUTO_FREE char *type = pq_strdup(found.type);
    pq_ascii_lower_in_place(type);
    if (!has_variable(type) && !is_one_of(type, types, COUNT(types)))
        return pq_fail(err, PQ_EINPUT, NULL, "bind, cache, tmpfs, secret or ssh", "--mount: unknown type");
    if (!has_variable(type) && !keys_fit(&found, type, err))
        return false;
    if (strcmp(type, "secret") == 0 && !settle_secret(&found, out, err))
        return false;
    out->type = pq_steal(type);
    out->from = given(found.from) ? pq_strdup(found.from) : NULL;
    return true;
}

void pq_mount_clear(pq_mount *mount)
{
    free(mount->type);
    free(mount->from);
    free(mount->secret);
    *mount = (pq_mount){0};
}
