/* What a scan found, as `images --json` prints it: text right away, since a tree may hold millions of them. */
#pragma once

#include "cmd/session.h"
#include "scan/scan.h"

/* One element of "images": a line end, the object at its place in the document, no comma. Any thread may call these. */
void pq_json_add_use(const pq_session *session, const pq_image_use *use, pq_buf *out);
/* One element of "unresolved". */
void pq_json_add_unresolved(const pq_unresolved *unresolved, pq_buf *out);
/* A text, quoted and escaped as jansson does it, or null for NULL. Bytes that are not UTF-8 stand as \xNN. */
void pq_json_add_text(const char *text, pq_buf *out);
