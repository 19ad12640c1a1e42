/* What clients are logged in with: docker's config.json, and containers/auth.json of podman, buildah and skopeo
 * (docker/cli, cli/config; containers/image, pkg/docker/config). Pure: bytes in, what they say about a registry out. */
#pragma once

#include "auth/common/credential.h"
#include "base/error.h"

typedef enum pq_login_file {
    PQ_LOGIN_DOCKER,     /* `credsStore` serves every host that `credHelpers` does not */
    PQ_LOGIN_CONTAINERS, /* `credsStore` means nothing; keys of `auths` may have a path */
} pq_login_file;

/* One of these. */
typedef struct pq_docker_login {
    char *helper;             /* docker-credential-HELPER is to be asked */
    char *key;                /* under which it was found, or by which the helper is asked */
    pq_credential credential; /* or this */
} pq_docker_login;

#define PQ_AUTO_DOCKER_LOGIN PQ_CLEANUP(pq_docker_login_clear) pq_docker_login
void pq_docker_login_clear(pq_docker_login *login);

/* Finds what serves a host (`host[:port]` in normal form, docker.io for Docker Hub) and a repository there (NULL: not
 * known; then a key with a path counts only if it is the host's one). `*out_found` is false when nothing does, also
 * where an entry is empty or names our own helper. PQ_EINPUT when the file is not of its form; `name` is how errors
 * call it, and nothing of it is quoted. */
bool pq_docker_login_find(pq_login_file form, const void *bytes, size_t length, const char *name, const char *host,
                          const char *repository, pq_docker_login *out, bool *out_found, pq_error *err) PQ_MUST_USE;

/* What a helper prints (docker-credential-helpers, credentials/credentials.go). PQ_EFAILED for anything else. */
bool pq_docker_helper_read(const void *bytes, size_t length, const char *name, pq_credential *out,
                           pq_error *err) PQ_MUST_USE;
