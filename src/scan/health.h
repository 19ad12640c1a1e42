/* The values that flags of HEALTHCHECK may have (BuildKit, instructions/parse.go; durations as Go's
 * time.ParseDuration).
 */
#pragma once

#include <stdbool.h>

/* "1m30s", "0", "1.5h"; also an empty text. Not between 0 and a millisecond, nor below 0. */
bool pq_health_duration_valid(const char *text);
/* A number from 0 to 2147483647; also an empty text. */
bool pq_health_retries_valid(const char *text);
