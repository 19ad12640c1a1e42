/* One call to an API of AWS: where it goes, its signature, and what is tried again. ECR, STS, SSO, IAM Roles Anywhere
 * and AWS IoT share it. */
#pragma once

#include "auth/aws/fault.h"
#include "auth/aws/sigv4.h"
#include "auth/common/send.h"
#include "crypto/identity.h"

/* How all calls of a run are made. */
typedef struct pq_aws_caller {
    const char *where;          /* for warnings and notes: the registry's host */
    const pq_http_trust *trust; /* trusted besides the client's own (AWS_CA_BUNDLE), or NULL */
    pq_auth_send *send;
    void *send_context;
    bool once;          /* nothing is tried again */
    double pause;       /* seconds before the second try when AWS is busy, doubling from there; 0 for 0.5 */
    long *clock_offset; /* seconds to add to this machine's clock; corrected when AWS says that it is wrong */
} pq_aws_caller;

typedef struct pq_aws_call {
    const pq_aws_caller *caller;
    const char *service;      /* for people: "ECR" */
    const char *signing_name; /* "ecr" */
    const char *region;
    const pq_aws_keys *keys;          /* NULL: not signed, but for */
    const pq_identity *signer;        /* the certificate whose key signs (pq_sigv4_sign_x509()), or NULL */
    const pq_http_identity *identity; /* shown in the TLS handshake, or NULL */
    const char *host;                 /* AWS's own */
    const char *endpoint;             /* URL in its place, https or loopback; or NULL */
    const char *method;               /* NULL for POST */
    const char *target;        /* path and query after the endpoint's own, without the first slash; NULL for none */
    const pq_strings *headers; /* "Name: value"; signed too. Host and those of the signature are added */
    const char *body;          /* or NULL */
    size_t body_length;
    bool xml;                /* errors are XML */
    const char *may_not;     /* completes "this identity may not …" when AWS denies it */
    const char *denied_hint; /* what to do then */
    const char *renew;       /* what to do when the keys' session has ended */
} pq_aws_call;

/* Sends it. True for status 200 or 201. Otherwise `err` says why, and `fault` what AWS said, if it was AWS (kind
 * PQ_AWS_NO_FAULT when it was not). Too many requests and AWS's own problems are tried again (PQ_EBUSY in the end); a
 * wrong clock is named in a warning and corrected once, from the Date of the answer. PQ_EDENIED for what only other
 * keys or rights will mend. */
bool pq_aws_call_do(const pq_aws_call *call, pq_http_answer *answer, pq_aws_fault *fault, pq_error *err) PQ_MUST_USE;
/* Words for what AWS answered without being asked right, with status 200: "the answer to X has no …". */
bool pq_aws_answer_fail(pq_error *err, const char *action, const char *what);
/* Whoever looks at an expiry looks at this machine's clock: the earlier of both readings is always safe. 0 stays 0. */
time_t pq_aws_expiry(const pq_aws_caller *caller, time_t theirs);
