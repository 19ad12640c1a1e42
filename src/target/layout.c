#include "target/layout.h"

#include <dirent.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"

void pq_build_conf_clear(pq_build_conf *conf)
{
    free(conf->build_context);
    free(conf->dockerfile);
    free(conf->skip_archs);
    free(conf->manifest_platforms);
    *conf = (pq_build_conf){0};
}

static const char *skip_blanks(const char *at)
{
    while (*at == ' ' || *at == '\t')
        at++;
    return at;
}

/* Reads one shell word that means just what it says: bare, 'single' or "double" quoted parts. NULL when the shell would
 * do something with it. Owned. */
static char *take_literal(const char **at)
{
    PQ_AUTO_BUF word = PQ_BUF(PQ_MAX_TREE_FILE);
    char quote = '\0';
    const char *s = *at;
    for (; *s; s++) {
        if (quote ? *s == quote : (*s == '\'' || *s == '"')) {
            quote = quote ? '\0' : *s;
            continue;
        }
        if (!quote && (*s == ' ' || *s == '\t' || *s == ';'))
            break;
        bool expands = quote != '\'' && (*s == '$' || *s == '`' || *s == '\\');
        bool steers = !quote && strchr("|&<>(){}*?[]~!", *s);
        if (expands || steers)
            return NULL;
        pq_buf_addc(&word, *s);
    }
    if (quote)
        return NULL;
    *at = s;
    return pq_buf_steal(&word);
}

/* Only blanks, a `;` or a comment may follow. */
static bool ends_here(const char *at)
{
    at = skip_blanks(at);
    if (*at == ';')
        at = skip_blanks(at + 1);
    return *at == '\0' || *at == '#';
}

static const char not_run[] = "no file of the tree is run as a shell script";

static void conf_line(const char *line, const char *where, pq_build_conf *conf)
{
    static const char hint[] = "it is read as NAME=value, and not run as a shell script";
    line = skip_blanks(line);
    if (!*line || *line == '#')
        return;
    if (pq_starts_with(line, "export ") || pq_starts_with(line, "export\t"))
        line = skip_blanks(line + 7);
    size_t length = 0;
    while (pq_ascii_alnum(line[length]) || line[length] == '_')
        length++;
    if (length == 0 || line[length] != '=') {
        pq_warn(where, hint, "this line is not used");
        return;
    }
    PQ_AUTO_FREE char *name = pq_strndup(line, length);
    struct {
        const char *name;
        char **place;
    } known[] = {{"BUILD_CONTEXT", &conf->build_context},
                 {"DOCKERFILE", &conf->dockerfile},
                 {"SKIP_ARCHS", &conf->skip_archs},
                 {"MANIFEST_PLATFORMS", &conf->manifest_platforms}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i].name, name) != 0)
            continue;
        const char *at = line + length + 1;
        PQ_AUTO_FREE char *value = take_literal(&at);
        if (!value || !ends_here(at)) {
            pq_warn(where, hint, "%s is not a literal and not used", name);
            return;
        }
        free(*known[i].place);
        *known[i].place = pq_steal(value);
        return;
    }
    pq_warn(where, NULL, "%s is not used", name);
}

/* Calls for each line, without its end. */
static void each_line(const char *text, size_t length, const char *name,
                      void (*take)(const char *line, const char *where, void *context), void *context)
{
    size_t number = 0;
    for (size_t at = 0; at < length;) {
        const char *end = memchr(text + at, '\n', length - at);
        size_t size = end ? (size_t)(end - (text + at)) : length - at;
        size_t shown = size && text[at + size - 1] == '\r' ? size - 1 : size;
        PQ_AUTO_FREE char *line = pq_strndup(text + at, shown);
        PQ_AUTO_FREE char *where = pq_asprintf("%s:%zu", name, ++number);
        take(line, where, context);
        at += size + 1;
    }
}

static void take_conf_line(const char *line, const char *where, void *context)
{
    conf_line(line, where, context);
}

