/* What factory-config.yml and device.yml are read with; private to this folder. */
#pragma once

#include "config/model.h"
#include "config/report.h"

/* Says what is wrong with a text, as words that follow "must be …", or NULL when it is fine. */
typedef const char *pq_text_check(const char *text);

/* Reads a setting of text. False (and told) when it is another kind, empty, or does not pass the check (which may be
 * NULL). */
bool pq_config_text(pq_report *report, const pq_yaml_entry *entry, const char *key, pq_text_check *check,
                    pq_setting *out);
/* A check. */
const char *pq_config_check_secret_name(const char *text);

/* Reads what stands in one kind of file; what is wrong goes to the report. */
typedef void pq_config_reader(pq_report *report, const pq_yaml *yaml, pq_config *out);

/* As pq_config_parse() and pq_config_load(), with a reader. */
bool pq_config_parse_by(pq_config_reader *reader, const void *bytes, size_t length, const char *name, pq_config *out,
                        pq_errors *errs) PQ_MUST_USE;
bool pq_config_load_by(pq_config_reader *reader, const char *path, const char *name, pq_config *out,
                       pq_errors *errs) PQ_MUST_USE;
