/* jansson copies every string that it parses, passwords included. This makes it wipe each piece of memory that it lets
 * go, in the whole process; call it before parsing an answer that holds a secret. Calling it again is fine. */
#pragma once

void pq_json_wipe_memory(void);
/* free() that wipes first, for memory from malloc. NULL is fine. */
void pq_free_wiped(void *memory);