void pq_build_conf_parse(const char *text, size_t length, const char *name, pq_build_conf *out)
{
    each_line(text, length, name, take_conf_line, out);
}

typedef struct arguments {
    pq_strings *out;
    pq_errors *errors;
} arguments;

static void take_argument(const char *line, const char *where, void *context)
{
    arguments *all = context;
    const char *at = skip_blanks(line);
    if (!*at || *at == '#')
        return;
    size_t length = 0;
    PQ_AUTO_FREE char *word = take_literal(&at);
    if (!word || *skip_blanks(at)) {
        (void)pq_errors_add(all->errors, PQ_EINPUT, where, "write NAME=value, in quotes if it holds blanks",
                            "this line is not one literal build argument");
        return;
    }
    while (pq_ascii_alnum(word[length]) || word[length] == '_')
        length++;
    if (length == 0 || word[length] != '=') {
        (void)pq_errors_add(all->errors, PQ_EINPUT, where, "write NAME=value", "this line is not a build argument");
        return;
    }
    pq_strings_take(all->out, pq_steal(word));
}

bool pq_build_args_parse(const char *text, size_t length, const char *name, pq_strings *out, pq_errors *errors)
{
    size_t before = errors->count;
    arguments all = {.out = out, .errors = errors};
    each_line(text, length, name, take_argument, &all);
    return errors->count == before;
}

static void clear_folder(pq_folder *folder)
{
    free(folder->name);
    free(folder->dockerfile);
    free(folder->context);
    free(folder->skipped);
    free(folder->compose);
    pq_strings_clear(&folder->arguments);
}

void pq_layout_clear(pq_layout *layout)
{
    for (size_t i = 0; i < layout->count; i++)
        clear_folder(&layout->at[i]);
    free(layout->at);
    *layout = (pq_layout){0};
}

const pq_folder *pq_layout_image(const pq_layout *layout, const char *name)
{
    for (size_t i = 0; i < layout->count; i++)
        if (layout->at[i].image && strcmp(layout->at[i].name, name) == 0)
            return &layout->at[i];
    return NULL;
}

static bool has_file(const pq_tree *tree, const char *folder, const char *name)
{
    PQ_AUTO_FREE char *path = pq_path_join(folder, name);
    struct stat status;
    return pq_tree_stat(tree, path, &status);
}

/* `folder/relative` with `.` and `..` taken out; NULL when it would leave the tree. Owned. */
static char *normal_path(const char *folder, const char *relative)
{
    PQ_AUTO_FREE char *whole = pq_asprintf("%s/%s", folder, relative);
    if (*relative == '/')
        return NULL;
    PQ_AUTO_STRINGS parts = {0};
    char *rest = NULL;
    for (char *part = strtok_r(whole, "/", &rest); part; part = strtok_r(NULL, "/", &rest)) {
        if (strcmp(part, ".") == 0)
            continue;
        if (strcmp(part, "..") != 0) {
            pq_strings_add(&parts, part);
        } else {
            if (parts.count == 0)
                return NULL;
            free(parts.at[--parts.count]);
        }
    }
    PQ_AUTO_BUF path = PQ_BUF(PQ_MAX_TREE_FILE);
    for (size_t i = 0; i < parts.count; i++)
        pq_buf_addf(&path, "%s%s", i ? "/" : "", parts.at[i]);
    return path.length ? pq_buf_steal(&path) : pq_strdup(".");
}

static bool word_in(const char *list, const char *separators, const char *word)
{
    PQ_AUTO_FREE char *copy = pq_strdup(list);
    char *rest = NULL;
    for (char *part = strtok_r(copy, separators, &rest); part; part = strtok_r(NULL, separators, &rest))
        if (strcmp(part, word) == 0)
            return true;
    return false;
}

