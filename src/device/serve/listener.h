/* The socket at which the device's agent is asked, and who may ask there. */
#pragma once

#include "base/error.h"

#include <sys/types.h>

typedef struct pq_listener {
    int fd;     /* listens, does not block */
    char *path; /* owned; NULL when it has no name */
    bool ours;  /* made here, and removed at the end */
    gid_t group;
    bool for_group;    /* members of `group` may ask */
    uid_t refused[16]; /* users who were told off already */
    size_t refused_count;
} pq_listener;

#define PQ_LISTENER_NONE ((pq_listener){.fd = -1})

/* Takes the socket that systemd hands over (sd_listen_fds(3): $LISTEN_PID is us, $LISTEN_FDS is 1, descriptor 3). The
 * variables are taken away. PQ_ENOTFOUND when nothing is handed over, PQ_EUSAGE when it is not one listening stream
 * socket. */
bool pq_listener_take(pq_listener *out, pq_error *err) PQ_MUST_USE;
/* Makes a socket: for the effective user alone, or for the members of a group too (NULL for none). What was left there
 * by one who is gone is replaced; where somebody listens still it is PQ_EFAILED. */
bool pq_listener_make(const char *path, const char *group, pq_listener *out, pq_error *err) PQ_MUST_USE;
void pq_listener_clear(pq_listener *listener);

/* Whether the peer of a connection may ask: root, our own user, or a member of the socket's group, by SO_PEERCRED and
 * SO_PEERGROUPS. `*user` is who it is. A user who may not is logged once. */
bool pq_listener_admits(pq_listener *listener, int connection, uid_t *user);
