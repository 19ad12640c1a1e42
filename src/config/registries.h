/* The list of registries in factory-config.yml; private to this folder. */
#pragma once

#include "config/model.h"
#include "config/report.h"

/* The list under `container_registries`, or the whole of a bare list. */
void pq_config_read_registries(pq_report *report, pq_yaml_node list, pq_config *out);
