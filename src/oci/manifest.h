/* Image manifests and indexes, of OCI (image-spec manifest.md, image-index.md) and of docker (distribution
 * manifest-v2-2.md): bytes in, structs out. */
#pragma once

#include "base/error.h"
#include "oci/platform.h"

#include <stdint.h>

#define PQ_TYPE_OCI_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define PQ_TYPE_OCI_INDEX "application/vnd.oci.image.index.v1+json"
#define PQ_TYPE_OCI_CONFIG "application/vnd.oci.image.config.v1+json"
#define PQ_TYPE_OCI_EMPTY "application/vnd.oci.empty.v1+json"
#define PQ_TYPE_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define PQ_TYPE_DOCKER_LIST "application/vnd.docker.distribution.manifest.list.v2+json"

typedef struct pq_annotation {
    char *key, *value;
} pq_annotation;

typedef struct pq_annotations {
    pq_annotation *at;
    size_t count;
} pq_annotations;

typedef struct pq_descriptor {
    char *media_type;
    char *digest;         /* valid by pq_digest_check() */
    uint64_t size;        /* bytes */
    char *artifact_type;  /* NULL when there is none */
    pq_platform platform; /* empty unless has_platform */
    bool has_platform;
    pq_annotations annotations;
} pq_descriptor;

typedef struct pq_manifest {
    char *media_type;    /* one of the four PQ_TYPE_ above */
    bool is_index;       /* `manifests` is filled; otherwise `config` and `layers` */
    char *artifact_type; /* NULL when there is none */
    pq_descriptor config;
    pq_descriptor *layers;
    size_t layer_count;
    pq_descriptor *manifests;
    size_t manifest_count;
    pq_annotations annotations;
} pq_manifest;

#define PQ_AUTO_MANIFEST PQ_CLEANUP(pq_manifest_clear) pq_manifest

/* Reads a manifest or an index. `content_type` is what the registry said (parameters are ignored) or NULL; it must not
 * contradict the document, and neither may be missing from both unless the members make it plain. A document that could
 * be read as either kind is refused (CVE-2021-41190), and so are schema 1, keys given twice, and sizes below zero.
 * `out` must be empty. Errors are PQ_EINPUT without WHERE and quote nothing of the document. */
bool pq_manifest_parse(const char *bytes, size_t length, const char *content_type, pq_manifest *out,
                       pq_error *err) PQ_MUST_USE;
void pq_manifest_clear(pq_manifest *manifest);
/* The value of an annotation, or NULL. Borrowed. */
const char *pq_annotation_get(const pq_annotations *annotations, const char *key);
/* The entry of an index that suits the platform best, or NULL. Attestations (platform unknown/unknown) are never
 * chosen. Borrowed. */
const pq_descriptor *pq_manifest_select(const pq_manifest *index, const pq_platform *platform);
/* Bytes of an image as transferred: config and layers, each digest counted once; UINT64_MAX rather than wrapping. 0 for
 * an index. */
uint64_t pq_manifest_transfer_size(const pq_manifest *manifest);
