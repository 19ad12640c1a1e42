/* What the agent must know of device.yml, and what a child that has read it hands over: the resident process itself
 * loads neither a YAML parser nor OpenSSL. */
#pragma once

#include "base/buf.h"
#include "base/text.h"

#include <time.h>

typedef struct pq_device_view {
    pq_strings hosts;  /* that are served, in normal form, Docker Hub as docker.io */
    pq_strings copied; /* those of `hosts` whose entry uses a file that was copied here: nothing is kept for them */
    bool token;        /* certificate or key lie in one, which a PIN opens */
    bool google;       /* all registries of Google are served besides */
    pq_strings files;  /* that decide: device.yml, certificate, key, … */
    time_t begins;     /* of the certificate, if it is a file; else 0 */
} pq_device_view;

#define PQ_AUTO_DEVICE_VIEW PQ_CLEANUP(pq_device_view_clear) pq_device_view

void pq_device_view_clear(pq_device_view *view);
void pq_device_view_write(const pq_device_view *view, pq_buf *out);
/* `out` must be empty. False when it is not whole. */
bool pq_device_view_read(const pq_buf *text, pq_device_view *out) PQ_MUST_USE;
bool pq_device_view_serves(const pq_device_view *view, const char *host);
