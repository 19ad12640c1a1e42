/* The parts of factory-config.yml; private to this folder. */
#pragma once

#include "config/config.h"
#include "config/report.h"

/* Says what is wrong with a text, as words that follow "must be …", or NULL when it is fine. */
typedef const char *pq_text_check(const char *text);

/* Reads a setting of text. False (and told) when it is another kind, empty, or does not pass the check (which may be
 * NULL). */
bool pq_config_text(pq_report *report, const pq_yaml_entry *entry, const char *key, pq_text_check *check,
                    pq_setting *out);
/* A check. */
const char *pq_config_check_secret_name(const char *text);
void pq_setting_clear(pq_setting *setting);

/* The list under `container_registries`, or the whole of a bare list. */
void pq_config_read_registries(pq_report *report, pq_yaml_node list, pq_config *out);
void pq_config_clear_registry(pq_config_registry *registry);
