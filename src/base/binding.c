#include "base/binding.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/docker_protocol.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/trust.h"

static const char first_line[] = "pratique binding 1";

void pq_bound_clear(pq_bound *bound)
{
    free(bound->host);
    free(bound->program);
    free(bound->config);
    free(bound->access);
    free(bound->user);
    free(bound->secrets);
    free(bound->secrets_dir);
    free(bound->store);
    free(bound->store_key);
    free(bound->cache);
    free(bound->socket);
    pq_strings_clear(&bound->environment);
    pq_strings_clear(&bound->keys);
    pq_strings_clear(&bound->were);
    *bound = (pq_bound){0};
}

void pq_binding_clear(pq_binding *binding)
{
    for (size_t i = 0; i < binding->count; i++)
        pq_bound_clear(&binding->at[i]);
    free(binding->at);
    *binding = (pq_binding){0};
}

pq_bound *pq_binding_add(pq_binding *binding)
{
    binding->at = pq_grow(binding->at, &binding->capacity, binding->count + 1, sizeof *binding->at);
    binding->at[binding->count] = (pq_bound){0};
    return &binding->at[binding->count++];
}

void pq_binding_remove(pq_binding *binding, const pq_bound *bound)
{
    size_t index = (size_t)(bound - binding->at);
    pq_bound_clear(&binding->at[index]);
    memmove(&binding->at[index], &binding->at[index + 1], (binding->count - index - 1) * sizeof *binding->at);
    binding->at[--binding->count] = (pq_bound){0};
}

pq_bound *pq_binding_find(const pq_binding *binding, const char *host)
{
    for (size_t i = 0; i < binding->count; i++)
        if (pq_streq(binding->at[i].host, host))
            return &binding->at[i];
    return NULL;
}

/* --- the form ----------------------------------------------------------------------------------------------------- */

/* The fields of a block that hold one value. */
static const struct {
    const char *name;
    size_t offset;
    bool needed, path;
} fields[] = {
    {"program", offsetof(pq_bound, program), true, true},
    {"config", offsetof(pq_bound, config), true, true},
    {"access", offsetof(pq_bound, access), true, false},
    {"user", offsetof(pq_bound, user), false, false},
    {"secrets", offsetof(pq_bound, secrets), false, true},
    {"secrets-dir", offsetof(pq_bound, secrets_dir), false, true},
    {"store", offsetof(pq_bound, store), false, true},
    {"store-key", offsetof(pq_bound, store_key), false, true},
    {"cache", offsetof(pq_bound, cache), false, true},
    {"socket", offsetof(pq_bound, socket), false, true},
};
enum { FIELDS = sizeof fields / sizeof *fields };

static char **field_of(pq_bound *bound, size_t index)
{
    return (char **)(void *)((char *)bound + fields[index].offset);
}

static char *const *field_in(const pq_bound *bound, size_t index)
{
    return (char *const *)(const void *)((const char *)bound + fields[index].offset);
}

/* A line of a block: false when it is none, or there twice. */
static bool read_line(pq_bound *bound, const char *name, const char *value)
{
    if (!*value)
        return false; /* what is empty is not written either */
    if (pq_streq(name, "key")) {
        pq_strings_add(&bound->keys, value);
        pq_strings_add(&bound->were, "");
        return true;
    }
    if (pq_streq(name, "was")) {
        if (!bound->were.count || *bound->were.at[bound->were.count - 1])
            return false;
        free(bound->were.at[bound->were.count - 1]);
        bound->were.at[bound->were.count - 1] = pq_strdup(value);
        return true;
    }
    if (pq_streq(name, "environment")) {
        pq_strings_add(&bound->environment, value);
        return true;
    }
    if (pq_streq(name, "device")) {
        bool first = !bound->device;
        bound->device = true;
        return first && pq_streq(value, "yes");
    }
    for (size_t i = 0; i < FIELDS; i++)
        if (pq_streq(name, fields[i].name)) {
            char **field = field_of(bound, i);
            if (*field || (fields[i].path && *value != '/'))
                return false;
            *field = pq_strdup(value);
            return true;
        }
    return false;
}

static bool is_whole(const pq_bound *bound)
{
    for (size_t i = 0; i < FIELDS; i++)
        if (fields[i].needed && !*field_in(bound, i))
            return false;
    return true;
}

typedef struct reading {
    const char *only;
    pq_binding *out;
    pq_bound current; /* without a host before the first block */
    bool ended;
} reading;

