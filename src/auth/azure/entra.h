/* Microsoft Entra ID: an access token by the client credentials grant (Microsoft identity platform, "OAuth 2.0 client
 * credentials flow"). */
#pragma once

#include "auth/azure/entra_key.h"
#include "auth/common/access_token.h"
#include "auth/common/send.h"

/* AADSTS700024: the times of an assertion do not fit Entra's clock. */
enum { PQ_ENTRA_ASSERTION_TIME = 700024 };

/* What an answer that is not 200 says. */
typedef struct pq_entra_fault {
    long code;   /* 7000222 of "AADSTS7000222"; 0 when there is none */
    char *error; /* OAuth's own, "invalid_client"; NULL when the answer is not of that form */
    char *said;  /* Entra's words without code and trace ids, cut short; or NULL */
} pq_entra_fault;

#define PQ_AUTO_ENTRA_FAULT PQ_CLEANUP(pq_entra_fault_clear) pq_entra_fault

void pq_entra_fault_read(const pq_http_answer *answer, pq_entra_fault *out);
void pq_entra_fault_clear(pq_entra_fault *fault);

/* Who asks, for what, and with which of the three proofs. All borrowed. */
typedef struct pq_entra_call {
    const char *authority;      /* "https://login.microsoftonline.com", without a slash behind it */
    const char *tenant;         /* id or domain */
    const char *client;         /* id of the application or managed identity */
    const char *scope;          /* "https://containerregistry.azure.net/.default" */
    const pq_secret *secret;    /* a client secret; or */
    const pq_entra_key *key;    /* a certificate; or */
    const char *certificate;    /* its file, for words; NULL when it is in none */
    const pq_secret *assertion; /* the OIDC token of an issuer that the application trusts */
    const char *where;          /* for warnings: the registry's host */
    const char *renew;          /* how to put a new secret in place: "`pratique secrets update NAME=-`" */
    pq_auth_send *send;
    void *send_context;
    long *clock_offset; /* seconds to add to this machine's clock; corrected when Entra finds the time wrong */
} pq_entra_call;

/* PQ_EDENIED for what only another secret, right or setting will mend, with the code and what to do; PQ_EBUSY for what
 * passes. A clock that is off is named in a warning, and the assertion made once more by Entra's own time. */
bool pq_entra_get_token(const pq_entra_call *call, pq_access_token *out, pq_error *err) PQ_MUST_USE;

/* What a fault means for this call. False. */
bool pq_entra_fail(const pq_entra_call *call, const pq_entra_fault *fault, long status, pq_error *err);
/* The words of a code, or NULL; for tests. */
const char *pq_entra_code_words(long code);
