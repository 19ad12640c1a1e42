/* How a request to a service is sent: pq_http_do() with its client, or a test. */
#pragma once

#include "net/http.h"

typedef bool pq_auth_send(void *context, const pq_http_request *request, pq_http_answer *out, pq_error *err);
