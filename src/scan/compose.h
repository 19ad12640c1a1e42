/* Compose files: the images that their services name (Compose specification; compose-go where it leaves a choice). */
#pragma once

#include "scan/options.h"
#include "scan/scan.h"

/* Reads a Compose file and adds what it finds to `scan`. `path` is for the loader; `.env` beside it, `extends` and
 * `include` are read through it. An image whose text depends on a variable that is not set is unresolved. */
void pq_compose_scan(const char *path, const char *bytes, size_t length, const pq_loader *loader,
                     const pq_scan_options *options, pq_scan *scan);
