/* What a scan found, as `images` and `check` print it. */
#pragma once

#include "cmd/session.h"
#include "scan/scan.h"

json_t *pq_json_use(const pq_session *session, const pq_image_use *use);
json_t *pq_json_unresolved(const pq_unresolved *unresolved);
