/* The systemd units of a device: `pratique device serve` and its socket. */
#pragma once

#include "base/error.h"

#include <sys/types.h>

/* What became of them, and why, in words. */
typedef struct pq_device_units {
    bool done;        /* systemctl has done it */
    bool possible;    /* it could be done here */
    bool systemd;     /* it runs here */
    const char *why;  /* why it cannot be done here: "systemd does not run here". Static; NULL if it can */
    char *command;    /* what does it by hand. Owned */
    const char *verb; /* "enabled", "disabled". Static */
} pq_device_units;

#define PQ_AUTO_DEVICE_UNITS PQ_CLEANUP(pq_device_units_clear) pq_device_units

void pq_device_units_clear(pq_device_units *units);
/* Whether they can be enabled, or disabled, on this machine now: systemd runs (sd_booted(3)), the units are installed,
 * and we are root. */
void pq_device_units_look(bool enable, pq_device_units *out);
/* The user that the service runs as, by its unit and what overrides that; root (0) where nobody can say. */
uid_t pq_device_units_user(void);
/* Does it. systemctl is the system's own, whatever PATH says, and gets no environment of ours. */
bool pq_device_units_change(pq_device_units *units, bool enable, pq_error *err) PQ_MUST_USE;
