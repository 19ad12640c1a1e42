#include "scan/compose.h"

#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"
#include "scan/buildsection.h"
#include "scan/composefile.h"
#include "scan/composetext.h"
#include "scan/dotenv.h"

#define MAX_CHAIN 32u  /* `extends` of `extends` */
#define MAX_FILES 100u /* brought in by `extends` and `include` */
#define BUDGET ((size_t)16 << 20)

/* What all files that one scan reads have in common. */
typedef struct shared {
    pq_composefile **files; /* that `extends` and `include` brought in; each read once */
    size_t count, capacity;
    pq_strings included;
    size_t budget; /* see pq_build_section */
} shared;

/* One file, while it is being read. */
typedef struct reader {
    shared *all;
    const pq_loader *loader;
    const pq_scan_options *options;
    const pq_composefile *file;
    const char *owner; /* name of the file that was asked for */
    pq_vars vars;
    pq_scan *scan;
    const struct reader *parent; /* that includes this one */
} reader;

char *pq_scan_name(const pq_scan_options *options, const char *path)
{
    PQ_AUTO_FREE char *whole = pq_joined(options->prefix ? options->prefix : "", path);
    return pq_printable(whole);
}

char *pq_scan_beside(const char *from, const char *name)
{
    PQ_AUTO_FREE char *folder = pq_path_dirname(from);
    PQ_AUTO_FREE char *joined = strcmp(folder, ".") == 0 ? pq_strdup(name) : pq_path_join(folder, name);
    PQ_AUTO_STRINGS parts = {0};
    for (const char *at = joined; *at;) {
        size_t length = strcspn(at, "/");
        PQ_AUTO_FREE char *part = pq_strndup(at, length);
        bool up = strcmp(part, "..") == 0;
        if (up && parts.count && strcmp(parts.at[parts.count - 1], "..") != 0)
            free(parts.at[--parts.count]);
        else if (*part && strcmp(part, ".") != 0)
            pq_strings_take(&parts, pq_steal(part));
        at += length + (at[length] == '/');
    }
    PQ_AUTO_BUF out = PQ_BUF(PQ_MAX_TEXT);
    for (size_t i = 0; i < parts.count; i++) {
        pq_buf_adds(&out, i || *joined == '/' ? "/" : "");
        pq_buf_adds(&out, parts.at[i]);
    }
    return out.length ? pq_buf_steal(&out) : pq_strdup(".");
}

static void add_environment(pq_vars *vars)
{
    for (char **at = environ; at && *at; at++)
        (void)!pq_vars_set_pair(vars, *at);
}

/* The variables of a file: `.env` beside it, under the process environment, under the caller's. For an included file,
 * those of the file that includes it come over its own `.env`. */
static void collect_variables(reader *in)
{
    PQ_AUTO_VARS outer = {0};
    if (in->parent) {
        pq_vars_merge(&outer, &in->parent->vars);
    } else {
        if (in->options->use_environment)
            add_environment(&outer);
        if (in->options->variables)
            pq_vars_merge(&outer, in->options->variables);
    }
    PQ_AUTO_FREE char *path = pq_scan_beside(in->file->path, ".env");
    PQ_AUTO_FREE char *above = in->parent ? pq_scan_beside(in->parent->file->path, ".env") : NULL;
    if (pq_streq(path, above)) { /* read already */
        pq_vars_merge(&in->vars, &outer);
        return;
    }
    PQ_AUTO_FREE char *name = pq_scan_name(in->options, path);
    PQ_AUTO_BUF bytes = PQ_BUF(PQ_MAX_TREE_FILE);
    PQ_AUTO_ERROR err = {0};
    if (in->loader->read(in->loader->context, path, &bytes, &err)) {
        (void)!pq_dotenv_parse(name, pq_buf_text(&bytes), bytes.length, &outer, &in->vars, &in->scan->errors);
    } else if (err.code != PQ_ENOTFOUND) {
        free(err.where);
        err.where = pq_strdup(name);
        pq_errors_take(&in->scan->errors, &err);
    }
    pq_vars_merge(&in->vars, &outer);
}

static void complain(reader *in, const pq_composefile *file, pq_yaml_node node, const char *hint, const char *format,
                     ...) PQ_PRINTF(5, 6);

static void complain(reader *in, const pq_composefile *file, pq_yaml_node node, const char *hint, const char *format,
                     ...)
{
    va_list arguments;
    va_start(arguments, format);
    PQ_AUTO_FREE char *message = pq_vasprintf(format, arguments);
    va_end(arguments);
    PQ_AUTO_FREE char *where = pq_yaml_where(file->name, node);
    (void)pq_errors_add(&in->scan->errors, PQ_EINPUT, where, hint, "%s", message);
}

