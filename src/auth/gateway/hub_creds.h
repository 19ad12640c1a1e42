/* What a device gateway hands out: the user and password of a registry, to whoever shows a device's certificate.
 *
 *     GET GATEWAY/hub-creds/        200 {"Username": "…", "Secret": "…"}
 *
 * (meta-lmp's docker-credential-fio-helper and aktualizr-lite's src/docker/docker.cc, which read it; the gateway of
 * foundriesio/update-server, which tells devices apart.)
 *
 * Nobody says how long that is good. The helpers named above ask at each pull. A secret that is a JSON Web Token says
 * it itself (`exp`); any other is kept for 15 minutes: as long as the shortest life that a cloud gives its keys (AWS,
 * 900 seconds), and so as long as a device at most goes on pulling after its gateway has turned it away. */
#pragma once

#include "auth/common/credential.h"
#include "auth/common/send.h"
#include "crypto/identity.h"

enum { PQ_HUB_CREDS_LIFE = 15 * 60 };

/* Reads the answer; `now` is when it came. PQ_EFAILED for anything but that object with two texts that can stand in a
 * header; nothing of it is quoted. */
bool pq_hub_creds_read(const void *bytes, size_t length, time_t now, pq_credential *out, pq_error *err) PQ_MUST_USE;

typedef struct pq_hub_creds_call {
    const char *gateway; /* https URL; a slash at its end is none of the path's */
    const char *ca_file; /* trusted alone; NULL: what this machine trusts */
    const pq_identity *identity;
    const char *where; /* for warnings and notes: the registry's host */
    pq_auth_send *send;
    void *send_context;
} pq_hub_creds_call;

/* PQ_EDENIED for what only another certificate or the gateway's keeper will mend, PQ_EBUSY for what passes.
 * `out->source` is left to the caller. */
bool pq_hub_creds_get(const pq_hub_creds_call *call, pq_credential *out, pq_error *err) PQ_MUST_USE;