static bool end_block(reading *r)
{
    if (!r->current.host)
        return true;
    if (!is_whole(&r->current) || pq_binding_find(r->out, r->current.host))
        return false;
    if (!r->only || pq_streq(r->only, r->current.host)) {
        *pq_binding_add(r->out) = r->current;
        r->current = (pq_bound){0};
    }
    pq_bound_clear(&r->current);
    return true;
}

static bool take_line(reading *r, char *line)
{
    char *space = strchr(line, ' ');
    const char *value = space ? space + 1 : "";
    if (space)
        *space = '\0';
    if (r->ended)
        return false;
    if (pq_streq(line, "end")) {
        r->ended = true;
        return !space && end_block(r);
    }
    if (pq_streq(line, "host")) {
        if (!*value || !end_block(r))
            return false;
        r->current.host = pq_strdup(value);
        return true;
    }
    if (r->current.host)
        return read_line(&r->current, line, value);
    bool *made = pq_streq(value, "file") ? &r->out->made_file : &r->out->made_helpers;
    *made = pq_streq(line, "made");
    return *made && (pq_streq(value, "file") || pq_streq(value, "helpers"));
}

bool pq_binding_parse(const char *bytes, size_t length, const char *name, const char *only, pq_binding *out,
                      pq_error *err)
{
    static const char hint[] = "remove it and run `pratique login` again";
    PQ_AUTO_FREE char *copy = pq_strndup(bytes, length);
    PQ_AUTO_BINDING binding = {0};
    reading r = {.only = only, .out = &binding};
    bool good = !memchr(bytes, '\0', length) && length > 0 && bytes[length - 1] == '\n';
    char *rest = copy;
    for (size_t number = 0; good && *rest; number++) {
        char *end = strchr(rest, '\n');
        *end = '\0';
        good = number == 0 ? pq_streq(rest, first_line) : take_line(&r, rest);
        rest = end + 1;
    }
    good = good && r.ended;
    pq_bound_clear(&r.current);
    if (!good)
        return pq_fail(err, PQ_EINPUT, name, hint, "is not a binding of this version of pratique");
    *out = binding;
    binding = (pq_binding){0};
    return true;
}

static bool add_line(pq_buf *out, const char *name, const char *value, pq_error *err)
{
    for (const char *at = value; at && *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            return pq_fail(err, PQ_EINPUT, value, NULL, "cannot be bound: there is a control character in it");
    if (value && *value)
        pq_buf_addf(out, "%s %s\n", name, value);
    return true;
}

static bool add_block(pq_buf *out, const pq_bound *bound, pq_error *err)
{
    bool good = add_line(out, "host", bound->host, err);
    for (size_t i = 0; good && i < FIELDS; i++)
        good = add_line(out, fields[i].name, *field_in(bound, i), err);
    good = good && add_line(out, "device", bound->device ? "yes" : NULL, err);
    for (size_t i = 0; good && i < bound->environment.count; i++)
        good = add_line(out, "environment", bound->environment.at[i], err);
    for (size_t i = 0; good && i < bound->keys.count; i++)
        good = add_line(out, "key", bound->keys.at[i], err) && add_line(out, "was", bound->were.at[i], err);
    return good;
}

bool pq_binding_format(const pq_binding *binding, pq_buf *out, pq_error *err)
{
    pq_buf_addf(out, "%s\n", first_line);
    if (binding->made_file)
        pq_buf_adds(out, "made file\n");
    if (binding->made_helpers)
        pq_buf_adds(out, "made helpers\n");
    for (size_t i = 0; i < binding->count; i++)
        if (!add_block(out, &binding->at[i], err))
            return false;
    pq_buf_adds(out, "end\n");
    return true;
}

bool pq_binding_read(const char *path, const char *only, pq_binding *out, pq_error *err)
{
    PQ_AUTO_CLOSE int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) {
        int number = errno;
        PQ_AUTO_FREE char *folder = pq_path_dirname(path);
        if (number == ENOENT || number == ENOTDIR)
            return pq_fail(err, PQ_ENOTFOUND, path, NULL, "no such file");
        /* Not a place of ours: /run/containers is root's alone where podman first ran as root, and a client that finds
         * its configuration elsewhere does not look there. */
        if (number == EACCES && faccessat(AT_FDCWD, folder, X_OK, AT_EACCESS) != 0)
            return pq_fail(err, PQ_ENOTFOUND, path, NULL, "is in a folder that this user may not enter");
        errno = number;
        if (errno == ELOOP)
            return pq_fail(err, PQ_EDENIED, path, NULL, "is a symbolic link, which a binding may not be");
        return pq_fail_errno(err, path, "cannot be opened");
    }
    struct stat status, above;
    PQ_AUTO_FREE char *folder = pq_path_dirname(path);
    if (fstat(fd, &status) != 0)
        return pq_fail_errno(err, path, "cannot be looked at");
    if (!S_ISREG(status.st_mode))
        return pq_fail(err, PQ_EDENIED, path, NULL, "is not a regular file");
    if (!pq_trust_status(&status, path, err))
        return false;
    if (stat(folder, &above) != 0)
        return pq_fail_errno(err, folder, "cannot be looked at");
    PQ_AUTO_BUF bytes = PQ_BUF(PQ_MAX_BINDING);
    return pq_trust_status(&above, folder, err) && pq_read_open_file(fd, path, &status, &bytes, err) &&
           pq_binding_parse(pq_buf_text(&bytes), bytes.length, path, only, out, err);
}

