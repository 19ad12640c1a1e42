#include "target/bundle.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <locale.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/secret.h"
#include "base/text.h"
#include "crypto/hash.h"
#include "target/archive_lazy.h"
#include "target/ignore.h"

enum { MAX_FOLDER_DEPTH = 100, MAX_LINK = 4096 };

static const char ignore_file[] = ".composeappignores";

bool pq_bundle_competes(const char *path)
{
    static const char *const names[] = {"compose.yaml",
                                        "compose.yml",
                                        "docker-compose.yaml",
                                        "compose.override.yaml",
                                        "compose.override.yml",
                                        "docker-compose.override.yaml",
                                        "docker-compose.override.yml"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], path) == 0)
            return true;
    return false;
}

bool pq_bundle_env_steers(const char *bytes, size_t length)
{
    static const char *const names[] = {"COMPOSE_FILE", "COMPOSE_ENV_FILES"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (memmem(bytes, length, names[i], strlen(names[i])))
            return true;
    return false;
}

void pq_bundle_clear(pq_bundle *bundle)
{
    pq_buf_clear(&bundle->archive);
    pq_buf_clear(&bundle->index);
    free(bundle->digest);
    free(bundle->index_digest);
    *bundle = (pq_bundle){0};
}

/* One entry of the bundle, found by the walk. */
typedef struct item {
    char *path;
    char *link; /* of a symbolic link */
    mode_t type;
    bool executable;
} item;

typedef struct walk {
    const pq_tree *tree;
    const pq_bundle_replacement *replacements;
    size_t replacement_count;
    pq_ignore ignore;
    item *items;
    size_t count, capacity;
    uint64_t bytes;
    pq_errors *errs;
    bool full;
} walk;

static void walk_cleanup(walk *w)
{
    pq_ignore_clear(&w->ignore);
    for (size_t i = 0; i < w->count; i++) {
        free(w->items[i].path);
        free(w->items[i].link);
    }
    free(w->items);
}
#define AUTO_WALK PQ_CLEANUP(walk_cleanup) walk

static void complain(const walk *w, const char *path, const char *hint, const char *message)
{
    PQ_AUTO_FREE char *where = pq_path_join(w->tree->path, path);
    (void)pq_errors_add(w->errs, PQ_EINPUT, where, hint, "%s", message);
}

static const pq_bundle_replacement *replacement_of(const walk *w, const char *path)
{
    for (size_t i = 0; i < w->replacement_count; i++)
        if (pq_streq(w->replacements[i].path, path))
            return &w->replacements[i];
    return NULL;
}

static bool add_item(walk *w, const char *path, const struct stat *status, char *link)
{
    if (w->count == PQ_MAX_BUNDLE_FILES) {
        if (!w->full)
            complain(w, path, "leave files out with .composeappignores", "the bundle has too many files");
        w->full = true;
        free(link);
        return false;
    }
    w->items = pq_grow(w->items, &w->capacity, w->count + 1, sizeof *w->items);
    w->items[w->count++] = (item){
        .path = pq_strdup(path),
        .link = link,
        .type = status->st_mode & S_IFMT,
        .executable = S_ISREG(status->st_mode) && (status->st_mode & 0100),
    };
    return true;
}

/* Whether a link's text leads to something inside. `..` may stand at its beginning only, where it goes up from a real
 * folder; after a name it would go up from whatever that name links to. What is passed through on the way down may be
 * links too, each judged where it stands, so that a chain of inward steps never leaves. */
static bool leads_inside(const char *path, const char *link)
{
    size_t depth = 0;
    bool descended = false;
    for (const char *at = path; *at; at++)
        depth += *at == '/';
    if (*link == '/' || *link == '\0')
        return false;
    for (const char *part = link; *part;) {
        size_t length = strcspn(part, "/");
        if (length == 2 && part[0] == '.' && part[1] == '.') {
            if (descended || depth-- == 0)
                return false;
        } else if (length > 0 && !(length == 1 && part[0] == '.')) {
            descended = true;
        }
        part += length + (part[length] == '/');
    }
    return true;
}

static void take_link(walk *w, int folder, const char *name, const char *path, const struct stat *status)
{
    PQ_AUTO_FREE char *text = pq_alloc(MAX_LINK + 1, 1);
    ssize_t length = readlinkat(folder, name, text, MAX_LINK);
    if (length < 0 || length == MAX_LINK)
        return complain(w, path, NULL, "this symbolic link cannot be read");
    if (!pq_utf8_valid(text, (size_t)length) || !leads_inside(path, text))
        return complain(w, path, "copy what it points to, or name it in .composeappignores",
                        "this symbolic link leads out of the app's folder");
    (void)add_item(w, path, status, pq_steal(text));
}

static void take_file(walk *w, const char *path, const struct stat *status)
{
    const pq_bundle_replacement *replacement = replacement_of(w, path);
    if (status->st_nlink > 1 && !replacement)
        return complain(w, path, "copy it, or name it in .composeappignores", "this file has several hard links");
    w->bytes += replacement ? replacement->length : (uint64_t)status->st_size;
    (void)add_item(w, path, status, NULL);
}

static void walk_folder(walk *w, const char *folder, unsigned depth);

static void take_entry(walk *w, int folder, const char *name, const char *path, unsigned depth)
{
    struct stat status;
    bool replaced = replacement_of(w, path) != NULL;
    bool ignored = !replaced && pq_ignore_matches(&w->ignore, path);
    if (pq_streq(path, ignore_file) || pq_streq(name, ".git"))
        return;
    if (fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return complain(w, path, NULL, "cannot be looked at, or went away");
    if (ignored && !S_ISDIR(status.st_mode))
        return;
    if (ignored && pq_ignore_prunes(&w->ignore, path))
        return;
    if (!pq_utf8_valid(path, strlen(path)))
        return complain(w, path, "rename it", "its name is not UTF-8");
    if (pq_bundle_competes(path))
        return complain(w, path, "move what it says into docker-compose.yml, or name it in .composeappignores",
                        "a device would read this file too, and its images are not pinned");
    if (S_ISDIR(status.st_mode)) {
        if (ignored || add_item(w, path, &status, NULL))
            walk_folder(w, path, depth + 1);
    } else if (S_ISLNK(status.st_mode)) {
        take_link(w, folder, name, path, &status);
    } else if (S_ISREG(status.st_mode)) {
        take_file(w, path, &status);
    } else {
        complain(w, path, "remove it, or name it in .composeappignores",
                 S_ISFIFO(status.st_mode)   ? "a bundle cannot hold a FIFO"
                 : S_ISSOCK(status.st_mode) ? "a bundle cannot hold a socket"
                                            : "a bundle cannot hold a device");
    }
}

static void walk_folder(walk *w, const char *folder, unsigned depth)
{
    PQ_AUTO_ERROR err = {0};
    if (depth > MAX_FOLDER_DEPTH)
        return complain(w, folder, NULL, "folders nest too deeply");
    PQ_AUTO_CLOSE int fd = pq_tree_open_dir(w->tree, folder, &err);
    DIR *dir = fd >= 0 ? fdopendir(dup(fd)) : NULL;
    if (!dir)
        return complain(w, folder, NULL, "this folder cannot be read");
    PQ_AUTO_STRINGS names = {0};
    for (struct dirent *entry; (entry = readdir(dir));)
        if (!pq_streq(entry->d_name, ".") && !pq_streq(entry->d_name, ".."))
            pq_strings_add(&names, entry->d_name);
    (void)closedir(dir);
    pq_strings_sort(&names); /* so that problems come in the same order everywhere */
    for (size_t i = 0; i < names.count && !w->full; i++) {
        PQ_AUTO_FREE char *path = pq_path_join(folder, names.at[i]);
        take_entry(w, fd, names.at[i], path, depth);
    }
}

static int by_path(const void *left, const void *right)
{
    return strcmp(((const item *)left)->path, ((const item *)right)->path);
}

/* ---- writing ---- */

typedef struct archive archive;

static void archive_cleanup(archive **a)
{
    if (*a)
        (void)archive_write_free(*a);
}
static void entry_cleanup(struct archive_entry **entry)
{
    archive_entry_free(*entry);
}
#define AUTO_ARCHIVE PQ_CLEANUP(archive_cleanup) archive
#define AUTO_ENTRY PQ_CLEANUP(entry_cleanup) struct archive_entry

static la_ssize_t add_bytes(struct archive *a, void *out, const void *bytes, size_t length)
{
    pq_buf_add(out, bytes, length);
    if (!((pq_buf *)out)->overflow)
        return (la_ssize_t)length;
    archive_set_error(a, ENOSPC, "the bundle is too large");
    return -1;
}

static bool failed(archive *a, const char *path, pq_error *err)
{
    const char *why = archive_error_string(a);
    return pq_fail(err, PQ_EINPUT, path, NULL, "cannot be put into the bundle: %s", why ? why : "unknown reason");
}

/* libarchive takes names through the locale of the thread; a bundle must not depend on the caller's. */
typedef struct locale_change {
    locale_t utf8, before;
} locale_change;

static locale_change use_utf8(void)
{
    locale_change change = {.utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0)};
    change.before = change.utf8 ? uselocale(change.utf8) : (locale_t)0;
    return change;
}

static void locale_cleanup(locale_change *change)
{
    if (!change->utf8)
        return;
    (void)uselocale(change->before);
    freelocale(change->utf8);
}
#define AUTO_LOCALE PQ_CLEANUP(locale_cleanup) PQ_UNUSED locale_change

static bool open_archive(archive *a, pq_buf *out)
{
    /* pax "restricted": plain ustar, with a pax header only where ustar cannot hold the entry. One gzip stream without
     * time and name: the `timestamp` option is taken away, and libarchive writes no name. */
    return a && archive_write_set_format_pax_restricted(a) == ARCHIVE_OK &&
           archive_write_add_filter_gzip(a) == ARCHIVE_OK &&
           archive_write_set_filter_option(a, "gzip", "timestamp", NULL) == ARCHIVE_OK &&
           archive_write_set_filter_option(a, "gzip", "compression-level", "9") == ARCHIVE_OK &&
           archive_write_set_bytes_in_last_block(a, 1) == ARCHIVE_OK &&
           archive_write_open(a, out, NULL, add_bytes, NULL) == ARCHIVE_OK;
}

static bool write_header(archive *a, const item *it, size_t length, pq_error *err)
{
    AUTO_ENTRY *entry = archive_entry_new();
    PQ_AUTO_FREE char *folder = pq_asprintf("%s/", it->path);
    archive_entry_set_pathname_utf8(entry, S_ISDIR(it->type) ? folder : it->path);
    archive_entry_set_filetype(entry, it->type);
    archive_entry_set_perm(entry, S_ISLNK(it->type) ? 0777 : S_ISDIR(it->type) ? 0755 : it->executable ? 0755 : 0644);
    archive_entry_set_uid(entry, 0);
    archive_entry_set_gid(entry, 0);
    /* An entry without a time has time 0. To set it would hand libarchive a time_t, which is not always its own. */
    if (it->link)
        archive_entry_set_symlink_utf8(entry, it->link);
    archive_entry_set_size(entry, (la_int64_t)length);
    return archive_write_header(a, entry) == ARCHIVE_OK || failed(a, it->path, err);
}

static bool write_file(const walk *w, archive *a, const item *it, json_t *index, pq_error *err)
{
    const pq_bundle_replacement *replacement = replacement_of(w, it->path);
    PQ_AUTO_BUF read = PQ_BUF(PQ_MAX_BUNDLE);
    if (!replacement && !pq_tree_read(w->tree, it->path, &read, err))
        return false;
    const void *bytes = replacement ? replacement->bytes : read.data;
    size_t length = replacement ? replacement->length : read.length;
    if (length && pq_secret_found_in(bytes, length))
        return pq_fail(err, PQ_EINPUT, it->path, "remove it, or name the file in .composeappignores",
                       "holds the bytes of a secret that this run knows, and would be published");
    if (pq_streq(it->path, ".env") && length && pq_bundle_env_steers(bytes, length))
        return pq_fail(err, PQ_EINPUT, it->path, "take COMPOSE_FILE and COMPOSE_ENV_FILES out of it",
                       "would have a device read other files than docker-compose.yml");
    if (!write_header(a, it, length, err))
        return false;
    if (length && archive_write_data(a, bytes, length) != (la_ssize_t)length)
        return failed(a, it->path, err);
    PQ_AUTO_FREE char *digest = pq_sha256_digest(bytes, length);
    if (json_object_set_new(index, it->path, json_string(digest)) != 0)
        return pq_fail(err, PQ_EINPUT, it->path, "rename it", "its name cannot be written as JSON");
    return true;
}

/* Every file is looked at, also after one was refused: all problems are reported. */
static bool write_all(const walk *w, archive *a, json_t *index)
{
    bool good = true;
    for (size_t i = 0; i < w->count; i++) {
        PQ_AUTO_ERROR err = {0};
        bool written = S_ISREG(w->items[i].type) ? write_file(w, a, &w->items[i], index, &err)
                                                 : write_header(a, &w->items[i], 0, &err);
        if (written)
            continue;
        PQ_AUTO_FREE char *where = pq_path_join(w->tree->path, w->items[i].path);
        free(err.where);
        err.where = pq_steal(where);
        pq_errors_take(w->errs, &err);
        good = false;
    }
    return good;
}

static bool read_ignores(walk *w)
{
    PQ_AUTO_BUF bytes = PQ_BUF(PQ_MAX_TREE_FILE);
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *name = pq_path_join(w->tree->path, ignore_file);
    if (!pq_tree_read(w->tree, ignore_file, &bytes, &err)) {
        if (err.code == PQ_ENOTFOUND)
            return true;
        free(err.where);
        err.where = pq_strdup(name);
        pq_errors_take(w->errs, &err);
        return false;
    }
    if (pq_ignore_parse(name, pq_buf_text(&bytes), bytes.length, &w->ignore, &err))
        return true;
    pq_errors_take(w->errs, &err);
    return false;
}

static bool check_walk(const walk *w)
{
    for (size_t i = 0; i < w->replacement_count; i++) {
        const item key = {.path = (char *)w->replacements[i].path};
        const item *found = w->count ? bsearch(&key, w->items, w->count, sizeof *w->items, by_path) : NULL;
        if (!found || !S_ISREG(found->type))
            complain(w, key.path, NULL, "is not a regular file of the app's folder");
    }
    if (w->bytes + 512ull * w->count > PQ_MAX_BUNDLE)
        (void)pq_errors_add(w->errs, PQ_EINPUT, w->tree->path, "leave files out with .composeappignores",
                            "the bundle would be larger than %u bytes", PQ_MAX_BUNDLE);
    return w->errs->count == 0;
}

bool pq_bundle_build(const pq_tree *folder, const pq_bundle_replacement *replacements, size_t count, pq_bundle *out,
                     pq_errors *errs)
{
    PQ_AUTO_ERRORS found = {0};
    AUTO_WALK w = {.tree = folder, .replacements = replacements, .replacement_count = count, .errs = &found};
    PQ_AUTO_ERROR err = {0};
    if (!pq_archive_load(&err)) {
        pq_errors_take(errs, &err);
        return false;
    }
    if (!read_ignores(&w)) {
        pq_errors_append(errs, &found);
        return false;
    }
    walk_folder(&w, "", 0);
    if (w.count)
        qsort(w.items, w.count, sizeof *w.items, by_path);
    PQ_AUTO_BUNDLE bundle = {.archive = PQ_BUF(PQ_MAX_BUNDLE), .index = PQ_BUF(PQ_MAX_METADATA), .entries = w.count};
    json_auto_t *index = json_object();
    AUTO_LOCALE utf8 = use_utf8();
    AUTO_ARCHIVE *a = archive_write_new();
    bool good = check_walk(&w) && (open_archive(a, &bundle.archive) ||
                                   pq_errors_add(&found, PQ_ESYSTEM, folder->path, NULL, "libarchive cannot write it"));
    good = good && write_all(&w, a, index);
    if (good && archive_write_close(a) != ARCHIVE_OK)
        good = pq_errors_add(&found, PQ_EINPUT, folder->path, NULL, "the bundle cannot be finished");
    PQ_AUTO_FREE char *text = good ? json_dumps(index, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    if (!text) {
        pq_errors_append(errs, &found);
        return false;
    }
    pq_buf_adds(&bundle.index, text);
    bundle.digest = pq_sha256_digest(bundle.archive.data, bundle.archive.length);
    bundle.index_digest = pq_sha256_digest(bundle.index.data, bundle.index.length);
    *out = bundle;
    bundle = (pq_bundle){0};
    return true;
}
