#include "cmd/scan_json.h"

json_t *pq_json_use(const pq_session *session, const pq_image_use *use)
{
    json_t *one = json_object();
    pq_json_set(one, "image", pq_json_text(use->image));
    pq_json_set(one, "file", pq_json_text(use->file));
    pq_json_set(one, "line", json_integer((json_int_t)use->line));
    pq_json_set(one, "kind", json_string(pq_image_kind_name(use->kind)));
    if (use->service)
        pq_json_set(one, "service", pq_json_text(use->service));
    pq_json_set(one, "registry", pq_json_text(use->reference.domain));
    pq_json_set(one, "repository", pq_json_text(use->reference.path));
    pq_json_set(one, "tag", pq_json_text(use->reference.tag));
    pq_json_set(one, "digest", pq_json_text(use->reference.digest));
    pq_json_set(one, "access", json_string(pq_session_access(session, use->reference.domain)));
    return one;
}

json_t *pq_json_unresolved(const pq_unresolved *unresolved)
{
    json_t *one = json_object();
    pq_json_set(one, "text", pq_json_text(unresolved->text));
    pq_json_set(one, "file", pq_json_text(unresolved->file));
    pq_json_set(one, "line", json_integer((json_int_t)unresolved->line));
    pq_json_set(one, "kind", json_string(pq_image_kind_name(unresolved->kind)));
    if (unresolved->service)
        pq_json_set(one, "service", pq_json_text(unresolved->service));
    pq_json_set(one, "reason", pq_json_text(unresolved->reason));
    return one;
}
