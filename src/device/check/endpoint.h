/* The links between the device and a server: dns, tcp, tls, client-certificate, clock. */
#pragma once

#include "config/config.h"
#include "crypto/identity.h"
#include "device/check/steps.h"
#include "net/http.h"

typedef struct pq_check_endpoint_ask {
    pq_http *http;
    const char *url;             /* https; only its host and port count */
    const pq_http_trust *trust;  /* or NULL */
    const pq_identity *shown;    /* the certificate to show; NULL for none */
    bool must_ask;               /* a server that wants no certificate there is the wrong one */
    pq_check_ask_time *ask_time; /* another server, when this one does not say what time it is */
    void *ask_time_context;
    const char *trust_hint; /* what to do when the server's CA is not trusted */
    double seconds;         /* how long each of connecting and answering may take */
} pq_check_endpoint_ask;

/* Walks them. Nothing that could be kept is sent: a request for `/` without credentials, and the certificate in the
 * handshake where one is to be shown. `*out_unsure` is set when the answer says that something is wrong with the
 * certificate: a front such as nginx takes it in the handshake and refuses it after that. */
bool pq_check_endpoint(const pq_check_endpoint_ask *ask, pq_check_steps *steps, bool *out_unsure) PQ_MUST_USE;

/* What the clock of a server says, by a HEAD without credentials or certificate. Its name and CA are checked as ever,
 * only the dates of its certificate are not, since these cannot be judged by a clock that is in doubt. */
bool pq_check_server_time(pq_http *http, const char *url, const pq_http_trust *trust, double seconds,
                          time_t *out) PQ_MUST_USE;
/* "host:port" of an https URL, without the usual port; NULL for anything else. Owned. */
char *pq_check_endpoint_of(const char *url) PQ_MUST_USE;
