#include "client/client_edit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/signals.h"
#include "base/trust.h"

enum { TRIES = 100 };
static const double patience = 20;

/* Both files as they are, and as they shall be. */
typedef struct edit {
    const pq_client_edit_options *options;
    char *real; /* where the configuration really is */
    char *binding_path;
    bool exists;
    struct stat status;
    pq_buf before; /* the configuration's text */
    pq_client_config config;
    pq_binding binding;
    pq_buf binding_before;
} edit;

static void edit_clear(edit *e)
{
    free(e->real);
    free(e->binding_path);
    pq_buf_clear(&e->before);
    pq_client_config_clear(&e->config);
    pq_binding_clear(&e->binding);
    pq_buf_clear(&e->binding_before);
    *e = (edit){0};
}
#define AUTO_EDIT PQ_CLEANUP(edit_clear) edit

/* -1 with no error where folders cannot be locked (some network file systems); files are replaced with care anyway. */
static int lock_folder(const char *path, pq_error *err)
{
    PQ_AUTO_FREE char *folder = pq_path_dirname(path);
    PQ_AUTO_CLOSE int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        (void)pq_fail_errno(err, folder, "cannot be opened");
        return -1;
    }
    double end = pq_monotonic() + patience;
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return -1;
        if (pq_interrupted())
            (void)pq_fail(err, PQ_EINTERRUPTED, NULL, NULL, "interrupted");
        else if (pq_monotonic() >= end)
            (void)pq_fail(err, PQ_EBUSY, folder, NULL, "another process holds the folder's lock");
        if (err->code != PQ_OK)
            return -1;
        (void)pq_sleep(0.02);
    }
    return pq_steal_fd(&fd);
}

static bool read_config(edit *e, pq_error *err)
{
    const char *path = e->options->path;
    e->real = realpath(path, NULL);
    e->exists = e->real && stat(e->real, &e->status) == 0;
    struct stat link_status;
    if (!e->exists && lstat(path, &link_status) == 0)
        return pq_fail(err, PQ_EINPUT, path, "remove the link, or make what it points to",
                       "is a symbolic link to what is not there");
    if (!e->real)
        e->real = pq_strdup(path);
    e->before = PQ_SENSITIVE_BUF(PQ_MAX_CLIENT_CONFIG);
    if (e->exists && !pq_read_file(e->real, &e->before, err))
        return false;
    return pq_client_config_read(path, pq_buf_text(&e->before), e->before.length, &e->config, err);
}

static bool read_binding(edit *e, pq_error *err)
{
    e->binding_path = pq_binding_beside(e->options->path);
    e->binding_before = PQ_BUF(PQ_MAX_BINDING);
    if (pq_binding_read(e->binding_path, NULL, &e->binding, err))
        return pq_binding_format(&e->binding, &e->binding_before, err);
    if (err->code != PQ_ENOTFOUND)
        return false;
    pq_error_clear(err);
    e->binding.made_file = !e->exists;
    e->binding.made_helpers = e->config.made_helpers;
    return true;
}

static bool same(const pq_buf *a, const pq_buf *b)
{
    return a->length == b->length && memcmp(pq_buf_text(a), pq_buf_text(b), a->length) == 0;
}

static bool write_binding(edit *e, pq_error *err)
{
    PQ_AUTO_BUF text = PQ_BUF(PQ_MAX_BINDING);
    if (e->binding.count == 0) {
        if (unlink(e->binding_path) != 0 && errno != ENOENT)
            return pq_fail_errno(err, e->binding_path, "cannot remove");
        return true;
    }
    if (!pq_binding_format(&e->binding, &text, err))
        return false;
    if (text.overflow)
        return pq_fail(err, PQ_EINPUT, e->binding_path, NULL, "too many hosts are bound");
    return same(&text, &e->binding_before) || pq_write_file(e->binding_path, 0600, text.data, text.length, err);
}

/* `*out_done` is false when somebody else was faster. */
static bool write_config(edit *e, bool *out_done, pq_error *err)
{
    const pq_buf *text = &e->config.text;
    bool nothing = pq_client_config_is_empty(&e->config);
    *out_done = true;
    if (text->overflow)
        return pq_fail(err, PQ_EINPUT, e->options->path, NULL, "would be larger than %u bytes", PQ_MAX_CLIENT_CONFIG);
    if (!e->exists)
        return nothing || pq_create_file(e->real, 0600, text->data, text->length, out_done, err);
    if (nothing && e->binding.made_file && e->binding.count == 0) {
        if (unlink(e->real) != 0 && errno != ENOENT)
            return pq_fail_errno(err, e->real, "cannot remove");
        return true;
    }
    if (same(text, &e->before))
        return true;
    return pq_replace_file(e->real, e->status.st_mode & 07777, text->data, text->length, &e->status, out_done, err);
}

static bool try_edit(const pq_client_edit_options *options, bool *out_done, pq_error *err)
{
    AUTO_EDIT e = {.options = options};
    if (!read_config(&e, err) || !read_binding(&e, err) ||
        !options->change(options->context, &e.config, &e.binding, err))
        return false;
    *out_done = true;
    if (options->dry_run)
        return true;
    /* What a killed login wrote holds the client's passwords as well as the client's own file. */
    pq_remove_left_behind(e.real);
    pq_remove_left_behind(e.binding_path);
    if (options->binding_first && !write_binding(&e, err))
        return false;
    if (!write_config(&e, out_done, err))
        return false;
    return !*out_done || options->binding_first || write_binding(&e, err);
}

static bool prepare_folder(const char *path, pq_error *err)
{
    PQ_AUTO_FREE char *folder = pq_path_dirname(path);
    struct stat status;
    if (!pq_make_dirs(folder, 0700, err))
        return false;
    if (stat(folder, &status) != 0)
        return pq_fail_errno(err, folder, "cannot be looked at");
    return pq_trust_status(&status, folder, err);
}

bool pq_client_edit(const pq_client_edit_options *options, pq_error *err)
{
    if (!options->dry_run && !prepare_folder(options->path, err))
        return false;
    PQ_AUTO_CLOSE int lock = options->dry_run ? -1 : lock_folder(options->path, err);
    if (lock < 0 && err->code != PQ_OK)
        return false;
    for (int tries = 0; tries < TRIES; tries++) {
        bool done = false;
        if (!try_edit(options, &done, err))
            return false;
        if (done)
            return true;
    }
    return pq_fail(err, PQ_EBUSY, options->path, NULL, "others change the file all the time");
}
