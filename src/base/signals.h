/* SIGINT, SIGTERM and SIGHUP ask for an orderly end: long waits stop at once, temporary files go, the exit status is
 * 130. A second one ends the process the hard way. */
#pragma once

#include <stdbool.h>

void pq_signals_setup(void);
/* True once a signal has asked this process to stop. */
bool pq_interrupted(void);
