/* The words for a connection that came to nothing. Private to net. */
#pragma once

#include <curl/curl.h>

#include "base/error.h"

/* Turns what libcurl says of a finished transfer (`code`, and `detail` from CURLOPT_ERRORBUFFER, maybe empty) into an
 * error without WHERE. `seconds` is how long it took. */
void pq_http_describe(CURL *easy, CURLcode code, const char *detail, const char *url, double seconds, pq_error *err);
