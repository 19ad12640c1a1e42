#include "scan/tree.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "scan/dockerfile.h"

pq_scan_file pq_scan_kind_of(const char *name)
{
    static const char *const compose[] = {"docker-compose.yml", "docker-compose.yaml", "compose.yml", "compose.yaml"};
    if (pq_ends_with(name, ".disabled"))
        return PQ_SCAN_NOTHING;
    for (size_t i = 0; i < sizeof compose / sizeof *compose; i++)
        if (strcmp(name, compose[i]) == 0)
            return PQ_SCAN_COMPOSE;
    if (pq_ends_with(name, ".dockerignore")) /* what to leave out of a context */
        return PQ_SCAN_NOTHING;
    if (strcmp(name, "Dockerfile") == 0 || strcmp(name, "Containerfile") == 0 || pq_starts_with(name, "Dockerfile.") ||
        pq_ends_with(name, ".Dockerfile"))
        return PQ_SCAN_DOCKERFILE;
    return PQ_SCAN_NOTHING;
}

static void take_error(pq_scan *scan, const pq_scan_options *options, const char *path, pq_error *err)
{
    free(err->where);
    err->where = pq_scan_name(options, path);
    if (err->code == PQ_ENOTFOUND) /* a file that we were given, not something that a peer lacks */
        err->code = PQ_EINPUT;
    pq_errors_take(&scan->errors, err);
}

static bool skipped_folder(const pq_tree *tree, const char *name, const char *path)
{
    if (strcmp(name, ".git") == 0 || strcmp(name, "node_modules") == 0 || pq_ends_with(name, ".disabled"))
        return true;
    PQ_AUTO_FREE char *git = pq_path_join(path, ".git");
    struct stat status;
    return pq_tree_stat(tree, git, &status); /* another work tree */
}

/* A symbolic link with the name of a file counts, unless it leads to a folder. */
static bool leads_to_folder(const pq_tree *tree, const char *path)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_CLOSE int fd = pq_tree_open_dir(tree, path, &err);
    return fd >= 0;
}

static void look_at(const pq_tree *tree, const char *name, char *path, pq_strings *folders, pq_strings *files)
{
    PQ_AUTO_FREE char *owned = path;
    struct stat status;
    if (!pq_tree_stat(tree, path, &status))
        return; /* gone meanwhile */
    if (S_ISDIR(status.st_mode) && !skipped_folder(tree, name, path))
        pq_strings_take(folders, pq_steal(owned));
    else if (pq_scan_kind_of(name) != PQ_SCAN_NOTHING &&
             (S_ISREG(status.st_mode) || (S_ISLNK(status.st_mode) && !leads_to_folder(tree, path))))
        pq_strings_take(files, pq_steal(owned));
}

static bool list_folder(const pq_tree *tree, const char *folder, pq_strings *folders, pq_strings *files, pq_error *err)
{
    int fd = pq_tree_open_dir(tree, *folder ? folder : ".", err);
    if (fd < 0)
        return false;
    DIR *entries = fdopendir(fd);
    if (!entries) {
        (void)pq_fail_errno(err, folder, "cannot open");
        (void)close(fd);
        return false;
    }
    errno = 0;
    for (struct dirent *entry; (entry = readdir(entries)); errno = 0) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
            look_at(tree, name, *folder ? pq_path_join(folder, name) : pq_strdup(name), folders, files);
    }
    bool good = errno == 0 || pq_fail_errno(err, folder, "cannot read the folder");
    (void)closedir(entries);
    return good;
}

static bool read_beside(void *context, const char *path, pq_buf *out, pq_error *err)
{
    return pq_tree_read(context, path, out, err);
}

static void scan_bytes(const pq_tree *tree, const char *path, pq_scan_file kind, const pq_buf *bytes,
                       const pq_scan_options *options, pq_scan *scan)
{
    if (kind == PQ_SCAN_COMPOSE) {
        pq_loader loader = {.read = read_beside, .context = (void *)(uintptr_t)tree};
        pq_compose_scan(path, pq_buf_text(bytes), bytes->length, &loader, options, scan);
        return;
    }
    pq_dockerfile_options build = {
        .build_args = options->build_args,
        .target_platform = options->target_platform,
        .build_platform = options->build_platform,
    };
    PQ_AUTO_FREE char *name = pq_scan_name(options, path);
    pq_dockerfile_scan(name, pq_buf_text(bytes), bytes->length, &build, scan);
}

static pq_scan_file kind_by_suffix(const char *name)
{
    return pq_ends_with(name, ".yml") || pq_ends_with(name, ".yaml") ? PQ_SCAN_COMPOSE : PQ_SCAN_DOCKERFILE;
}