/* Where a service's image comes from, once `extends` is followed. */
typedef struct origin {
    const pq_composefile *file;
    pq_yaml_entry image;
    bool found, has_build, stopped; /* stopped: an error or an unresolved entry was added, say no more */
    bool inherited;
} origin;

static pq_image_site site_at(const reader *in, const pq_composefile *file, pq_yaml_node node, const char *service)
{
    return (pq_image_site){
        .file = file->name,
        .owner = in->owner,
        .line = pq_composefile_line(file, node),
        .kind = PQ_IMAGE_COMPOSE,
        .service = service,
    };
}

static bool is_remote(const char *name)
{
    return strstr(name, "://") || pq_starts_with(name, "git@") || pq_starts_with(name, "oci:") ||
           pq_starts_with(name, "github.com/") || pq_ends_with(name, ".git");
}

static void shared_clear(shared *all)
{
    for (size_t i = 0; i < all->count; i++) {
        pq_composefile_clear(all->files[i]);
        free(all->files[i]);
    }
    free(all->files);
    pq_strings_clear(&all->included);
}

/* The other file that `node` names, NULL when it cannot be had, which is then told. Borrowed. */
static const pq_composefile *load(reader *in, const pq_composefile *from, pq_yaml_node node, const char *service)
{
    pq_image_site site = site_at(in, from, node, service);
    PQ_AUTO_FREE char *name = NULL;
    if (!pq_compose_text(from->name, node, &site, &in->vars, &name, in->scan))
        return NULL;
    if (is_remote(name)) {
        complain(in, from, node, "copy it into the tree", "names a file that is not in the tree, which is refused");
        return NULL;
    }
    PQ_AUTO_FREE char *path = *name == '/' ? pq_strdup(name) : pq_scan_beside(from->path, name);
    shared *all = in->all;
    for (size_t i = 0; i < all->count; i++)
        if (strcmp(all->files[i]->path, path) == 0)
            return all->files[i]->yaml ? all->files[i] : NULL; /* what could not be parsed was told the first time */
    if (all->count == MAX_FILES) {
        complain(in, from, node, NULL, "brings in more than %u files", MAX_FILES);
        return NULL;
    }
    PQ_AUTO_FREE char *shown = pq_scan_name(in->options, path);
    PQ_AUTO_BUF bytes = PQ_BUF(PQ_MAX_TREE_FILE);
    PQ_AUTO_ERROR err = {0};
    if (!in->loader->read(in->loader->context, path, &bytes, &err)) {
        complain(in, from, node, err.hint, "%s: %s", shown, err.message);
        return NULL;
    }
    pq_composefile *file = pq_alloc(1, sizeof *file);
    if (!pq_composefile_parse(path, shown, pq_buf_text(&bytes), bytes.length, file, &in->scan->errors))
        file->path = pq_steal(path);
    all->files = pq_grow(all->files, &all->capacity, all->count + 1, sizeof(pq_composefile *));
    all->files[all->count++] = file;
    pq_strings_add(&in->scan->others, file->path);
    return file->yaml ? file : NULL;
}

/* Reads `extends` of a service: which service, of which file. False when there is none, or (told) none to be had. */
static bool follow_extends(reader *in, const pq_composefile *file, const char *service, origin *out,
                           const pq_composefile **next_file, char **next_service)
{
    pq_yaml_entry extends;
    if (!pq_composefile_find(file, service, "extends", &extends) || pq_yaml_kind_of(extends.value) == PQ_YAML_NULL)
        return false;
    bool mapping = pq_yaml_kind_of(extends.value) == PQ_YAML_MAPPING;
    pq_yaml_node name = mapping ? pq_yaml_get(extends.value, "service") : extends.value;
    pq_yaml_node other = mapping ? pq_yaml_get(extends.value, "file") : PQ_YAML_NONE;
    out->stopped = true; /* until proven otherwise */
    if (pq_yaml_kind_of(name) != PQ_YAML_SCALAR) {
        complain(in, file, extends.value, "write extends: {service: NAME}", "extends names no service");
        return false;
    }
    pq_image_site site = site_at(in, file, name, service);
    if (!pq_compose_text(file->name, name, &site, &in->vars, next_service, in->scan))
        return false;
    *next_file = file;
    if (pq_yaml_kind_of(other) != PQ_YAML_ABSENT) {
        *next_file = load(in, file, other, service);
        if (!*next_file)
            return false;
    }
    if (pq_yaml_kind_of(pq_composefile_service(*next_file, *next_service)) != PQ_YAML_MAPPING) {
        complain(in, file, name, NULL, "extends a service that is not there");
        return false;
    }
    out->stopped = false;
    return true;
}

