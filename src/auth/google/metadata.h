/* The metadata server of a machine in Google Cloud: the identity that the machine, or its Kubernetes service account,
 * runs as (Compute Engine, "About VM metadata"; google-auth, compute_engine/_metadata.py).
 *
 * It is the machine's own neighbour: never reached through a proxy, waited for a second, and believed only with the
 * header `Metadata-Flavor: Google`, which a guest network's page does not have. */
#pragma once

#include "auth/google/token.h"

/* The address: $GCE_METADATA_HOST (host[:port]), else the link-local one, which needs no name service. Owned; NULL when
 * the variable holds no such name. */
char *pq_google_metadata_url(void) PQ_MUST_USE;
/* PQ_ENOTFOUND when this machine has no such server, or it has no identity to give. `*out_account` is the service
 * account (owned; NULL when not told). */
bool pq_google_metadata_token(const pq_google_ask *ask, pq_access_token *out, char **out_account,
                              pq_error *err) PQ_MUST_USE;
