/* The configuration files of clients: docker's config.json, and containers/auth.json of podman, buildah and skopeo.
 * Both name a credential helper for each host under `credHelpers`. */
#pragma once

#include "base/error.h"
#include "base/text.h"

typedef enum pq_client {
    PQ_CLIENT_DOCKER,
    PQ_CLIENT_PODMAN,
} pq_client;

/* Where a client keeps it: `into` (a folder) if given; docker: $DOCKER_CONFIG, else ~/.docker; podman:
 * $REGISTRY_AUTH_FILE, else $XDG_RUNTIME_DIR/containers, for root /run/containers/0, else $XDG_CONFIG_HOME/containers
 * (~/.config). Absolute. PQ_ECONFIG when nothing says where. */
bool pq_client_config_place(pq_client client, const char *into, char **out, pq_error *err) PQ_MUST_USE;
/* The same, but where it outlasts a start of the machine: podman's own first choice is in memory. `home` (or NULL) is
 * the home of another user, whose environment is not ours. */
bool pq_client_config_durable_place(pq_client client, const char *into, const char *home, char **out,
                                    pq_error *err) PQ_MUST_USE;
/* The keys under which a client looks for a host's helper: the host, and for Docker Hub docker's own name of it. */
void pq_client_keys(pq_client client, const char *host, pq_strings *out);

/* The text of such a file while it is changed. */
typedef struct pq_client_config {
    const char *name;  /* for errors; borrowed */
    pq_buf text;       /* sensitive: it may hold passwords */
    bool made_helpers; /* credHelpers was not there */
} pq_client_config;

#define PQ_AUTO_CLIENT_CONFIG PQ_CLEANUP(pq_client_config_clear) pq_client_config

/* Takes a text; an empty one is as good as `{}`. PQ_EINPUT with line and column when it is not JSON, or is no
 * configuration. */
bool pq_client_config_read(const char *name, const void *bytes, size_t length, pq_client_config *out,
                           pq_error *err) PQ_MUST_USE;
void pq_client_config_clear(pq_client_config *config);
/* The helper that a key names, or NULL. Owned. */
char *pq_client_config_helper(const pq_client_config *config, const char *key) PQ_MUST_USE;
/* True when a password or token for the key lies in the file itself (`auths`). */
bool pq_client_config_has_login(const pq_client_config *config, const char *key);
void pq_client_config_set(pq_client_config *config, const char *key, const char *helper);
/* `with_helpers`: credHelpers goes too when nothing is left in it. */
void pq_client_config_remove(pq_client_config *config, const char *key, bool with_helpers);
/* True when nothing is left: `{}`. */
bool pq_client_config_is_empty(const pq_client_config *config);
