#include "target/inputs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

enum { DEEPEST = 256 };

/* Each field carries its length, so that no two different lists of fields give the same bytes. */
static void add_field(pq_hasher *hasher, const char *name, const void *bytes, size_t length)
{
    PQ_AUTO_FREE char *head = pq_asprintf("%s %zu\n", name, length);
    pq_hasher_add(hasher, head, strlen(head));
    pq_hasher_add(hasher, bytes, length);
}

static void add_sorted(pq_hasher *hasher, const char *name, const pq_strings *list)
{
    PQ_AUTO_STRINGS sorted = {0};
    for (size_t i = 0; list && i < list->count; i++)
        pq_strings_add(&sorted, list->at[i]);
    pq_strings_sort(&sorted);
    for (size_t i = 0; i < sorted.count; i++)
        add_field(hasher, name, sorted.at[i], strlen(sorted.at[i]));
}

static bool add_file(const pq_tree *tree, pq_hasher *hasher, const char *path, pq_error *err)
{
    PQ_AUTO_CLOSE int fd = pq_tree_open_file(tree, path, NULL, err);
    pq_sha256 hash;
    if (fd < 0 || !pq_sha256_of_fd(fd, path, &hash, NULL, err))
        return false;
    add_field(hasher, "sha256", hash.bytes, sizeof hash.bytes);
    return true;
}

static bool add_link(int folder, pq_hasher *hasher, const char *path, const char *name, pq_error *err)
{
    char target[PATH_MAX];
    ssize_t length = readlinkat(folder, name, target, sizeof target);
    if (length < 0)
        return pq_fail_errno(err, path, "cannot read the link");
    add_field(hasher, "link", target, (size_t)length);
    return true;
}

static bool add_folder(const pq_tree *tree, pq_hasher *hasher, bool with_git, const char *path, size_t depth,
                       pq_error *err)
{
    if (depth > DEEPEST)
        return pq_fail(err, PQ_EINPUT, path, NULL, "folders are nested deeper than %d", DEEPEST);
    PQ_AUTO_CLOSE int fd = pq_tree_open_dir(tree, path, err);
    int listed = fd >= 0 ? dup(fd) : -1;
    DIR *folder = listed >= 0 ? fdopendir(listed) : NULL;
    if (!folder) {
        if (listed >= 0)
            (void)close(listed);
        return fd < 0 ? false : pq_fail_errno(err, path, "cannot be read");
    }
    PQ_AUTO_STRINGS names = {0};
    for (struct dirent *entry; (entry = readdir(folder));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            (with_git || strcmp(entry->d_name, ".git") != 0))
            pq_strings_add(&names, entry->d_name);
    (void)closedir(folder);
    pq_strings_sort(&names);
    for (size_t i = 0; i < names.count; i++) {
        PQ_AUTO_FREE char *below = strcmp(path, ".") == 0 ? pq_strdup(names.at[i]) : pq_path_join(path, names.at[i]);
        struct stat status;
        if (fstatat(fd, names.at[i], &status, AT_SYMLINK_NOFOLLOW) != 0)
            return pq_fail_errno(err, below, "cannot be read");
        add_field(hasher, "path", below, strlen(below));
        bool executable = S_ISREG(status.st_mode) && (status.st_mode & S_IXUSR);
        PQ_AUTO_FREE char *mode = pq_asprintf("%o%s", (unsigned)(status.st_mode & S_IFMT), executable ? "x" : "");
        add_field(hasher, "mode", mode, strlen(mode));
        bool good = true;
        if (S_ISREG(status.st_mode))
            good = add_file(tree, hasher, below, err);
        else if (S_ISLNK(status.st_mode))
            good = add_link(fd, hasher, below, names.at[i], err);
        else if (S_ISDIR(status.st_mode))
            good = add_folder(tree, hasher, with_git, below, depth + 1, err);
        if (!good)
            return false;
    }
    return true;
}

bool pq_inputs_tag(const pq_tree *tree, const pq_inputs *inputs, char **out, pq_error *err)
{
    PQ_AUTO_HASHER *hasher = pq_hasher_new();
    static const char format[] = "pratique inputs 1";
    add_field(hasher, "format", format, sizeof format - 1);
    add_field(hasher, "platform", inputs->platform, strlen(inputs->platform));
    add_sorted(hasher, "argument", inputs->arguments);
    add_sorted(hasher, "base", inputs->bases);
    add_sorted(hasher, "secret", inputs->secrets);
    add_field(hasher, "dockerfile", inputs->dockerfile, strlen(inputs->dockerfile));
    if (!add_file(tree, hasher, inputs->dockerfile, err))
        return false;
    add_field(hasher, "context", inputs->context, strlen(inputs->context));
    if (!add_folder(tree, hasher, inputs->with_git, inputs->context, 0, err))
        return false;
    pq_sha256 hash = pq_hasher_end(hasher);
    char hex[PQ_SHA256_HEX];
    pq_sha256_hex(&hash, hex);
    *out = pq_asprintf("inputs-%s", hex);
    return true;
}
