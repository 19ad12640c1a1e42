#include "config/parts.h"

#include "base/file.h"
#include "base/limits.h"

const char *pq_config_check_secret_name(const char *text)
{
    return pq_config_secret_name_valid(text) ? NULL : "the name of a secret: letters, digits, _ - . and no path";
}

static bool has_control(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return true;
    return false;
}

bool pq_config_text(pq_report *report, const pq_yaml_entry *entry, const char *key, pq_text_check *check,
                    pq_setting *out)
{
    pq_yaml_node node = entry->value;
    switch (pq_yaml_type_of(node)) {
    case PQ_YAML_IS_NULL:
        return pq_report_at(report, node, "give it a value or remove it", "`%s` has no value", key);
    case PQ_YAML_IS_NOT_SCALAR:
        return pq_report_at(report, node, NULL, "`%s` must be a text, but this is %s", key, pq_yaml_kind_words(node));
    case PQ_YAML_IS_BOOL:
    case PQ_YAML_IS_NUMBER:
        return pq_report_at(report, node, "if it is meant, put it in quotes", "`%s` must be a text, but this is %s",
                            key, pq_yaml_kind_words(node));
    case PQ_YAML_IS_TEXT:
        break;
    }
    const char *text = pq_yaml_text(node);
    if (!*text)
        return pq_report_at(report, node, "give it a value or remove it", "`%s` has no value", key);
    if (has_control(text))
        return pq_report_at(report, node, NULL, "`%s` must be one line without control characters", key);
    const char *wanted = check ? check(text) : NULL;
    if (wanted)
        return pq_report_at(report, node, NULL, "`%s` must be %s", key, wanted);
    pq_setting_clear(out);
    *out = (pq_setting){.text = pq_strdup(text), .line = pq_yaml_span_of(node).line};
    return true;
}

static void report_cleanup(pq_report *report)
{
    pq_report_clear(report);
}

bool pq_config_parse_by(pq_config_reader *reader, const void *bytes, size_t length, const char *name, pq_config *out,
                        pq_errors *errs)
{
    *out = (pq_config){0};
    PQ_AUTO_YAML *yaml = NULL;
    if (!pq_yaml_parse(name, bytes, length, &yaml, errs))
        return false;
    PQ_CLEANUP(report_cleanup) pq_report report = {.name = name};
    PQ_AUTO_CONFIG config = {.name = pq_strdup(name)};
    reader(&report, yaml, &config);
    if (!pq_report_end(&report, errs))
        return false;
    *out = config;
    config = (pq_config){0};
    return true;
}

bool pq_config_load_by(pq_config_reader *reader, const char *path, const char *name, pq_config *out, pq_errors *errs)
{
    *out = (pq_config){0};
    PQ_AUTO_BUF bytes = PQ_BUF(PQ_MAX_CONFIG);
    PQ_AUTO_ERROR err = {0};
    if (!pq_read_file(path, &bytes, &err)) {
        pq_errors_take(errs, &err);
        return false;
    }
    return pq_config_parse_by(reader, pq_buf_text(&bytes), bytes.length, name ? name : path, out, errs);
}
