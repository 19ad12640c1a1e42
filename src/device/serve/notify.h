/* What systemd wants to hear of a service (sd_notify(3)): one datagram to the socket that $NOTIFY_SOCKET names, a path
 * or, with a leading `@`, an abstract name. Without it nothing is said. */
#pragma once

#include "base/mem.h"

/* Where to say it, and how often that we are alive; taken from the environment, which no child inherits then. */
typedef struct pq_notify {
    char *path;      /* owned; NULL: nobody listens */
    double watchdog; /* seconds within which WATCHDOG=1 is expected; 0 for never */
} pq_notify;

void pq_notify_take(pq_notify *out);
void pq_notify_clear(pq_notify *notify);
/* `words` are lines, "READY=1\nSTATUS=…". Nothing is waited for. */
void pq_notify_say(const pq_notify *notify, const char *words);
