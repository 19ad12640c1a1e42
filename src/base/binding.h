/* Bindings: what `pratique login` and `pratique device setup` leave beside a client's configuration, so that the
 * credential helper need not search for anything: which hosts, by which configuration and sources of secrets, answered
 * by which program.
 *
 * The file is `CLIENT-CONFIGURATION.pratique`, 0600, lines `NAME VALUE` after a first line `pratique binding 1`; a
 * block for each host begins with `host`. It holds no secret. */
#pragma once

#include "base/error.h"
#include "base/text.h"

/* One host. */
typedef struct pq_bound {
    char *host;        /* as pq_docker_host() says it */
    char *program;     /* absolute path of pratique */
    char *config;      /* absolute path of the configuration */
    bool device;       /* `config` is a device.yml */
    char *access;      /* "aws", "azure", "gar", "generic", "gateway", "hub" */
    char *user;        /* the name that the registry is told, as far as it is known; or NULL */
    char *secrets;     /* --secrets, absolute; or NULL */
    char *secrets_dir; /* $PRATIQUE_SECRETS_DIR, absolute; or NULL */
    char *store;       /* absolute; or NULL */
    char *store_key;   /* absolute; or NULL */
    char *cache;       /* absolute path of the entry with its last answer (token_cache.h); NULL: there is no cache */
    char *socket;      /* absolute: of the service that holds the device's key (`pratique device serve`); or NULL */
    pq_strings environment; /* names of variables that the identity needs beside the usual ones */
    pq_strings keys, were;  /* of the client's credHelpers: ours, and the helper that each named before ("" for none) */
} pq_bound;

typedef struct pq_binding {
    pq_bound *at;
    size_t count, capacity;
    bool made_file, made_helpers; /* the client's configuration, or its credHelpers, are ours */
} pq_binding;

#define PQ_AUTO_BINDING PQ_CLEANUP(pq_binding_clear) pq_binding

void pq_bound_clear(pq_bound *bound);
void pq_binding_clear(pq_binding *binding);
/* Reads the text of a binding. PQ_EINPUT with `name` as WHERE when it is not one. `only` (or NULL for all) names the
 * host whose block is kept. */
bool pq_binding_parse(const char *bytes, size_t length, const char *name, const char *only, pq_binding *out,
                      pq_error *err) PQ_MUST_USE;
/* PQ_EINPUT when a value has a line end or another control byte. */
bool pq_binding_format(const pq_binding *binding, pq_buf *out, pq_error *err) PQ_MUST_USE;
/* Reads a file: no symbolic link, trusted (trust.h). PQ_ENOTFOUND when there is none. */
bool pq_binding_read(const char *path, const char *only, pq_binding *out, pq_error *err) PQ_MUST_USE;
/* The block of a host, or NULL. Borrowed. */
pq_bound *pq_binding_find(const pq_binding *binding, const char *host);
/* A new, empty block. Borrowed until the next is added. */
pq_bound *pq_binding_add(pq_binding *binding);
void pq_binding_remove(pq_binding *binding, const pq_bound *bound);

/* Where bindings may lie, for the client that started this process: of docker and those that read its configuration
 * ($DOCKER_CONFIG, else ~/.docker), and of podman, buildah and skopeo ($REGISTRY_AUTH_FILE, else
 * $XDG_RUNTIME_DIR/containers, /run/containers/UID, ~/.config/containers), each in its own order. Those of the client
 * that asks come first, known by the program of the parent process; the others after them. */
void pq_binding_places(pq_strings *out);
/* The binding that belongs to a client's configuration file. Owned. */
char *pq_binding_beside(const char *client_config) PQ_MUST_USE;
/* All bound hosts and their users, as the helpers' `list` prints them: `{"host":"user"}` and a line end. */
bool pq_binding_list(pq_buf *out, pq_error *err) PQ_MUST_USE;
/* The first binding that names a host: `out` has its block, `*path` (owned) says where. False without an error when
 * there is none. */
bool pq_binding_look_up(const char *host, pq_binding *out, char **path, pq_error *err) PQ_MUST_USE;
