#include "scan/composetext.h"

#include <string.h>

#include "base/limits.h"
#include "scan/expand.h"

bool pq_compose_text(const char *file, pq_yaml_node node, const pq_image_site *site, const pq_vars *vars, char **out,
                     pq_scan *scan)
{
    if (pq_yaml_type_of(node) != PQ_YAML_IS_TEXT) {
        PQ_AUTO_FREE char *where = pq_yaml_where(file, node);
        return pq_errors_add(&scan->errors, PQ_EINPUT, where, "put it in quotes if it is meant so",
                             "%s where a text is needed", pq_yaml_kind_words(node));
    }
    const char *text = pq_yaml_text(node);
    PQ_AUTO_BUF value = PQ_BUF(PQ_MAX_EXPANSION);
    PQ_AUTO_GAP gap = {0};
    PQ_AUTO_ERROR err = {0};
    if (!pq_interpolate(text, vars, &value, &gap, &err)) {
        PQ_AUTO_FREE char *where = pq_yaml_where(file, node);
        (void)pq_error_at(&err, where);
        pq_errors_take(&scan->errors, &err);
        return false;
    }
    bool vanished = !value.length && strchr(text, '$');
    if (gap.name || vanished) {
        pq_scan_add_unresolved(scan, site, text,
                               !gap.name   ? pq_strdup("expands to nothing")
                               : gap.empty ? pq_asprintf("variable %s is empty", gap.name)
                                           : pq_asprintf("variable %s is not set", gap.name));
        return false;
    }
    *out = pq_buf_steal(&value);
    return true;
}
