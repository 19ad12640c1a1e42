/* Is everything there that a tree needs? Logs in to each registry and resolves each image, all at once over one set of
 * connections. Reads only, but for `try_push`. */
#pragma once

#include "config/mirrors.h"
#include "oci/platform.h"
#include "registry/registry.h"
#include "scan/scan.h"

typedef enum pq_image_status {
    PQ_IMAGE_UNKNOWN = 0,
    PQ_IMAGE_OK,
    PQ_IMAGE_DENIED,
    PQ_IMAGE_NOT_FOUND,
    PQ_IMAGE_UNREACHABLE,
    PQ_IMAGE_BUILT_HERE,
} pq_image_status;

/* As in `check --json`. */
const char *pq_image_status_name(pq_image_status status);

/* A place where an image is asked for: its own registry, or another that registries.conf names. */
typedef struct pq_image_source {
    pq_reference reference;
    char *pull;     /* registry/repository:tag or @digest */
    bool rewritten; /* it is not the image's own name */
} pq_image_source;

/* One distinct image of a tree. */
typedef struct pq_checked_image {
    char *pull; /* registry/repository:tag or @digest: what is asked for */
    pq_reference reference;
    pq_image_status status;
    char *digest;         /* what the tag stands for now; NULL unless ok */
    pq_strings platforms; /* linux/amd64, … ; empty when not asked for */
    uint64_t size;        /* bytes as transferred, for the platform asked for; 0 when not asked for */
    pq_error error;
    pq_image_source *sources; /* in the order in which they are asked; none when built here or blocked */
    size_t source_count;
    size_t source;  /* the one that is asked, or that has it */
    char *misses;   /* private: what the sources before said, and what is blocked; NULL when nothing */
    char *blob;     /* private: the digest of one in its repository; NULL when not known */
    bool leads;     /* private: its manifest is being looked into */
    size_t follows; /* private: 1 + index of the image with the same digest that is being looked into; 0 for none */
} pq_checked_image;

typedef struct pq_checked_registry {
    char *host;
    bool asked;  /* false: nothing needed it (what comes after a mirror) */
    bool needed; /* somebody cannot do without it, so that its failure is an error; else a warning */
    bool ok;
    bool answered;  /* private */
    bool plain;     /* private: registries.conf says `insecure`, and it is on this machine's loopback */
    char *identity; /* words for people */
    time_t expires; /* 0: not known */
    pq_push_right can_push;
    char *pushed; /* the repository where that was tried; NULL: nowhere */
    pq_error error;
} pq_checked_registry;

typedef struct pq_preflight {
    const pq_mirrors *mirrors;       /* of this machine; set before images are added; borrowed, NULL: none */
    pq_checked_registry *registries; /* in byte order of the hosts */
    size_t registry_count, registry_capacity;
    pq_checked_image *images; /* in the order of their first use */
    size_t image_count, image_capacity;
} pq_preflight;

#define PQ_AUTO_PREFLIGHT PQ_CLEANUP(pq_preflight_clear) pq_preflight

typedef struct pq_preflight_options {
    pq_registry *registry;
    const pq_platform *platform; /* that images must be made for; for it a blob is tried */
    const pq_platform *also;     /* further ones that images must be made for; NULL when there are none */
    size_t also_count;
    bool manifests_only; /* do without reading manifests and trying a blob */
    /* Find out who may push, in the repository of an image that may be pulled. Where the registry's tokens say it
     * (Azure, Docker Hub, most that have tokens), just a token is asked for. Elsewhere it is tried, by asking to mount
     * a blob of the image into the repository that it lies in already, which changes nothing; an upload that a registry
     * starts in its place is cancelled. Not known where that cannot be tried: without a blob, which takes looking into
     * an image. */
    bool try_push;
} pq_preflight_options;

void pq_preflight_clear(pq_preflight *preflight);
/* Adds a host to log in to; twice is fine. */
void pq_preflight_add_host(pq_preflight *preflight, const char *host);
/* Adds an image and the hosts that serve it, unless it is there. `built_here`: not asked for. Returns its index. */
size_t pq_preflight_add_image(pq_preflight *preflight, const pq_reference *reference, bool built_here);
/* The hosts that will be asked, or may be. */
void pq_preflight_hosts(const pq_preflight *preflight, pq_strings *out);
/* Asks. Every failure is kept where it belongs and counted; the return value is their number. */
size_t pq_preflight_run(pq_preflight *preflight, const pq_preflight_options *options);
/* Copies of all failures for the list of errors: each registry's, and each image's whose registry let us in. */
void pq_preflight_errors(const pq_preflight *preflight, pq_errors *out);
/* registry/repository:tag or @digest of the mirror that an image was found at; NULL when it was at its own registry.
 * Borrowed. */
const char *pq_checked_image_mirror(const pq_checked_image *image);
/* The image of that pull string, or NULL. Borrowed. */
const pq_checked_image *pq_preflight_find(const pq_preflight *preflight, const pq_reference *reference);
