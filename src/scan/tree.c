#include "scan/tree.h"

#include <pthread.h>
#include <string.h>

#include "base/limits.h"
#include "base/signals.h"
#include "scan/compose.h"
#include "scan/crew.h"
#include "scan/dockerfile.h"
#include "scan/walk.h"

static void name_error(const pq_scan_options *options, const char *path, pq_error *err)
{
    free(err->where);
    err->where = pq_scan_name(options, path);
    if (err->code == PQ_ENOTFOUND) /* a file that we were given, not something that a peer lacks */
        err->code = PQ_EINPUT;
}

static void take_error(pq_scan *scan, const pq_scan_options *options, const char *path, pq_error *err)
{
    name_error(options, path, err);
    pq_errors_take(&scan->errors, err);
}

static bool read_beside(void *context, const char *path, pq_buf *out, pq_error *err)
{
    return pq_tree_read(context, path, out, err);
}

static void scan_bytes(const char *path, pq_scan_file kind, const pq_buf *bytes, const pq_loader *loader,
                       const pq_scan_options *options, pq_scan *scan)
{
    if (kind == PQ_SCAN_COMPOSE) {
        pq_compose_scan(path, pq_buf_text(bytes), bytes->length, loader, options, scan);
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
    pq_loader loader = {.read = read_beside, .context = (void *)(uintptr_t)tree};
    if (pq_tree_read(tree, relative, &bytes, &err))
        scan_bytes(relative, kind_by_suffix(relative), &bytes, &loader, options, scan);
    else
        take_error(scan, options, relative, &err);
}

/* --- a whole tree ----------------------------------------------------------------------------------------------- */

enum { FILES_AT_ONCE = 16, BATCHES = 8 }; /* at most so many files are open or held at a time, times each other */

typedef struct batch {
    struct {
        pq_walk_folder *folder;
        char *path;
        pq_scan_file kind;
    } files[FILES_AT_ONCE];
    size_t count;
    pq_scan found;
    void *prepared;
} batch;

typedef struct tree_scan {
    const pq_tree *tree;
    const pq_scan_options *options;
    const pq_scan_sink *sink;
    batch batches[BATCHES];
    batch *filling; /* NULL until there is a file for it */
    pq_crew *crew;
    pq_errors folder_errors, file_errors;
    /* What stands in files that others bring in and that the tree has by their own name; filled when it is asked for.
     */
    pthread_mutex_t lock;
    pq_vars looked_into; /* paths */
    pq_vars direct;      /* keys of uses */
} tree_scan;

/* The place of a file whose folder is open. */
typedef struct place {
    const pq_tree *tree;
    const pq_walk_folder *folder; /* of the file itself */
    const char *env;              /* path of the `.env` beside it, or NULL */
} place;

static bool read_near(void *context, const char *path, pq_buf *out, pq_error *err)
{
    const place *at = context;
    if (!pq_streq(path, at->env))
        return pq_tree_read(at->tree, path, out, err);
    if (!at->folder->has_env)
        return pq_fail(err, PQ_ENOTFOUND, path, NULL, "no such file");
    return pq_tree_read_in(at->tree, at->folder->fd, path, out, err);
}

static char *use_key(const pq_image_use *use)
{
    return pq_asprintf("%u %d %s\n%s\n%s", use->line, (int)use->kind, use->file, use->image,
                       use->service ? use->service : "");
}

/* Notes what the tree finds in a file by its own name. With the lock held. */
static void look_into(tree_scan *all, const char *path)
{
    if (pq_vars_get(&all->looked_into, path))
        return;
    pq_vars_set(&all->looked_into, path, "", NULL);
    if (pq_scan_kind_of(pq_path_basename(path)) != PQ_SCAN_COMPOSE || !pq_walk_lists(all->tree, path))
        return;
    PQ_AUTO_BUF bytes = PQ_BUF(PQ_MAX_TREE_FILE);
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_SCAN found = {0};
    pq_loader loader = {.read = read_beside, .context = (void *)(uintptr_t)all->tree};
    if (!pq_tree_read(all->tree, path, &bytes, &err))
        return;
    scan_bytes(path, PQ_SCAN_COMPOSE, &bytes, &loader, all->options, &found);
    for (size_t i = 0; i < found.use_count; i++) {
        PQ_AUTO_FREE char *key = use_key(&found.uses[i]);
        if (strcmp(found.uses[i].file, found.uses[i].owner) == 0)
            pq_vars_set(&all->direct, key, "", NULL);
    }
}

/* An included file that is also a Compose file of the tree by its own name is read twice; its images count once. */
static void drop_included_twice(tree_scan *all, pq_scan *found)
{
    if (!found->others.count)
        return;
    (void)pthread_mutex_lock(&all->lock);
    for (size_t i = 0; i < found->others.count; i++)
        look_into(all, found->others.at[i]);
    size_t kept = 0;
    for (size_t i = 0; i < found->use_count; i++) {
        pq_image_use *use = &found->uses[i];
        PQ_AUTO_FREE char *key = strcmp(use->file, use->owner) == 0 ? NULL : use_key(use);
        if (key && pq_vars_get(&all->direct, key))
            pq_image_use_clear(use);
        else
            found->uses[kept++] = *use;
    }
    found->use_count = kept;
    (void)pthread_mutex_unlock(&all->lock);
}

static void work(void *context, size_t slot)
{
    tree_scan *all = context;
    batch *mine = &all->batches[slot];
    PQ_AUTO_BUF bytes = PQ_BUF(PQ_MAX_TREE_FILE);
    for (size_t i = 0; i < mine->count; i++) {
        const char *path = mine->files[i].path;
        bool compose = mine->files[i].kind == PQ_SCAN_COMPOSE;
        PQ_AUTO_ERROR err = {0};
        PQ_AUTO_FREE char *env = compose ? pq_scan_beside(path, ".env") : NULL;
        place at = {.tree = all->tree, .folder = mine->files[i].folder, .env = env};
        pq_loader loader = {.read = read_near, .context = &at};
        pq_buf_truncate(&bytes, 0);
        if (pq_tree_read_in(all->tree, at.folder->fd, path, &bytes, &err))
            scan_bytes(path, mine->files[i].kind, &bytes, &loader, all->options, &mine->found);
        else
            take_error(&mine->found, all->options, path, &err);
    }
    drop_included_twice(all, &mine->found);
    if (all->sink->prepare)
        mine->prepared = all->sink->prepare(all->sink->context, &mine->found);
}

static void take(void *context, size_t slot)
{
    tree_scan *all = context;
    batch *done = &all->batches[slot];
    pq_errors_append(&all->file_errors, &done->found.errors);
    all->sink->take(all->sink->context, &done->found, pq_steal(done->prepared));
    pq_scan_clear(&done->found);
    for (size_t i = 0; i < done->count; i++) {
        pq_walk_let_go(done->files[i].folder);
        free(done->files[i].path);
    }
    done->count = 0;
}

static void submit(tree_scan *all)
{
    if (all->filling)
        pq_crew_submit(all->crew);
    all->filling = NULL;
}

static void on_file(void *context, pq_walk_folder *folder, char *path, pq_scan_file kind)
{
    tree_scan *all = context;
    if (!all->filling)
        all->filling = &all->batches[pq_crew_slot(all->crew)];
    size_t i = all->filling->count++;
    all->filling->files[i].folder = folder;
    all->filling->files[i].path = path;
    all->filling->files[i].kind = kind;
    if (i + 1 == FILES_AT_ONCE)
        submit(all);
}

static void on_failed_folder(void *context, const char *folder, pq_error *err)
{
    tree_scan *all = context;
    name_error(all->options, folder, err);
    pq_errors_take(&all->folder_errors, err);
}

static void scan_tree_to(const pq_tree *tree, const pq_scan_options *options, const pq_scan_sink *sink, pq_errors *errs)
{
    tree_scan all = {.tree = tree, .options = options, .sink = sink, .lock = PTHREAD_MUTEX_INITIALIZER};
    pq_crew_task task = {.work = work, .take = take, .context = &all, .slots = BATCHES};
    pq_walk walk = {.tree = tree, .found = on_file, .failed = on_failed_folder, .context = &all};
    all.crew = pq_crew_new(&task);
    pq_walk_tree(&walk);
    submit(&all);
    pq_crew_finish(all.crew);
    pq_errors_append(errs, &all.folder_errors);
    pq_errors_append(errs, &all.file_errors);
    if (pq_interrupted())
        (void)pq_errors_add(errs, PQ_EINTERRUPTED, NULL, NULL, "interrupted");
    pq_errors_clear(&all.folder_errors);
    pq_errors_clear(&all.file_errors);
    pq_vars_clear(&all.looked_into);
    pq_vars_clear(&all.direct);
    (void)pthread_mutex_destroy(&all.lock);
}

static void take_all(void *context, pq_scan *found, void *prepared)
{
    (void)prepared;
    pq_scan_append(context, found);
}

void pq_scan_tree(const pq_tree *tree, const pq_scan_options *options, pq_scan *scan)
{
    pq_scan_sink sink = {.take = take_all, .context = scan};
    scan_tree_to(tree, options, &sink, &scan->errors);
}

/* --- what a user names ------------------------------------------------------------------------------------------ */

static void scan_named_file(const pq_tree *folder, const char *path, const pq_scan_options *options, pq_scan *scan)
{
    /* The file itself may be a link to anywhere: its user named it. Only what it refers to is confined. */
    PQ_AUTO_BUF bytes = PQ_BUF(PQ_MAX_TREE_FILE);
    PQ_AUTO_ERROR err = {0};
    if (!pq_read_file(path, &bytes, &err)) {
        pq_errors_take(&scan->errors, &err);
        return;
    }
    const char *name = pq_path_basename(path);
    PQ_AUTO_FREE char *before = pq_strndup(path, strlen(path) - strlen(name));
    PQ_AUTO_FREE char *prefix = pq_asprintf("%s%s", options->prefix ? options->prefix : "", before);
    pq_scan_options named = *options;
    named.prefix = prefix;
    pq_loader loader = {.read = read_beside, .context = (void *)(uintptr_t)folder};
    scan_bytes(name, kind_by_suffix(name), &bytes, &loader, &named, scan);
}

void pq_scan_path_to(const char *path, const pq_scan_options *options, const pq_scan_sink *sink, pq_errors *errs)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_TREE tree = PQ_TREE_NONE;
    bool folder = pq_is_dir(path);
    PQ_AUTO_FREE char *root = folder ? pq_strdup(path) : pq_path_dirname(path);
    if (!pq_path_exists(path))
        (void)pq_fail(&err, PQ_EINPUT, path, NULL, "no such file or folder");
    if (err.message || !pq_tree_open(root, &tree, &err)) {
        pq_errors_take(errs, &err);
        return;
    }
    if (folder) {
        scan_tree_to(&tree, options, sink, errs);
        return;
    }
    PQ_AUTO_SCAN found = {0};
    scan_named_file(&tree, path, options, &found);
    pq_errors_append(errs, &found.errors);
    sink->take(sink->context, &found, sink->prepare ? sink->prepare(sink->context, &found) : NULL);
}

void pq_scan_path(const char *path, const pq_scan_options *options, pq_scan *scan)
{
    pq_scan_sink sink = {.take = take_all, .context = scan};
    pq_scan_path_to(path, options, &sink, &scan->errors);
}