/* --- where they lie ----------------------------------------------------------------------------------------------- */

char *pq_binding_beside(const char *client_config)
{
    return pq_asprintf("%s.pratique", client_config);
}

static void add_place(pq_strings *out, const char *base, const char *below)
{
    if (base && *base == '/')
        pq_strings_take(out, pq_asprintf("%s%s.pratique", base, below));
}

static void add_docker(pq_strings *out)
{
    const char *own = getenv("DOCKER_CONFIG");
    if (own && *own)
        add_place(out, own, "/config.json");
    else
        add_place(out, getenv("HOME"), "/.docker/config.json");
}

static void add_containers(pq_strings *out)
{
    const char *own = getenv("REGISTRY_AUTH_FILE"), *config = getenv("XDG_CONFIG_HOME");
    if (own && *own) {
        add_place(out, own, "");
        return;
    }
    add_place(out, getenv("XDG_RUNTIME_DIR"), "/containers/auth.json");
    PQ_AUTO_FREE char *run = pq_asprintf("/run/containers/%u", (unsigned)geteuid());
    add_place(out, run, "/auth.json");
    if (config && *config == '/')
        add_place(out, config, "/containers/auth.json");
    else
        add_place(out, getenv("HOME"), "/.config/containers/auth.json");
}

/* Who started us: clients run their helpers themselves. */
static bool parent_is_of_containers(void)
{
    static const char *const names[] = {"podman", "buildah", "skopeo", "crio"};
    char link_path[64], program[4096];
    (void)snprintf(link_path, sizeof link_path, "/proc/%ld/exe", (long)getppid());
    ssize_t length = readlink(link_path, program, sizeof program - 1);
    if (length <= 0)
        return false;
    program[length] = '\0';
    const char *name = pq_path_basename(program);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

void pq_binding_places(pq_strings *out)
{
    if (parent_is_of_containers()) {
        add_containers(out);
        add_docker(out);
    } else {
        add_docker(out);
        add_containers(out);
    }
}

bool pq_binding_look_up(const char *host, pq_binding *out, char **path, pq_error *err)
{
    PQ_AUTO_STRINGS places = {0};
    pq_binding_places(&places);
    for (size_t i = 0; i < places.count; i++) {
        pq_error_clear(err);
        if (pq_binding_read(places.at[i], host, out, err)) {
            if (out->count) {
                *path = pq_strdup(places.at[i]);
                return true;
            }
            pq_binding_clear(out);
        } else if (err->code != PQ_ENOTFOUND) {
            return false;
        }
    }
    pq_error_clear(err);
    return false;
}

static void add_listed(const pq_binding *binding, pq_strings *seen, pq_buf *out)
{
    for (size_t i = 0; i < binding->count; i++) {
        const pq_bound *bound = &binding->at[i];
        if (!pq_strings_add_once(seen, bound->host))
            continue;
        pq_buf_adds(out, out->length > 1 ? "," : "");
        pq_docker_json_string(out, bound->host, strlen(bound->host));
        pq_buf_addc(out, ':');
        pq_docker_json_string(out, bound->user ? bound->user : "", bound->user ? strlen(bound->user) : 0);
    }
}

bool pq_binding_list(pq_buf *out, pq_error *err)
{
    PQ_AUTO_STRINGS places = {0}, seen = {0};
    pq_binding_places(&places);
    pq_buf_addc(out, '{');
    for (size_t i = 0; i < places.count; i++) {
        PQ_AUTO_BINDING binding = {0};
        if (pq_binding_read(places.at[i], NULL, &binding, err))
            add_listed(&binding, &seen, out);
        else if (err->code != PQ_ENOTFOUND)
            return false;
    }
    pq_error_clear(err);
    pq_buf_adds(out, "}\n");
    return true;
}
