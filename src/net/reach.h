/* The steps before TLS, one by one, for who looks for the one that fails: which proxy stands between, which addresses a
 * name has, which of them answers. A request takes none of this: libcurl does all of it by itself (http.h). */
#pragma once

#include <sys/socket.h>

#include "base/error.h"
#include "base/text.h"

/* The variables that libcurl reads, lower case before upper; an empty one counts as not there. */
typedef struct pq_proxy_environment {
    const char *https_proxy, *all_proxy, *no_proxy; /* borrowed, NULL when not set */
} pq_proxy_environment;

pq_proxy_environment pq_proxy_environment_read(void);

/* host and port of one peer, as they are connected to. */
typedef struct pq_peer {
    char *host; /* without brackets */
    char *port;
} pq_peer;

#define PQ_AUTO_PEER PQ_CLEANUP(pq_peer_clear) pq_peer

void pq_peer_clear(pq_peer *peer);
/* Of an https URL; 443 unless it says another. False when it has none. */
bool pq_peer_of_url(const char *url, pq_peer *out) PQ_MUST_USE;
/* "host:port", "[::1]:443". Owned. */
char *pq_peer_words(const pq_peer *peer) PQ_MUST_USE;
/* The proxy that libcurl takes for an https URL to this peer (libcurl-env(3)); false when there is none. Users and
 * passwords in the variable are left out. */
bool pq_proxy_for(const pq_proxy_environment *environment, const pq_peer *to, pq_peer *out) PQ_MUST_USE;

typedef struct pq_addresses {
    struct pq_address {
        struct sockaddr_storage at;
        socklen_t length;
        char *words; /* "192.0.2.1" */
    } * at;
    size_t count, capacity;
} pq_addresses;

#define PQ_AUTO_ADDRESSES PQ_CLEANUP(pq_addresses_clear) pq_addresses

void pq_addresses_clear(pq_addresses *list);
/* Asks the system's resolver, which has a patience of its own. PQ_ETRANSPORT. */
bool pq_resolve(const pq_peer *peer, pq_addresses *out, pq_error *err) PQ_MUST_USE;
/* "192.0.2.1, 192.0.2.2". Owned. */
char *pq_addresses_words(const pq_addresses *list) PQ_MUST_USE;
/* Connects to one after the other until one answers, and lets go again; `seconds` for each. `*out` is its index, and
 * `failed` gets "192.0.2.1: Connection refused" for those before it. PQ_ETRANSPORT with all of them when none does. */
bool pq_try_connect(const pq_peer *peer, const pq_addresses *list, double seconds, size_t *out, pq_strings *failed,
                    pq_error *err) PQ_MUST_USE;
