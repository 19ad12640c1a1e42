/* Whose files may decide for us. As sshd judges its own (StrictModes): what belongs to the effective user or to root,
 * and can be written by nobody else, in a folder of which the same is true. */
#pragma once

#include "base/error.h"

#include <sys/stat.h>

/* The effective user or root. */
bool pq_trust_user(uid_t user);
/* PQ_EDENIED with `path` as WHERE when somebody else owns it or may write it. In a user namespace root's files show as
 * those of the overflow user (user_namespaces(7)), which is taken for root there: a rootless engine runs its helpers
 * so. */
bool pq_trust_status(const struct stat *status, const char *path, pq_error *err) PQ_MUST_USE;
/* The file, symbolic links followed, and the folder that it then lies in (where a sticky bit keeps others from
 * replacing it). PQ_ENOTFOUND when there is none. */
bool pq_trust_file(const char *path, pq_error *err) PQ_MUST_USE;
/* One step on the way to a file: "/" and each folder from there down, each symbolic link, the file last. `shared`: it
 * lies in a folder that others may write, and that a sticky bit keeps from replacing what is there. False ends the
 * walk.
 */
typedef bool pq_trust_visit(void *context, const char *path, const struct stat *status, bool shared);
/* Walks from the root down to a path, which may be relative, as the kernel does. False when `visit` ended it, or with
 * an error: PQ_ENOTFOUND when there is no such file. */
bool pq_trust_walk(const char *path, pq_trust_visit *visit, void *context, pq_error *err) PQ_MUST_USE;
/* For what decides for root (a device.yml): the file, and every folder and link on the way to it, for whoever may
 * rename one of them can put another file in its place. A folder in /tmp that is ours will do. A file right in /tmp
 * will not, though it belongs to root: others may have brought it there, by a hard link, or from a folder of theirs
 * that root once wrote it to. PQ_EDENIED with the one at fault as WHERE. */
bool pq_trust_way(const char *path, pq_error *err) PQ_MUST_USE;
/* The same without the file itself. */
bool pq_trust_folders(const char *path, pq_error *err) PQ_MUST_USE;
/* pq_trust_file() for a file that has a program run. PQ_ECONFIG. */
bool pq_trust_to_run(const char *path, pq_error *err) PQ_MUST_USE;
