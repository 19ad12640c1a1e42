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
/* The same for a file that has a program run. PQ_ECONFIG. */
bool pq_trust_to_run(const char *path, pq_error *err) PQ_MUST_USE;
