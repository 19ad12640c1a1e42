/* The kubelet's credential provider plugins (credentialprovider.kubelet.k8s.io/v1; kubernetes/kubelet,
 * pkg/apis/credentialprovider/v1/types.go): the kubelet writes a request to standard input and reads the answer from
 * standard output. */
#pragma once

#include "base/error.h"

#include <time.h>

/* The registry host of the image that a CredentialProviderRequest asks for, as pq_docker_host() says it. Owned.
 * PQ_EINPUT when it is no such request, or of another version than v1. */
bool pq_kubelet_read_request(const void *bytes, size_t length, char **out_host, pq_error *err) PQ_MUST_USE;
/* A CredentialProviderResponse. `host` NULL or without a user: no credentials, the kubelet goes on without. The kubelet
 * keeps the answer for that host for `seconds`. */
void pq_kubelet_write_answer(pq_buf *out, const char *host, const char *user, const char *secret, size_t secret_length,
                             time_t seconds);
/* How long the kubelet may keep an answer that is good until `expires` (0: it does not say): not so long that it would
 * hand out a token in its last minutes. */
time_t pq_kubelet_keep(time_t now, time_t expires);
