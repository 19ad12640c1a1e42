/* The service of a device (src/device/serve/agent.h), seen from who asks it. */
#pragma once

#include "base/binding.h"

/* Connects to a Unix socket. -1 with errno. A connection that is not taken within `seconds` (0: however long it takes)
 * is none: a socket's queue may be full. */
int pq_local_connect(const char *path, double seconds) PQ_MUST_USE;

/* For who can neither ask the service nor do what it does: `why` is the errno with which asking failed. False. */
bool pq_device_service_fail(const pq_bound *bound, int why, pq_error *err);
