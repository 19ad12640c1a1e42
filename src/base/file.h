/* Files: whole reads with a cap, atomic writes, and reads that cannot leave a tree. */
#pragma once

#include "base/error.h"

#include <sys/stat.h>

/* Puts /dev/null where standard input, output or error is closed, so that no file that is opened later takes their
 * place and gets what is printed. False when that cannot be done. */
bool pq_hold_standard_streams(void) PQ_MUST_USE;
/* Closes each descriptor from `first` on, or marks it to be closed by execve(). Allocates nothing. */
void pq_close_from(unsigned first, bool by_exec);
/* Reads all of a file into `out` (its cap counts). A file that is not regular, or larger than the cap, is an error. */
bool pq_read_file(const char *path, pq_buf *out, pq_error *err) PQ_MUST_USE;
/* The same, with the status of the very file that was read: what stands at the path may be another one by now. */
bool pq_read_file_status(const char *path, pq_buf *out, struct stat *status, pq_error *err) PQ_MUST_USE;
/* If it is there and this user may not read it: as whom to run this. Else the error stays as it is. */
void pq_hint_of_owner(const char *path, pq_error *err);
/* Reads all that a descriptor still gives. `name` is for errors. */
bool pq_read_fd(int fd, const char *name, pq_buf *out, pq_error *err) PQ_MUST_USE;
/* The same for a regular file whose status is known: as a rule with one read. */
bool pq_read_open_file(int fd, const char *name, const struct stat *status, pq_buf *out, pq_error *err) PQ_MUST_USE;
/* Writes all bytes, however often write() stops in the middle. `name` is for errors. */
bool pq_write_fd(int fd, const char *name, const void *bytes, size_t length, pq_error *err) PQ_MUST_USE;
/* The file appears whole under its name or not at all, also over a crash of the machine: a temporary file in the same
 * folder, fsync, rename, fsync of the folder. */
bool pq_write_file(const char *path, mode_t mode, const void *bytes, size_t length, pq_error *err) PQ_MUST_USE;
/* The same for a file that others may change meanwhile (its group stays, and if we are root its owner): it is put in
 * place only if what is there is still what `expected` says (device, inode, size, times); `*out_replaced` is false
 * otherwise. */
bool pq_replace_file(const char *path, mode_t mode, const void *bytes, size_t length, const struct stat *expected,
                     bool *out_replaced, pq_error *err) PQ_MUST_USE;
/* Removes the temporary files that either of these left beside `path` when it was killed, a while ago. */
void pq_remove_left_behind(const char *path);
/* The same, but what is there already stays: `*out_created` is false then. Of several processes one creates. */
bool pq_create_file(const char *path, mode_t mode, const void *bytes, size_t length, bool *out_created,
                    pq_error *err) PQ_MUST_USE;
/* Makes a rename or a new file durable, where the file system can. */
void pq_sync_folder_of(const char *path);
/* Makes a folder and those above it; one that exists is fine. New ones get `mode`. */
bool pq_make_dirs(const char *path, mode_t mode, pq_error *err) PQ_MUST_USE;
bool pq_path_exists(const char *path);
bool pq_is_dir(const char *path);
/* `a/b`, without doubling a slash; an absolute or empty part wins as it would for a shell. Owned. */
char *pq_path_join(const char *folder, const char *name) PQ_MUST_USE;
char *pq_path_dirname(const char *path) PQ_MUST_USE; /* "." when there is none. Owned. */
const char *pq_path_basename(const char *path);      /* borrowed from `path` */
/* The path made absolute and free of `.`, `..` and symbolic links; the last part need not exist. Owned. */
bool pq_path_absolute(const char *path, char **out, pq_error *err) PQ_MUST_USE;
/* Removes a folder and all below it, following no symbolic link. What is not there is fine. */
bool pq_remove_tree(const char *path, pq_error *err) PQ_MUST_USE;
/* A new private folder (0700) `<prefix>XXXXXX` below $TMPDIR or /tmp, or below `base`; refused where other users could
 * put one of theirs in its place. Owned. */
bool pq_make_temp_dir(const char *prefix, char **out, pq_error *err) PQ_MUST_USE;
bool pq_make_temp_dir_in(const char *base, const char *prefix, char **out, pq_error *err) PQ_MUST_USE;

/* A folder whose contents somebody else wrote. Every read goes through openat2(RESOLVE_BENEATH): neither `..` nor a
 * symbolic link leads out of it, and only regular files are opened. */
typedef struct pq_tree {
    int fd;     /* O_PATH of the root */
    char *path; /* as the user named it, for messages */
} pq_tree;

#define PQ_TREE_NONE ((pq_tree){.fd = -1})
#define PQ_AUTO_TREE PQ_CLEANUP(pq_tree_close) pq_tree

bool pq_tree_open(const char *path, pq_tree *out, pq_error *err) PQ_MUST_USE;
void pq_tree_close(pq_tree *tree);
/* Opens a folder ("." for the root) below the tree for reading its entries; -1 with an error otherwise. */
int pq_tree_open_dir(const pq_tree *tree, const char *relative, pq_error *err) PQ_MUST_USE;
/* Opens a regular file below the tree. `out_size` may be NULL. -1 with an error otherwise. */
int pq_tree_open_file(const pq_tree *tree, const char *relative, off_t *out_size, pq_error *err) PQ_MUST_USE;
/* Reads a regular file below the tree, up to the cap of `out`. PQ_ENOTFOUND when there is none; the error's where is
 * the relative path. */
bool pq_tree_read(const pq_tree *tree, const char *relative, pq_buf *out, pq_error *err) PQ_MUST_USE;
/* The same for a file whose folder is open already (`folder`, a descriptor from pq_tree_open_dir, or -1), which saves
 * the kernel the way from the root. */
bool pq_tree_read_in(const pq_tree *tree, int folder, const char *relative, pq_buf *out, pq_error *err) PQ_MUST_USE;
/* What lstat would say, with the same confinement for the folders on the way. False when there is nothing. */
bool pq_tree_stat(const pq_tree *tree, const char *relative, struct stat *out) PQ_MUST_USE;
