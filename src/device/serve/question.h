/* What the device's agent is asked over its socket: `get URL` and a line end, as the helper of a build asks
 * (target/helper_server.h). The answer is a status, `0` or `1`, and what the helper is to print. */
#pragma once

#include "base/mem.h"

enum { PQ_QUESTION_MAX = 1024 }; /* bytes of a question, with its line end */

/* `line` is what stands before the line end. `url` is what was asked for, to be named in the answer, and `host` the
 * host that it means (pq_docker_host()); both owned. False when it is no question about a host. */
bool pq_question_read(const char *line, size_t length, char **url, char **host) PQ_MUST_USE;