/* Reads a file that may be absent. True when it is there and was read. */
static bool read_optional(const pq_tree *tree, const char *path, pq_buf *out, pq_errors *errors)
{
    PQ_AUTO_ERROR err = {0};
    if (pq_tree_read(tree, path, out, &err))
        return true;
    if (err.code != PQ_ENOTFOUND)
        pq_errors_take(errors, &err);
    return false;
}

/* The engine opens these by itself, and follows wherever a link leads. */
static void check_context(const pq_tree *tree, const pq_folder *folder, pq_errors *errors)
{
    static const char *const ignores[] = {".dockerignore", ".containerignore"};
    if (!folder->context)
        return;
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_CLOSE int context = pq_tree_open_dir(tree, folder->context, &err);
    if (context < 0) {
        pq_errors_take(errors, &err);
        return;
    }
    for (size_t i = 0; i < sizeof ignores / sizeof *ignores; i++) {
        PQ_AUTO_FREE char *path = pq_path_join(folder->context, ignores[i]);
        PQ_AUTO_FREE char *own = pq_asprintf("%s%s", folder->dockerfile ? folder->dockerfile : "", ignores[i]);
        PQ_AUTO_BUF bytes = PQ_BUF(PQ_MAX_TREE_FILE), own_bytes = PQ_BUF(PQ_MAX_TREE_FILE);
        (void)read_optional(tree, path, &bytes, errors);
        if (folder->dockerfile)
            (void)read_optional(tree, own, &own_bytes, errors);
    }
}

static void read_image(const pq_tree *tree, const char *architecture, pq_folder *folder, pq_errors *errors)
{
    PQ_AUTO_FREE char *conf_path = pq_path_join(folder->name, "docker-build.conf");
    PQ_AUTO_FREE char *args_path = pq_path_join(folder->name, ".docker_build_args");
    PQ_AUTO_BUF conf_text = PQ_BUF(PQ_MAX_TREE_FILE), args_text = PQ_BUF(PQ_MAX_TREE_FILE);
    PQ_CLEANUP(pq_build_conf_clear)
    pq_build_conf conf = {0};
    if (read_optional(tree, conf_path, &conf_text, errors))
        pq_build_conf_parse(pq_buf_text(&conf_text), conf_text.length, conf_path, &conf);
    if (read_optional(tree, args_path, &args_text, errors))
        (void)pq_build_args_parse(pq_buf_text(&args_text), args_text.length, args_path, &folder->arguments, errors);

    folder->dockerfile = normal_path(folder->name, conf.dockerfile ? conf.dockerfile : "Dockerfile");
    folder->context = normal_path(folder->name, conf.build_context ? conf.build_context : ".");
    if (!folder->dockerfile)
        (void)pq_errors_add(errors, PQ_EINPUT, conf_path, NULL, "DOCKERFILE leads out of the tree, which is refused");
    if (!folder->context)
        (void)pq_errors_add(errors, PQ_EINPUT, conf_path, NULL,
                            "BUILD_CONTEXT leads out of the tree, which is refused");
    if (folder->dockerfile && pq_ends_with(folder->dockerfile, ".in"))
        (void)pq_errors_add(errors, PQ_EINPUT, conf_path, "call it Dockerfile.NAME",
                            "DOCKERFILE ends in `.in`: buildah would run it through the C preprocessor");
    check_context(tree, folder, errors);
    PQ_AUTO_FREE char *platform = pq_asprintf("linux/%s", architecture);
    if (conf.skip_archs && word_in(conf.skip_archs, " \t", architecture))
        folder->skipped = pq_asprintf("SKIP_ARCHS in %s names %s", conf_path, architecture);
    else if (conf.manifest_platforms && !word_in(conf.manifest_platforms, ", \t", platform))
        folder->skipped = pq_asprintf("MANIFEST_PLATFORMS in %s does not name %s", conf_path, platform);
}

