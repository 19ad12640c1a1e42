/* Binds hosts of a client to pratique, and lets them go: the one change that `login`, `logout` and `device setup` make
 * to a client's configuration and the binding beside it. */
#pragma once

#include "client/client_edit.h"

typedef struct pq_client_binding {
    pq_client client;
    char *path; /* of the client's configuration, absolute. Owned */
    bool dry_run;
    pq_strings lines; /* filled: what changes in credHelpers, as a diff shows it */
    /* filled when hosts are let go: these, and the entries with their last answers */
    pq_strings gone, caches;
} pq_client_binding;

#define PQ_AUTO_CLIENT_BINDING PQ_CLEANUP(pq_client_binding_clear) pq_client_binding

/* "docker", "podman"; false for any other name. NULL is docker. */
bool pq_client_from_name(const char *name, pq_client *out) PQ_MUST_USE;
const char *pq_client_name(pq_client client);

void pq_client_binding_clear(pq_client_binding *it);
/* Names the helper for each host of `wanted`, and writes their blocks; `keys` and `were` of these need not be filled.
 * What else is in the configuration stays, and what was there for these hosts is noted. Warns of passwords that are in
 * the configuration still. To bind again what is bound changes nothing. */
bool pq_client_bind(pq_client_binding *it, const pq_binding *wanted, pq_error *err) PQ_MUST_USE;
/* Which hosts are let go. */
typedef struct pq_client_unbind_options {
    const pq_strings *hosts;                             /* as pq_docker_host() says them; NULL or empty: all */
    bool of_devices;                                     /* only those of a device.yml */
    bool (*stays)(void *context, const pq_bound *bound); /* not these; or NULL */
    void *context;
} pq_client_unbind_options;
/* Takes away what pq_client_bind() has written, and puts back what it has replaced. */
bool pq_client_unbind(pq_client_binding *it, const pq_client_unbind_options *options, pq_error *err) PQ_MUST_USE;
