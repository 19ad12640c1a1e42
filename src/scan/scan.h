/* What a scan finds: the images that Dockerfiles and Compose files refer to, what could not be settled, and errors. */
#pragma once

#include "base/error.h"
#include "base/text.h"
#include "oci/reference.h"

typedef enum pq_image_kind {
    PQ_IMAGE_FROM,
    PQ_IMAGE_COPY_FROM,
    PQ_IMAGE_MOUNT_FROM,
    PQ_IMAGE_SYNTAX,       /* `# syntax=`: the frontend that reads the Dockerfile */
    PQ_IMAGE_COMPOSE,      /* a service's `image` */
    PQ_IMAGE_COMPOSE_OTHER /* dockerfile_inline, cache_from, additional_contexts, an image volume */
} pq_image_kind;

/* As in `images --json`: "from", "copy-from", … */
const char *pq_image_kind_name(pq_image_kind kind);

/* How a service's image is replaced in its Compose file without touching anything else: bytes [start, end) of the file
 * `owner` become `before`, the new reference, `after`. One that comes by an anchor, a merge or `extends` is set in the
 * service itself: then the bytes are an alias, or none at all. */
typedef struct pq_image_span {
    bool possible;
    bool shared; /* the image is not this service's own scalar */
    size_t start, end;
    char *before, *after;
} pq_image_span;

typedef struct pq_image_use {
    char *image; /* the reference as written, after expansion */
    char *file;  /* where it is written; always UTF-8: other bytes of a path stand as \xNN */
    char *owner; /* the file that was scanned: another one when the image came by `extends` or `include` */
    unsigned line;
    pq_image_kind kind;
    char *service;          /* of a Compose file, else NULL */
    pq_reference reference; /* `image` normalised */
    bool has_build;         /* the service also has `build`: the image is what that build is called */
    bool volume;            /* an image volume: it is pulled where the service runs */
    pq_image_span splice;   /* kind PQ_IMAGE_COMPOSE only */
} pq_image_use;

typedef struct pq_unresolved {
    char *text; /* as written, printable */
    char *file, *owner;
    unsigned line;
    pq_image_kind kind;
    bool volume;   /* as in pq_image_use */
    char *service; /* NULL outside Compose */
    char *reason;
} pq_unresolved;

/* A `FROM` of a Dockerfile. */
typedef struct pq_stage {
    char *name;    /* lower case; NULL when it has none */
    char *base;    /* image after expansion; NULL when it is an earlier stage, scratch, or not resolved */
    char *written; /* what FROM says, before expansion; NULL where `base` is */
    size_t parent; /* index of the earlier stage it is made from; PQ_NO_STAGE for none */
    bool scratch;
    char *platform; /* of --platform, after expansion; NULL when not given */
    unsigned line;
} pq_stage;

#define PQ_NO_STAGE SIZE_MAX

/* What a build needs to know of a Dockerfile beside its images. */
typedef struct pq_dockerfile {
    char *file; /* as in pq_image_use */
    pq_stage *stages;
    size_t stage_count, stage_capacity;
    pq_strings secrets;    /* ids of `RUN --mount=type=secret`, each once */
    unsigned heredoc_line; /* the first heredoc; 0 for none. Engines before 2021 do not know them */
    unsigned syntax_line;  /* `# syntax=`; 0 for none */
} pq_dockerfile;

typedef struct pq_scan {
    pq_image_use *uses;
    size_t use_count, use_capacity;
    pq_unresolved *unresolved;
    size_t unresolved_count, unresolved_capacity;
    pq_dockerfile *dockerfiles; /* those without errors */
    size_t dockerfile_count, dockerfile_capacity;
    pq_strings others; /* files that `extends` and `include` brought in, as paths for the loader */
    pq_errors errors;
} pq_scan;

#define PQ_AUTO_SCAN PQ_CLEANUP(pq_scan_clear) pq_scan

void pq_scan_clear(pq_scan *scan);
void pq_image_use_clear(pq_image_use *use);
/* `to` gets all that `from` has, after its own; `from` is empty afterwards. */
void pq_scan_append(pq_scan *to, pq_scan *from);

/* What is said of a use before its image is known; all are borrowed. */
typedef struct pq_image_site {
    const char *file;
    const char *owner; /* NULL: the same */
    unsigned line;
    pq_image_kind kind;
    const char *service;
    bool has_build;
    bool volume;
    pq_image_span splice;
} pq_image_site;

/* Reads the reference and adds a use, or an error at file:line when it is not one. */
void pq_scan_add_image(pq_scan *scan, const pq_image_site *site, const char *image);
/* `reason` is taken. */
void pq_scan_add_unresolved(pq_scan *scan, const pq_image_site *site, const char *text, char *reason);
/* An error at file:line. */
void pq_scan_add_error(pq_scan *scan, const char *file, unsigned line, const char *hint, const char *format, ...)
    PQ_PRINTF(5, 6);

/* The bytes as UTF-8 that can be shown: control bytes and what is not UTF-8 as \xNN. Owned. */
char *pq_printable(const char *text) PQ_MUST_USE;
