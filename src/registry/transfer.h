/* Manifests and blobs: resolve, pull, push. Every byte that comes in is held against its digest. */
#pragma once

#include "registry/registry.h"

/* A place in a registry; borrowed strings. */
typedef struct pq_repository {
    const char *host;
    const char *name;
    const char *where; /* for errors; NULL: HOST/NAME */
} pq_repository;

typedef struct pq_remote_manifest {
    char *digest;     /* sha256:… */
    char *media_type; /* as the registry says; may be NULL */
    pq_buf bytes;     /* empty after a HEAD */
} pq_remote_manifest;

#define PQ_AUTO_REMOTE_MANIFEST PQ_CLEANUP(pq_remote_manifest_clear) pq_remote_manifest

void pq_remote_manifest_clear(pq_remote_manifest *manifest);

/* The digest of a manifest that came as an answer to a GET: computed from its bytes, and held against `reference` when
 * that is a digest, else against what the registry claims. Owned. */
bool pq_registry_prove_manifest(const pq_http_answer *answer, const char *reference, const char *where, char **digest,
                                pq_error *err) PQ_MUST_USE;
/* Holds a whole blob against the digest that it was asked for by. */
bool pq_registry_prove_blob(const pq_http_answer *answer, const char *digest, const char *where,
                            pq_error *err) PQ_MUST_USE;
/* The digest that an answer to a HEAD names, held against `reference` when that is a digest. `*digest` is NULL, with
 * true returned, when the answer is no success or names none: a GET has a body to give a reason in, or to compute a
 * digest from. Owned. */
bool pq_registry_head_digest(const pq_http_answer *answer, const char *reference, const char *where, char **digest,
                             pq_error *err) PQ_MUST_USE;

/* Logs in: GET /v2/ and, where the registry wants it, a token. True also for an open registry. */
bool pq_registry_login(pq_registry *registry, const char *host, pq_error *err) PQ_MUST_USE;
/* Whether a tag or digest is there, and what it stands for; `*digest` is NULL, with true returned, when it is not. One
 * request in most cases. Owned. */
bool pq_registry_find(pq_registry *registry, const pq_repository *repository, const char *reference, char **digest,
                      pq_error *err) PQ_MUST_USE;
/* The manifest itself, proved: against `reference` when it is a digest, else against the registry's own word. */
bool pq_registry_pull_manifest(pq_registry *registry, const pq_repository *repository, const char *reference,
                               pq_remote_manifest *out, pq_error *err) PQ_MUST_USE;
/* Whether a blob is there. */
bool pq_registry_has_blob(pq_registry *registry, const pq_repository *repository, const char *digest, bool *out,
                          pq_error *err) PQ_MUST_USE;
/* A whole blob of at most the cap of `out`, proved against its digest. */
bool pq_registry_pull_blob(pq_registry *registry, const pq_repository *repository, const char *digest, pq_buf *out,
                           pq_error *err) PQ_MUST_USE;
/* Uploads a blob unless it is there; `uploaded` says which. */
bool pq_registry_push_blob(pq_registry *registry, const pq_repository *repository, const char *digest,
                           const void *bytes, size_t length, bool *uploaded, pq_error *err) PQ_MUST_USE;
/* Uploads a manifest under a tag or its digest. */
bool pq_registry_push_manifest(pq_registry *registry, const pq_repository *repository, const char *reference,
                               const char *media_type, const void *bytes, size_t length, pq_error *err) PQ_MUST_USE;
/* Where an upload goes on that the registry started, from its answer: at its own origin, or it is an error. Owned. */
bool pq_registry_upload_location(const pq_http_answer *answer, const char *where, char **location,
                                 pq_error *err) PQ_MUST_USE;
/* Tries the right to push by starting an upload and cancelling it: nothing stays behind. */
bool pq_registry_try_push(pq_registry *registry, const pq_repository *repository, pq_error *err) PQ_MUST_USE;
