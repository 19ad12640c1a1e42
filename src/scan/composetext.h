/* Private to Compose: a scalar's text with its variables put in. */
#pragma once

#include "scan/scan.h"
#include "scan/vars.h"
#include "yaml/yaml.h"

/* The text of a scalar after interpolation, in `*out` (owned). When a variable that it needs is not set, an unresolved
 * entry is added for `site`; when it is no text at all, an error. False for both. */
bool pq_compose_text(const char *file, pq_yaml_node node, const pq_image_site *site, const pq_vars *vars, char **out,
                     pq_scan *scan) PQ_MUST_USE;
