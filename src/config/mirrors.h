/* containers-registries.conf(5): where images are really pulled from on this machine, as podman, buildah and skopeo
 * read it. Mirrors, other locations and blocked registries; names without a registry are docker's business here, so
 * that `unqualified-search-registries` and `aliases` are left alone. */
#pragma once

#include "base/error.h"
#include "base/text.h"

typedef enum pq_mirror_use { PQ_MIRROR_ALL = 0, PQ_MIRROR_BY_DIGEST, PQ_MIRROR_BY_TAG } pq_mirror_use;

/* A place that images are pulled from. */
typedef struct pq_mirror {
    char *location; /* host[:port][/path…]; NULL: the image's own name (of a prefix `*.host`) */
    bool insecure;  /* may be asked without TLS */
    pq_mirror_use use;
    char *where; /* file:line */
} pq_mirror;

/* One [[registry]]. */
typedef struct pq_mirror_rule {
    char *prefix; /* host[:port][/path…][:tag|@digest], or *.host */
    bool blocked;
    pq_mirror origin; /* what is asked when no mirror has it */
    pq_mirror *mirrors;
    size_t mirror_count, mirror_capacity;
} pq_mirror_rule;

typedef struct pq_mirrors {
    pq_mirror_rule *rules;
    size_t rule_count, rule_capacity;
} pq_mirrors;

/* One step of a pull. */
typedef struct pq_pull_source {
    char *image;         /* the whole reference to ask for */
    bool insecure;       /* `insecure = true` */
    bool rewritten;      /* it is not the image's own name */
    const char *setting; /* file:line that says so; NULL when no file does. Borrowed from the pq_mirrors */
} pq_pull_source;

typedef struct pq_pull_sources {
    pq_pull_source *at;
    size_t count, capacity;
    const pq_mirror_rule *blocked; /* keeps another place out of the list; NULL: nothing does. Borrowed */
} pq_pull_sources;

#define PQ_AUTO_MIRRORS PQ_CLEANUP(pq_mirrors_clear) pq_mirrors
#define PQ_AUTO_PULL_SOURCES PQ_CLEANUP(pq_pull_sources_clear) pq_pull_sources

/* Where the files lie. Borrowed strings; NULL and "" when not set. */
typedef struct pq_mirrors_search {
    const char *named;         /* $CONTAINERS_REGISTRIES_CONF: taken wherever it lies, and must exist */
    const char *config_home;   /* $XDG_CONFIG_HOME */
    const char *home;          /* $HOME */
    const char *system_folder; /* NULL: /etc/containers */
    const pq_strings *scanned; /* what is scanned or built: nothing inside these is taken; or NULL */
} pq_mirrors_search;

/* Adds a file's rules; one that has a prefix of an earlier file takes that rule's place. All problems of the file are
 * added to `errs` (PQ_ECONFIG), and then nothing of it is taken. `name` is for errors. */
bool pq_mirrors_parse(const void *bytes, size_t length, const char *name, pq_mirrors *out, pq_errors *errs) PQ_MUST_USE;
/* Finds and reads the files in the order of containers/image (pkg/sysregistriesv2): the named one, else the user's
 * `containers/registries.conf`, else the system's; then *.conf of the system's `registries.conf.d` (not when the user's
 * own file was read), then of the user's, each in byte order. None at all is fine. */
bool pq_mirrors_load(const pq_mirrors_search *search, pq_mirrors *out, pq_errors *errs) PQ_MUST_USE;
void pq_mirrors_clear(pq_mirrors *mirrors);

/* Where `image` (host/path:tag or host/path@digest) is to be asked for, in this order: at least one place. As in
 * containers/image, `blocked` is for a place and not for a name: the mirrors of a blocked registry are asked, it itself
 * is not. No place being left is an error (PQ_EDENIED) that names the file and has no WHERE. */
bool pq_mirrors_sources(const pq_mirrors *mirrors, const char *image, pq_pull_sources *out, pq_error *err) PQ_MUST_USE;
void pq_pull_sources_clear(pq_pull_sources *sources);
