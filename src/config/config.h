/* factory-config.yml: where it is found, and what it says (interface: "Where the configuration is found",
 * "factory-config.yml"). Offline; nothing here looks at a secret. */
#pragma once

#include "base/error.h"
#include "config/model.h"

#include <sys/types.h>

/* --- where it is found -------------------------------------------------------------------------------------------- */

typedef struct pq_config_search {
    const char *option;         /* --config, or NULL */
    const char *environment;    /* the value of $PRATIQUE_CONFIG, or NULL; "" counts as NULL */
    const char *working_folder; /* where the search upward begins */
    const pq_strings *scanned;  /* what is scanned or built: nothing inside these is taken; or NULL */
    uid_t user;                 /* the effective user; folders and files of others are not taken */
} pq_config_search;

/* Sets `*out` to the absolute path of the configuration (owned). A file that --config or $PRATIQUE_CONFIG names must
 * exist (PQ_EUSAGE, PQ_ECONFIG). Otherwise `factory-config.yml` or `ci-scripts/factory-config.yml` is looked for from
 * the working folder upward to the git root; outside of any git work tree, in the working folder only. Nothing found is
 * no error: `*out` is NULL then, and `*skipped` says in words what was passed over and why, or is NULL (owned). */
bool pq_config_find(const pq_config_search *search, char **out, char **skipped, pq_error *err) PQ_MUST_USE;
/* The error of a command that cannot do without a configuration. `skipped` as given by pq_config_find, or NULL. */
bool pq_config_missing(const char *skipped, pq_error *err);

/* Whether a path, or what it leads to, lies inside one of these folders, or beside one of these files. Also true where
 * that cannot be found out. `scanned` may be NULL. */
bool pq_config_is_scanned(const char *path, const pq_strings *scanned);

/* --- reading it --------------------------------------------------------------------------------------------------- */

/* Reads a configuration, or a bare JSON list of registry entries. All problems are added to `errs`, in the order of
 * their lines (PQ_ECONFIG, or PQ_EINPUT where it is not YAML at all). On failure `out` is empty. `name` is for errors.
 */
bool pq_config_parse(const void *bytes, size_t length, const char *name, pq_config *out, pq_errors *errs) PQ_MUST_USE;
/* The same for a file; `name` NULL names it by its path. */
bool pq_config_load(const char *path, const char *name, pq_config *out, pq_errors *errs) PQ_MUST_USE;
