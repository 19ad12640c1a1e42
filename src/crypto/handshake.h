/* Looks at one TLS handshake from the client's side: how far it came, what both sides said. For finding out why a
 * connection does not come about; it changes nothing in what is trusted, but for dates when told so.
 *
 * Given as the `identity` of a pq_http_request (net/http.h), whose connection then serves that request alone. */
#pragma once

#include "crypto/identity.h"

typedef struct pq_handshake_facts {
    bool begun;    /* there was a connection to speak TLS over */
    bool answered; /* the other side spoke TLS */
    bool done;     /* its half is complete: in TLS 1.3 it has not looked at our certificate yet */
    bool asked;    /* it wants a client certificate */
    int alert;     /* the last one that it sent (RFC 8446, section 6), but for close_notify; -1 for none */
    int verify;    /* why we do not trust its certificate, X509_V_ERR_…; 0 for none */
    time_t ends;   /* its certificate's; 0 when not known */
    char *subject; /* of its certificate, "CN=…"; NULL when there was none; owned, as the others */
    char *issuer;  /* of the same */
    char *version; /* "TLSv1.3"; NULL */
    char *alpn;    /* the protocol that it chose; NULL for none */
} pq_handshake_facts;

typedef struct pq_handshake {
    const pq_identity *shown; /* borrowed; NULL to show none */
    bool at_any_time;         /* its certificate is good whatever this machine's clock says */
    pq_handshake_facts facts;
} pq_handshake;

#define PQ_AUTO_HANDSHAKE PQ_CLEANUP(pq_handshake_clear) pq_handshake

void pq_handshake_clear(pq_handshake *handshake);
/* For pq_http_identity.arm; `handshake` is a pq_handshake, which must outlive the connection. */
bool pq_handshake_arm(void *handshake, void *ssl_ctx, const char *host);

/* True when the dates are all that is wrong with the other side's certificate. */
bool pq_handshake_dates_only(const pq_handshake_facts *facts);
/* True when the CA of its certificate is not trusted. */
bool pq_handshake_stranger(const pq_handshake_facts *facts);
/* Words for an alert by which a peer refuses a client certificate, "it is revoked"; NULL for an alert about anything
 * else. `asked` is whether it wanted one: then a plain handshake_failure is such a refusal too. Static. */
const char *pq_alert_refusal(int alert, bool asked);
