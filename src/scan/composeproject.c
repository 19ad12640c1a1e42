#include "scan/composeproject.h"

#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"
#include "scan/composetext.h"
#include "scan/dotenv.h"

#define MAX_FILES 100u        /* brought in by `extends` and `include` */
#define MAX_VARIABLES 200000u /* of included files, each with all of those above it */

void pq_compose_project_complain(pq_compose_project *project, const pq_composefile *file, pq_yaml_node node,
                                 const char *hint, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    PQ_AUTO_FREE char *message = pq_vasprintf(format, arguments);
    va_end(arguments);
    PQ_AUTO_FREE char *where = pq_yaml_where(file->name, node);
    (void)pq_errors_add(&project->scan->errors, PQ_EINPUT, where, hint, "%s", message);
}

pq_image_site pq_compose_project_site(const pq_compose_project *project, const pq_composefile *file, pq_yaml_node node,
                                      const char *service)
{
    return (pq_image_site){
        .file = file->name,
        .owner = project->owner,
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

/* --- variables -------------------------------------------------------------------------------------------------- */

static void add_environment(pq_vars *vars)
{
    for (char **at = environ; at && *at; at++)
        (void)!pq_vars_set_pair(vars, *at);
}

/* `name` as it is meant in the folder. Owned. */
static char *in_folder(const char *folder, const char *name)
{
    if (*name == '/')
        return pq_strdup(name);
    PQ_AUTO_FREE char *beside = pq_path_join(folder, "-");
    return pq_scan_beside(strcmp(folder, ".") == 0 ? "-" : beside, name);
}

static bool read_env_file(pq_compose_project *project, pq_compose_unit *unit, const char *path, const pq_vars *outer,
                          pq_error *err)
{
    PQ_AUTO_FREE char *name = pq_scan_name(project->options, path);
    PQ_AUTO_BUF bytes = PQ_BUF(PQ_MAX_TREE_FILE);
    if (project->loader->read(project->loader->context, path, &bytes, err)) {
        (void)!pq_dotenv_parse(name, pq_buf_text(&bytes), bytes.length, outer, &unit->vars, &project->scan->errors);
        return true;
    }
    free(err->where);
    err->where = pq_strdup(name);
    return false;
}

/* The variables that go before those of a unit's own files: the caller's over the process environment, and for an
 * included file those of the one that includes it. */
static void outer_variables(const pq_compose_project *project, const pq_compose_unit *unit, pq_vars *out)
{
    if (unit->parent) {
        pq_vars_merge(out, &unit->parent->vars);
        return;
    }
    if (project->options->use_environment)
        add_environment(out);
    if (project->options->variables)
        pq_vars_merge(out, project->options->variables);
}

/* With the `.env` in its folder. */
static void collect_variables(pq_compose_project *project, pq_compose_unit *unit)
{
    PQ_AUTO_VARS outer = {0};
    outer_variables(project, unit, &outer);
    bool read_already = unit->parent && strcmp(unit->folder, unit->parent->folder) == 0;
    if (!read_already) {
        PQ_AUTO_FREE char *path = in_folder(unit->folder, ".env");
        PQ_AUTO_ERROR err = {0};
        if (!read_env_file(project, unit, path, &outer, &err) && err.code != PQ_ENOTFOUND)
            pq_errors_take(&project->scan->errors, &err);
    }
    pq_vars_merge(&unit->vars, &outer);
}

/* --- files ------------------------------------------------------------------------------------------------------ */

/* The name of a file that `node` gives, which may not be elsewhere. Owned; NULL when it was told what is wrong. */
static char *read_name(pq_compose_project *project, const pq_compose_unit *unit, const pq_composefile *from,
                       pq_yaml_node node, const char *service)
{
    pq_image_site site = pq_compose_project_site(project, from, node, service);
    PQ_AUTO_FREE char *name = NULL;
    if (!pq_compose_text(from->name, node, &site, &unit->vars, &name, project->scan))
        return NULL;
    if (is_remote(name)) {
        pq_compose_project_complain(project, from, node, "copy it into the tree",
                                    "names a file that is not in the tree, which is refused");
        return NULL;
    }
    return pq_steal(name);
}

const pq_composefile *pq_compose_project_load(pq_compose_project *project, const pq_compose_unit *unit,
                                              const pq_composefile *from, pq_yaml_node node, const char *service)
{
    PQ_AUTO_FREE char *name = read_name(project, unit, from, node, service);
    if (!name)
        return NULL;
    PQ_AUTO_FREE char *path = *name == '/'         ? pq_strdup(name)
                              : from == unit->file ? in_folder(unit->folder, name)
                                                   : pq_scan_beside(from->path, name);
    for (size_t i = 0; i < project->other_count; i++)
        if (strcmp(project->others[i]->path, path) == 0) /* what could not be parsed was told the first time */
            return project->others[i]->yaml ? project->others[i] : NULL;
    if (project->other_count == MAX_FILES) {
        pq_compose_project_complain(project, from, node, NULL, "brings in more than %u files", MAX_FILES);
        return NULL;
    }
    PQ_AUTO_FREE char *shown = pq_scan_name(project->options, path);
    PQ_AUTO_BUF bytes = PQ_BUF(PQ_MAX_TREE_FILE);
    PQ_AUTO_ERROR err = {0};
    if (!project->loader->read(project->loader->context, path, &bytes, &err)) {
        pq_compose_project_complain(project, from, node, err.hint, "%s: %s", shown, err.message);
        return NULL;
    }
    pq_composefile *file = pq_alloc(1, sizeof *file);
    if (!pq_composefile_parse(path, shown, pq_buf_text(&bytes), bytes.length, file, &project->scan->errors))
        file->path = pq_steal(path);
    project->others = pq_grow(project->others, &project->other_capacity, project->other_count + 1, sizeof file);
    project->others[project->other_count++] = file;
    pq_strings_add(&project->scan->others, file->path);
    return file->yaml ? file : NULL;
}

/* --- include ---------------------------------------------------------------------------------------------------- */

/* Whether every document can be read as Compose; what is wrong is told. */
static bool check_documents(pq_compose_project *project, const pq_composefile *file)
{
    for (size_t i = 0; i < pq_yaml_count(file->yaml); i++) {
        pq_yaml_node root = pq_yaml_root(file->yaml, i);
        pq_yaml_kind kind = pq_yaml_kind_of(root);
        if (kind != PQ_YAML_MAPPING && !(kind == PQ_YAML_NULL && i > 0)) {
            pq_compose_project_complain(project, file, root, "a Compose file has services:", "is %s, not a mapping",
                                        pq_yaml_kind_words(root));
            return false;
        }
    }
    if (pq_yaml_count(file->yaml) == 0)
        pq_scan_add_error(project->scan, file->name, 0, "a Compose file has services:", "is empty");
    return pq_yaml_count(file->yaml) > 0;
}

static pq_compose_unit *add_unit(pq_compose_project *project, const pq_composefile *file, const char *folder,
                                 const pq_compose_unit *parent)
{
    pq_compose_unit *unit = pq_alloc(1, sizeof *unit);
    *unit = (pq_compose_unit){.file = file, .folder = pq_strdup(folder), .parent = parent};
    project->units = pq_grow(project->units, &project->unit_capacity, project->unit_count + 1, sizeof unit);
    project->units[project->unit_count++] = unit;
    return unit;
}

/* One entry of `include`. */
typedef struct entry {
    pq_yaml_node item, path, folder, env;
    bool special; /* read in another way than the file alone would be */
} entry;

static pq_yaml_node first_of(pq_yaml_node node, size_t i)
{
    return pq_yaml_kind_of(node) == PQ_YAML_SEQUENCE ? pq_yaml_at(node, i) : i == 0 ? node : PQ_YAML_NONE;
}

/* A file that was included already, by another way. */
static pq_compose_unit *known_unit(const pq_compose_project *project, const pq_composefile *file)
{
    for (size_t i = 1; i < project->unit_count; i++)
        if (project->units[i]->file == file)
            return project->units[i];
    return NULL;
}

static bool includes_itself(const pq_compose_unit *unit, const pq_composefile *file)
{
    for (; unit; unit = unit->parent)
        if (strcmp(unit->file->path, file->path) == 0)
            return true;
    return false;
}

/* Variables of the files that `env_file` names. */
static void read_env_files(pq_compose_project *project, const pq_compose_unit *above, const entry *include,
                           pq_compose_unit *unit)
{
    PQ_AUTO_VARS outer = {0};
    outer_variables(project, unit, &outer);
    pq_yaml_node node;
    for (size_t i = 0; pq_yaml_kind_of(node = first_of(include->env, i)) != PQ_YAML_ABSENT; i++) {
        PQ_AUTO_FREE char *name = read_name(project, above, above->file, node, NULL);
        if (!name || strcmp(name, "/dev/null") == 0)
            continue;
        PQ_AUTO_FREE char *path = in_folder(above->folder, name);
        PQ_AUTO_ERROR err = {0};
        if (!read_env_file(project, unit, path, &outer, &err))
            pq_compose_project_complain(project, above->file, node, err.hint, "%s: %s", err.where, err.message);
    }
    pq_vars_merge(&unit->vars, &outer);
}

static void read_include(pq_compose_project *project, pq_compose_unit *unit);

/* Each file of an entry, every one over those before it. */
static pq_compose_unit *include_files(pq_compose_project *project, pq_compose_unit *above, const entry *include)
{
    PQ_AUTO_FREE char *folder = NULL;
    if (pq_yaml_kind_of(include->folder) != PQ_YAML_ABSENT) {
        PQ_AUTO_FREE char *name = read_name(project, above, above->file, include->folder, NULL);
        if (!name)
            return NULL;
        folder = in_folder(above->folder, name);
    }
    pq_compose_unit *under = NULL;
    pq_yaml_node node;
    for (size_t i = 0; pq_yaml_kind_of(node = first_of(include->path, i)) != PQ_YAML_ABSENT; i++) {
        const pq_composefile *file = pq_compose_project_load(project, above, above->file, node, NULL);
        if (!file || !check_documents(project, file))
            return NULL;
        if (includes_itself(above, file)) {
            pq_compose_project_complain(project, above->file, node, NULL, "include leads back to itself");
            return NULL;
        }
        pq_compose_unit *known = include->special ? NULL : known_unit(project, file);
        if (known)
            return known;
        if (project->unit_count > MAX_FILES) {
            pq_compose_project_complain(project, above->file, node, NULL, "brings in more than %u files", MAX_FILES);
            return NULL;
        }
        if (!folder)
            folder = pq_path_dirname(file->path);
        pq_compose_unit *unit = add_unit(project, file, folder, above);
        unit->under = under;
        if (under)
            pq_vars_merge(&unit->vars, &under->vars);
        else if (pq_yaml_kind_of(include->env) != PQ_YAML_ABSENT)
            read_env_files(project, above, include, unit);
        else
            collect_variables(project, unit);
        project->variable_count += unit->vars.count;
        if (project->variable_count > MAX_VARIABLES) {
            pq_compose_project_complain(project, above->file, node, NULL, "brings in more than %u variables",
                                        MAX_VARIABLES);
            return NULL;
        }
        read_include(project, unit);
        under = unit;
    }
    return under;
}

static void read_entry(pq_compose_project *project, pq_compose_unit *unit, pq_yaml_node item)
{
    bool mapping = pq_yaml_kind_of(item) == PQ_YAML_MAPPING;
    entry include = {.item = item,
                     .path = mapping ? pq_yaml_get(item, "path") : item,
                     .folder = mapping ? pq_yaml_get(item, "project_directory") : PQ_YAML_NONE,
                     .env = mapping ? pq_yaml_get(item, "env_file") : PQ_YAML_NONE};
    include.special = pq_yaml_kind_of(include.folder) != PQ_YAML_ABSENT ||
                      pq_yaml_kind_of(include.env) != PQ_YAML_ABSENT || pq_yaml_size(include.path) > 1;
    pq_yaml_kind kind = pq_yaml_kind_of(first_of(include.path, 0));
    if (kind == PQ_YAML_ABSENT || kind == PQ_YAML_NULL || kind == PQ_YAML_MAPPING) {
        pq_compose_project_complain(project, unit->file, item, NULL, "include names no file");
        return;
    }
    pq_compose_unit *included = include_files(project, unit, &include);
    if (!included)
        return;
    unit->included =
        pq_grow(unit->included, &unit->included_capacity, unit->included_count + 1, sizeof(pq_compose_unit *));
    unit->included[unit->included_count++] = included;
}

static void read_include(pq_compose_project *project, pq_compose_unit *unit)
{
    pq_yaml_node list = pq_composefile_top(unit->file, "include");
    pq_yaml_kind kind = pq_yaml_kind_of(list);
    if (kind != PQ_YAML_ABSENT && kind != PQ_YAML_NULL && kind != PQ_YAML_SEQUENCE)
        pq_compose_project_complain(project, unit->file, list, "write a list", "include is %s",
                                    pq_yaml_kind_words(list));
    for (size_t i = 0; kind == PQ_YAML_SEQUENCE && i < pq_yaml_size(list); i++)
        read_entry(project, unit, pq_yaml_at(list, i));
}

pq_compose_unit *pq_compose_project_open(pq_compose_project *project, const pq_composefile *file)
{
    if (!check_documents(project, file))
        return NULL;
    PQ_AUTO_FREE char *folder = pq_path_dirname(file->path);
    pq_compose_unit *unit = add_unit(project, file, folder, NULL);
    collect_variables(project, unit);
    read_include(project, unit);
    return unit;
}

void pq_compose_project_clear(pq_compose_project *project)
{
    for (size_t i = 0; i < project->unit_count; i++) {
        free(project->units[i]->folder);
        free(project->units[i]->included);
        pq_vars_clear(&project->units[i]->vars);
        free(project->units[i]);
    }
    free(project->units);
    for (size_t i = 0; i < project->other_count; i++) {
        pq_composefile_clear(project->others[i]);
        free(project->others[i]);
    }
    free(project->others);
    *project = (pq_compose_project){0};
}
