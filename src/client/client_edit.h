/* Changes a client's configuration together with the binding beside it, while other processes may do the same. */
#pragma once

#include "base/binding.h"
#include "client/client_config.h"

/* Changes both. May be called more than once, from the beginning: when the file changed before the new one was in
 * place. */
typedef bool pq_client_change(void *context, pq_client_config *config, pq_binding *binding, pq_error *err);

typedef struct pq_client_edit_options {
    const char *path;   /* of the client's configuration, absolute; its folder is made, 0700 */
    bool binding_first; /* in this order, so that a client is never sent to a helper that knows nothing */
    bool dry_run;       /* only `change` is called */
    pq_client_change *change;
    void *context;
} pq_client_edit_options;

/* One process of ours at a time (a lock on the folder). Clients take no lock: what they write meanwhile is read again.
 * The configuration keeps its mode, and a symbolic link that it is reached by; it is written only if its bytes change,
 * and removed if it was made here and nothing is left in it. PQ_EDENIED when the folder is open to other users. */
bool pq_client_edit(const pq_client_edit_options *options, pq_error *err) PQ_MUST_USE;