/* Goes from the service to those it extends until an image is found; their other images count for it as well. */
static void find_origin(reader *in, const char *service, origin *out)
{
    const pq_composefile *file = in->file;
    PQ_AUTO_FREE char *at = pq_strdup(service);
    PQ_AUTO_STRINGS visited = {0};
    for (unsigned depth = 0; depth < MAX_CHAIN; depth++) {
        PQ_AUTO_FREE char *place = pq_joined(file->path, "\n", at);
        if (!pq_strings_add_once(&visited, place))
            break;
        pq_yaml_entry build;
        bool builds = pq_composefile_find(file, at, "build", &build) && pq_yaml_kind_of(build.value) != PQ_YAML_NULL;
        if (!out->found && pq_composefile_find(file, at, "image", &out->image)) {
            out->found = true;
            out->inherited = depth > 0;
            out->file = file;
        }
        pq_build_section section = {.file = file,
                                    .owner = in->owner,
                                    .service = service,
                                    .options = in->options,
                                    .vars = &in->vars,
                                    .inherited = out->has_build,
                                    .budget = &in->all->budget};
        if (builds)
            pq_build_section_scan(&section, build.value, in->scan);
        pq_yaml_entry volumes;
        if (pq_composefile_find(file, at, "volumes", &volumes))
            pq_service_volumes_scan(&section, volumes.value, in->scan);
        out->has_build = out->has_build || builds;
        const pq_composefile *next_file = NULL;
        char *next = NULL;
        if (!follow_extends(in, file, at, out, &next_file, &next)) {
            free(next);
            return;
        }
        free(at);
        at = next;
        file = next_file;
    }
    complain(in, in->file, pq_composefile_service(in->file, service), NULL,
             "extends leads back to itself, or through more than %u services", MAX_CHAIN);
    out->stopped = true;
}

static void read_service(reader *in, const char *service, pq_yaml_node node)
{
    if (pq_yaml_kind_of(node) != PQ_YAML_MAPPING) {
        complain(in, in->file, node, NULL, "service %s is %s, not a mapping", service, pq_yaml_kind_words(node));
        return;
    }
    origin from = {0};
    find_origin(in, service, &from);
    pq_yaml_entry provider;
    if (from.found) {
        pq_image_site site = site_at(in, from.file, from.image.value, service);
        site.has_build = from.has_build;
        site.splice = in->parent ? (pq_image_span){.shared = true}
                                 : pq_composefile_splice(in->file, service, from.inherited ? NULL : &from.image);
        PQ_AUTO_FREE char *image = NULL;
        if (pq_compose_text(from.file->name, from.image.value, &site, &in->vars, &image, in->scan))
            pq_scan_add_image(in->scan, &site, image); /* copies the splice */
        free(site.splice.before);
        free(site.splice.after);
    } else if (!from.has_build && !from.stopped && !pq_composefile_find(in->file, service, "provider", &provider)) {
        complain(in, in->file, node, NULL, "service %s has neither image nor build", service);
    }
}

/* Each service once, in the order of the first document that has it. */
static bool read_services(reader *in)
{
    bool any = false;
    PQ_AUTO_VARS seen = {0};
    for (size_t i = 0; i < pq_yaml_count(in->file->yaml); i++) {
        pq_yaml_node services = pq_yaml_get(pq_yaml_root(in->file->yaml, i), "services");
        pq_yaml_kind kind = pq_yaml_kind_of(services);
        if (kind == PQ_YAML_ABSENT)
            continue;
        any = true;
        if (kind != PQ_YAML_MAPPING && kind != PQ_YAML_NULL)
            complain(in, in->file, services, NULL, "services is %s, not a mapping", pq_yaml_kind_words(services));
        pq_yaml_entry entry;
        for (size_t k = 0; pq_yaml_entry_at(services, k, &entry); k++) {
            const char *name = pq_yaml_text(entry.key);
            if (!name || pq_vars_get(&seen, name))
                continue;
            pq_vars_set(&seen, name, "", NULL);
            read_service(in, name, pq_composefile_service(in->file, name));
        }
    }
    return any;
}

static void scan_file(reader *in);

