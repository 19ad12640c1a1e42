#include "scan/walk.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/signals.h"
#include "base/text.h"

enum {
    CHUNK = 32 << 10,    /* of a folder's entries, read at once */
    OPEN_LEVELS = 32,    /* of folders that stay open while the folders in them are walked */
    MAX_NAMES = 1 << 30, /* bytes of names in one folder */
};

/* What counts in one folder. A folder's name ends in a slash, so that names sort as the paths below them will. */
typedef struct listing {
    pq_buf names; /* each with its NUL */
    uint32_t *at; /* offsets into `names` */
    size_t count, capacity;
    bool has_git, has_env;
} listing;

typedef struct walker {
    const pq_walk *how;
    char *chunk;
} walker;

static void listing_clear(listing *list)
{
    pq_buf_clear(&list->names);
    free(list->at);
}

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

static bool skipped_folder(const char *name)
{
    return strcmp(name, ".git") == 0 || strcmp(name, "node_modules") == 0 || pq_ends_with(name, ".disabled");
}

/* A symbolic link with the name of a file counts, unless it leads to a folder. */
static bool leads_to_folder(const pq_tree *tree, const char *path)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_CLOSE int fd = pq_tree_open_dir(tree, path, &err);
    return fd >= 0;
}

static mode_t type_by_stat(const pq_tree *tree, const char *path)
{
    struct stat status;
    return pq_tree_stat(tree, path, &status) ? status.st_mode & S_IFMT : 0;
}

static void add(listing *list, const char *name, bool folder)
{
    list->at = pq_grow(list->at, &list->capacity, list->count + 1, sizeof *list->at);
    list->at[list->count++] = (uint32_t)list->names.length;
    pq_buf_adds(&list->names, name);
    if (folder)
        pq_buf_addc(&list->names, '/');
    pq_buf_addc(&list->names, '\0');
}

static void look_at(const walker *in, const char *folder, const struct dirent64 *entry, listing *list)
{
    const char *name = entry->d_name;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return;
    list->has_git = list->has_git || strcmp(name, ".git") == 0;
    list->has_env = list->has_env || strcmp(name, ".env") == 0;
    bool by_name = pq_scan_kind_of(name) != PQ_SCAN_NOTHING;
    mode_t type = (mode_t)DTTOIF(entry->d_type);
    if (skipped_folder(name) || (!by_name && type && type != S_IFDIR))
        return;
    PQ_AUTO_FREE char *path = type == S_IFDIR || type == S_IFREG ? NULL : pq_path_join(folder, name);
    if (!type) /* a file system that does not say */
        type = type_by_stat(in->how->tree, path);
    if (type == S_IFDIR)
        add(list, name, true);
    else if (by_name && (type == S_IFREG || (type == S_IFLNK && !leads_to_folder(in->how->tree, path))))
        add(list, name, false);
}

static int compare_names(const void *left, const void *right, void *context)
{
    const char *names = context;
    uint32_t a, b;
    memcpy(&a, left, sizeof a);
    memcpy(&b, right, sizeof b);
    return strcmp(names + a, names + b);
}

static bool read_names(const walker *in, int fd, const char *folder, listing *list, pq_error *err)
{
    for (;;) {
        ssize_t length = getdents64(fd, in->chunk, CHUNK);
        if (length < 0)
            return pq_fail_errno(err, folder, "cannot read the folder");
        if (length == 0)
            break;
        for (ssize_t at = 0; at < length;) {
            const struct dirent64 *entry = (const void *)(in->chunk + at);
            look_at(in, folder, entry, list);
            at += entry->d_reclen;
        }
    }
    if (list->names.overflow)
        return pq_fail(err, PQ_EINPUT, folder, NULL, "holds too many files");
    if (list->count > 1)
        qsort_r(list->at, list->count, sizeof *list->at, compare_names, list->names.data);
    return true;
}

/* Opens and lists. NULL when there is nothing to walk. */
static pq_walk_folder *enter(const walker *in, const char *path, listing *list)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_CLOSE int fd = pq_tree_open_dir(in->how->tree, path, &err);
    bool good = fd >= 0 && read_names(in, fd, path, list, &err);
    bool root = *path == '\0';
    PQ_AUTO_FREE char *git = good || root ? NULL : pq_path_join(path, ".git");
    struct stat status;
    if (!root && (good ? list->has_git : pq_tree_stat(in->how->tree, git, &status)))
        return NULL; /* another work tree */
    if (!good) {
        in->how->failed(in->how->context, root ? "." : path, &err);
        return NULL;
    }
    pq_walk_folder *folder = pq_alloc(1, sizeof *folder);
    *folder = (pq_walk_folder){.fd = pq_steal_fd(&fd), .has_env = list->has_env, .users = 1};
    return folder;
}

void pq_walk_let_go(pq_walk_folder *folder)
{
    if (--folder->users)
        return;
    if (folder->fd >= 0)
        (void)close(folder->fd);
    free(folder);
}

static void walk_folder(const walker *in, const char *path, unsigned depth)
{
    PQ_CLEANUP(listing_clear) listing list = {.names = PQ_BUF(MAX_NAMES)};
    pq_walk_folder *folder = enter(in, path, &list);
    if (!folder)
        return;
    if (depth >= OPEN_LEVELS) {
        (void)close(folder->fd);
        folder->fd = -1;
    }
    for (size_t i = 0; i < list.count && !pq_interrupted(); i++) {
        char *name = list.names.data + list.at[i];
        size_t length = strlen(name);
        bool is_folder = name[length - 1] == '/';
        if (is_folder)
            name[length - 1] = '\0';
        PQ_AUTO_FREE char *below = pq_path_join(path, name);
        if (is_folder) {
            walk_folder(in, below, depth + 1); /* as deep as a path can be long */
            continue;
        }
        folder->users++;
        in->how->found(in->how->context, folder, pq_steal(below), pq_scan_kind_of(name));
    }
    pq_walk_let_go(folder);
}

void pq_walk_tree(const pq_walk *walk)
{
    PQ_AUTO_FREE char *chunk = pq_alloc(CHUNK, 1);
    walker in = {.how = walk, .chunk = chunk};
    walk_folder(&in, "", 0);
}

bool pq_walk_lists(const pq_tree *tree, const char *path)
{
    if (pq_scan_kind_of(pq_path_basename(path)) == PQ_SCAN_NOTHING)
        return false;
    PQ_AUTO_FREE char *above = pq_strdup(path);
    for (char *slash = strchr(above, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        PQ_AUTO_FREE char *git = pq_path_join(above, ".git");
        struct stat status;
        if (skipped_folder(pq_path_basename(above)) || type_by_stat(tree, above) != S_IFDIR ||
            pq_tree_stat(tree, git, &status))
            return false;
        *slash = '/';
    }
    mode_t type = type_by_stat(tree, path);
    return type == S_IFREG || (type == S_IFLNK && !leads_to_folder(tree, path));
}
