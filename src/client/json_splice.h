/* Changes members of a JSON object in its text, so that all other bytes stay: order, blanks, numbers as they were
 * written, keys that nobody knows. */
#pragma once

#include "base/buf.h"
#include "base/error.h"

/* Both expect the text of one JSON object that a parser has found good. `path` are keys from the root; all but the last
 * must be objects, and are made where they are missing. Of several members with one key the last counts, as it does
 * for Go. */

/* Sets a member to a JSON string, in the style of its neighbours; a new object is indented with tabs, as docker does.
 */
void pq_json_splice_set(pq_buf *text, const char *const *path, size_t depth, const char *value);
/* Takes a member away; false when there is none. */
bool pq_json_splice_remove(pq_buf *text, const char *const *path, size_t depth);