void pq_scan_one(const pq_tree *tree, const char *relative, const pq_scan_options *options, pq_scan *scan)
{
    PQ_AUTO_BUF bytes = PQ_BUF(PQ_MAX_TREE_FILE);
    PQ_AUTO_ERROR err = {0};
    if (pq_tree_read(tree, relative, &bytes, &err))
        scan_bytes(tree, relative, kind_by_suffix(relative), &bytes, options, scan);
    else
        take_error(scan, options, relative, &err);
}

static int compare_uses(const void *a, const void *b)
{
    const pq_image_use *one = *(pq_image_use *const *)a, *two = *(pq_image_use *const *)b;
    int order = strcmp(one->file, two->file);
    if (!order)
        order = (one->line > two->line) - (one->line < two->line);
    if (!order)
        order = strcmp(one->image, two->image);
    if (!order)
        order = strcmp(one->service ? one->service : "", two->service ? two->service : "");
    return order ? order : (one->kind > two->kind) - (one->kind < two->kind);
}

/* An included file that is also a Compose file of the tree by its own name was read twice; its images count once. */
static void drop_included_twice(pq_scan *scan, size_t first)
{
    size_t count = scan->use_count - first, own = 0;
    PQ_AUTO_FREE pq_image_use **direct = pq_alloc(count, sizeof *direct);
    for (size_t i = first; i < scan->use_count; i++)
        if (strcmp(scan->uses[i].file, scan->uses[i].owner) == 0)
            direct[own++] = &scan->uses[i];
    if (own == count)
        return;
    PQ_AUTO_FREE bool *drop = pq_alloc(count, sizeof *drop);
    qsort(direct, own, sizeof *direct, compare_uses);
    for (size_t i = first; i < scan->use_count; i++) {
        pq_image_use *use = &scan->uses[i];
        drop[i - first] =
            strcmp(use->file, use->owner) != 0 && bsearch(&use, direct, own, sizeof *direct, compare_uses) != NULL;
    }
    PQ_AUTO_SCAN dropped = {0};
    size_t kept = first;
    dropped.uses = pq_alloc(count, sizeof *dropped.uses);
    for (size_t i = first; i < scan->use_count; i++) {
        if (drop[i - first])
            dropped.uses[dropped.use_count++] = scan->uses[i];
        else
            scan->uses[kept++] = scan->uses[i];
    }
    scan->use_count = kept;
}

void pq_scan_tree(const pq_tree *tree, const pq_scan_options *options, pq_scan *scan)
{
    PQ_AUTO_STRINGS folders = {0}, files = {0};
    size_t first = scan->use_count;
    pq_strings_add(&folders, "");
    for (size_t i = 0; i < folders.count; i++) { /* grows while it is walked */
        PQ_AUTO_ERROR err = {0};
        PQ_AUTO_FREE char *folder = pq_strdup(folders.at[i]);
        if (!list_folder(tree, folder, &folders, &files, &err))
            take_error(scan, options, *folder ? folder : ".", &err);
    }
    pq_strings_sort(&files);
    for (size_t i = 0; i < files.count; i++) {
        PQ_AUTO_BUF bytes = PQ_BUF(PQ_MAX_TREE_FILE);
        PQ_AUTO_ERROR err = {0};
        if (pq_tree_read(tree, files.at[i], &bytes, &err))
            scan_bytes(tree, files.at[i], pq_scan_kind_of(pq_path_basename(files.at[i])), &bytes, options, scan);
        else
            take_error(scan, options, files.at[i], &err);
    }
    drop_included_twice(scan, first);
}

void pq_scan_path(const char *path, const pq_scan_options *options, pq_scan *scan)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_TREE tree = PQ_TREE_NONE;
    bool folder = pq_is_dir(path);
    PQ_AUTO_FREE char *root = folder ? pq_strdup(path) : pq_path_dirname(path);
    if (!pq_path_exists(path))
        (void)pq_fail(&err, PQ_EINPUT, path, NULL, "no such file or folder");
    if (err.message || !pq_tree_open(root, &tree, &err)) {
        pq_errors_take(&scan->errors, &err);
        return;
    }
    if (folder) {
        pq_scan_tree(&tree, options, scan);
        return;
    }
    /* The file itself may be a link to anywhere: its user named it. Only what it refers to is confined. */
    PQ_AUTO_BUF bytes = PQ_BUF(PQ_MAX_TREE_FILE);
    if (!pq_read_file(path, &bytes, &err)) {
        pq_errors_take(&scan->errors, &err);
        return;
    }
    const char *name = pq_path_basename(path);
    PQ_AUTO_FREE char *before = pq_strndup(path, strlen(path) - strlen(name));
    PQ_AUTO_FREE char *prefix = pq_asprintf("%s%s", options->prefix ? options->prefix : "", before);
    pq_scan_options named = *options;
    named.prefix = prefix;
    scan_bytes(&tree, name, kind_by_suffix(name), &bytes, &named, scan);
}