static void include_one(reader *in, pq_yaml_node path)
{
    const pq_composefile *file = load(in, in->file, path, NULL);
    if (!file)
        return;
    for (const reader *up = in; up; up = up->parent)
        if (strcmp(up->file->path, file->path) == 0) {
            complain(in, in->file, path, NULL, "include leads back to itself");
            return;
        }
    if (!pq_strings_add_once(&in->all->included, file->path))
        return; /* by another way already */
    reader inner = {.all = in->all,
                    .loader = in->loader,
                    .options = in->options,
                    .file = file,
                    .owner = in->owner,
                    .scan = in->scan,
                    .parent = in};
    scan_file(&inner);
    pq_vars_clear(&inner.vars);
}

static void read_include(reader *in)
{
    pq_yaml_node list = pq_composefile_top(in->file, "include");
    pq_yaml_kind kind = pq_yaml_kind_of(list);
    if (kind != PQ_YAML_ABSENT && kind != PQ_YAML_NULL && kind != PQ_YAML_SEQUENCE)
        complain(in, in->file, list, "write a list", "include is %s", pq_yaml_kind_words(list));
    for (size_t i = 0; i < pq_yaml_size(kind == PQ_YAML_SEQUENCE ? list : PQ_YAML_NONE); i++) {
        pq_yaml_node item = pq_yaml_at(list, i);
        bool mapping = pq_yaml_kind_of(item) == PQ_YAML_MAPPING;
        pq_yaml_node path = mapping ? pq_yaml_get(item, "path") : item;
        if (pq_yaml_kind_of(path) == PQ_YAML_SEQUENCE && pq_yaml_size(path) == 1)
            path = pq_yaml_at(path, 0);
        pq_yaml_entry special;
        bool plain = !mapping ||
                     (!pq_yaml_find(item, "env_file", &special) && !pq_yaml_find(item, "project_directory", &special));
        if (pq_yaml_kind_of(path) == PQ_YAML_SCALAR && plain) {
            include_one(in, path);
        } else if (pq_yaml_kind_of(path) == PQ_YAML_SCALAR || pq_yaml_kind_of(path) == PQ_YAML_SEQUENCE) {
            pq_image_site site = site_at(in, in->file, item, NULL);
            pq_scan_add_unresolved(
                in->scan, &site, "include",
                pq_strdup("include with several files, env_file or project_directory is not followed"));
        } else {
            complain(in, in->file, item, NULL, "include names no file");
        }
    }
}

/* Whether it looks like a file from before `services:` came. */
static bool is_version_1(const pq_composefile *file)
{
    pq_yaml_node root = pq_yaml_root(file->yaml, 0);
    pq_yaml_entry entry, image;
    for (size_t i = 0; pq_yaml_entry_at(root, i, &entry); i++) {
        const char *key = pq_yaml_text(entry.key);
        if (key && !pq_starts_with(key, "x-") &&
            (pq_yaml_find(entry.value, "image", &image) || pq_yaml_find(entry.value, "build", &image)))
            return true;
    }
    return false;
}

static void scan_file(reader *in)
{
    for (size_t i = 0; i < pq_yaml_count(in->file->yaml); i++) {
        pq_yaml_node root = pq_yaml_root(in->file->yaml, i);
        pq_yaml_kind kind = pq_yaml_kind_of(root);
        if (kind != PQ_YAML_MAPPING && !(kind == PQ_YAML_NULL && i > 0)) {
            complain(in, in->file, root, "a Compose file has services:", "is %s, not a mapping",
                     pq_yaml_kind_words(root));
            return;
        }
    }
    if (pq_yaml_count(in->file->yaml) == 0) {
        pq_scan_add_error(in->scan, in->file->name, 0, "a Compose file has services:", "is empty");
        return;
    }
    collect_variables(in);
    bool include_first = pq_yaml_span_of(pq_composefile_top(in->file, "include")).start <
                         pq_yaml_span_of(pq_composefile_top(in->file, "services")).start;
    if (include_first)
        read_include(in);
    bool any = read_services(in);
    if (!include_first)
        read_include(in);
    if (!any && is_version_1(in->file))
        pq_scan_add_error(in->scan, in->file->name, 0, "put the services under a key services:",
                          "is a version 1 Compose file, which is no longer read");
}

void pq_compose_scan(const char *path, const char *bytes, size_t length, const pq_loader *loader,
                     const pq_scan_options *options, pq_scan *scan)
{
    PQ_AUTO_FREE char *name = pq_scan_name(options, path);
    pq_composefile file = {0};
    if (!pq_composefile_parse(path, name, bytes, length, &file, &scan->errors))
        return;
    shared all = {.budget = BUDGET};
    reader in = {.all = &all, .loader = loader, .options = options, .file = &file, .owner = name, .scan = scan};
    scan_file(&in);
    shared_clear(&all);
    pq_vars_clear(&in.vars);
    pq_composefile_clear(&file);
}