static void read_folder(const pq_tree *tree, const char *architecture, const char *name, pq_layout *out,
                        pq_errors *errors)
{
    pq_folder folder = {.name = pq_strdup(name)};
    folder.image = has_file(tree, name, "Dockerfile");
    folder.app = has_file(tree, name, "docker-compose.yml");
    if (has_file(tree, name, "docker-compose.yaml") && !folder.app) {
        PQ_AUTO_FREE char *where = pq_path_join(name, "docker-compose.yaml");
        (void)pq_errors_add(errors, PQ_EINPUT, where, "rename it to docker-compose.yml",
                            "a Compose App is described by docker-compose.yml");
    }
    static const struct {
        const char *name;
        bool compose;
    } near[] = {{"compose.yml", true}, {"compose.yaml", true}, {"dockerfile", false}, {"Containerfile", false}};
    for (size_t i = 0; i < sizeof near / sizeof *near; i++) {
        if ((near[i].compose ? folder.app : folder.image) || !has_file(tree, name, near[i].name))
            continue;
        PQ_AUTO_FREE char *where = pq_path_join(name, near[i].name);
        PQ_AUTO_FREE char *hint = pq_asprintf("rename it to %s", near[i].compose ? "docker-compose.yml" : "Dockerfile");
        pq_warn(where, hint, "this file is not used, and the folder is no %s", near[i].compose ? "app" : "image");
    }
    if (has_file(tree, name, ".ci-search-subdirs")) {
        PQ_AUTO_FREE char *where = pq_path_join(name, ".ci-search-subdirs");
        pq_warn(where, "move those folders to the first level", "images in folders below are not built");
    }
    if (folder.image)
        read_image(tree, architecture, &folder, errors);
    if (folder.app)
        folder.compose = pq_path_join(name, "docker-compose.yml");
    if (!folder.image && !folder.app) {
        clear_folder(&folder);
        return;
    }
    out->at = pq_grow(out->at, &out->capacity, out->count + 1, sizeof *out->at);
    out->at[out->count++] = folder;
}

/* What a repository in a registry may be called (distribution's grammar for one path component). */
static bool name_fits_registry(const char *name)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    const char *at = name + strspn(name, plain);
    if (at == name)
        return false;
    while (*at) {
        size_t dashes = strspn(at, "-");
        at += dashes ? dashes : pq_starts_with(at, "__") ? 2 : *at == '_' || *at == '.';
        size_t length = strspn(at, plain);
        if (length == 0)
            return false;
        at += length;
    }
    return strlen(name) <= 128;
}

bool pq_layout_read(const pq_tree *tree, const char *architecture, pq_layout *out, pq_errors *errors)
{
    size_t before = errors->count;
    PQ_AUTO_ERROR err = {0};
    int fd = pq_tree_open_dir(tree, ".", &err);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    if (!folder) {
        if (fd >= 0) {
            (void)pq_fail_errno(&err, tree->path, "cannot be read");
            (void)close(fd);
        }
        pq_errors_take(errors, &err);
        return false;
    }
    PQ_AUTO_STRINGS names = {0};
    for (struct dirent *entry; (entry = readdir(folder));) {
        struct stat status;
        if (entry->d_name[0] == '.' || pq_ends_with(entry->d_name, ".disabled") ||
            !pq_tree_stat(tree, entry->d_name, &status) || !S_ISDIR(status.st_mode))
            continue;
        pq_strings_add(&names, entry->d_name);
    }
    (void)closedir(folder);
    pq_strings_sort(&names);
    if (has_file(tree, ".", "pre-build.conf"))
        pq_warn("pre-build.conf", not_run, "this file is not used");
    for (size_t i = 0; i < names.count; i++) {
        size_t had = out->count;
        read_folder(tree, architecture, names.at[i], out, errors);
        if (out->count > had && !name_fits_registry(names.at[i]))
            (void)pq_errors_add(errors, PQ_EINPUT, names.at[i],
                                "use lower-case letters, digits, and single `.`, `_` or `-` between them",
                                "the folder's name cannot be a repository's");
    }
    return errors->count == before;
}
