/* Platforms, "linux/arm64/v8": operating system, architecture and variant (OCI image-spec, image-index.md), with the
 * spellings and defaults that containerd and docker accept. */
#pragma once

#include "base/error.h"

typedef struct pq_platform {
    char *os;           /* "linux" */
    char *architecture; /* GOARCH: "amd64", "arm", "arm64" */
    char *variant;      /* "" when there is none */
} pq_platform;

#define PQ_AUTO_PLATFORM PQ_CLEANUP(pq_platform_clear) pq_platform

/* Reads `os/arch[/variant]`, or an architecture alone, which means linux: FoundriesFactory's arm, arm64 and amd64, and
 * what uname says (x86_64, aarch64, armv7l, …). `out` must be empty. Errors are PQ_EINPUT without WHERE. */
bool pq_platform_parse(const char *text, pq_platform *out, pq_error *err) PQ_MUST_USE;
/* The platform that containers run on here. `out` must be empty. */
void pq_platform_of_this_machine(pq_platform *out);
void pq_platform_clear(pq_platform *platform);
/* `out` must be empty. */
void pq_platform_copy(const pq_platform *from, pq_platform *out);
/* `os/arch[/variant]`. Owned. */
char *pq_platform_string(const pq_platform *platform) PQ_MUST_USE;
/* How well an image made for `have` runs where `want` is asked for: 0 not at all, more is better. The variant may be
 * left out (arm means v7, arm64 means v8), and arm runs what was made for an older arm. */
int pq_platform_fit(const pq_platform *want, const pq_platform *have);
