/* libarchive, loaded when a bundle is made or read and not before (base/library.h): on Debian it brings libxml2, ICU
 * and libstdc++, some 2.3 MiB and 2 ms. */
#pragma once

#include <archive.h>
#include <archive_entry.h>

#include "base/error.h"

/* Comes first, so that one that is missing is an error and not the end: PQ_ESYSTEM. Calling it again is fine. */
bool pq_archive_load(pq_error *err) PQ_MUST_USE;
