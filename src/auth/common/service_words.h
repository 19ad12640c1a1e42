/* A service's own words, for the end of an error. */
#pragma once

#include <stddef.h>

/* The first line, cut short, living secrets blotted out. NULL when there are none. Owned. */
char *pq_service_words(const char *text, size_t length);
