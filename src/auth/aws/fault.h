/* What a service of AWS says when it refuses: one of a few kinds, its code, its own words. Both protocols: AWS JSON
 * (ECR, SSO) and AWS Query (STS, XML). Pure: no I/O. */
#pragma once

#include "net/http.h"

typedef enum pq_aws_fault_kind {
    PQ_AWS_NO_FAULT = 0,
    PQ_AWS_KEY_ID,    /* the access key id is unknown */
    PQ_AWS_SECRET,    /* the signature is wrong: the secret belongs to another key id */
    PQ_AWS_CLOCK,     /* the request's time is too far from AWS's */
    PQ_AWS_SESSION,   /* the session token has expired */
    PQ_AWS_DENIED,    /* the principal may not */
    PQ_AWS_REGION,    /* the account does not use this region or service */
    PQ_AWS_THROTTLED, /* too many requests */
    PQ_AWS_SERVER,    /* AWS has a problem of its own */
    PQ_AWS_OTHER,
} pq_aws_fault_kind;

/* What an answer that is not 200 says. */
typedef struct pq_aws_fault {
    pq_aws_fault_kind kind;
    char *code; /* "AccessDeniedException"; NULL when the answer is not of AWS's form */
    char *said; /* the first line of AWS's own words, cut short; NULL when there are none or they may hold a secret */
} pq_aws_fault;

#define PQ_AUTO_AWS_FAULT PQ_CLEANUP(pq_aws_fault_clear) pq_aws_fault

/* Of an answer in JSON, of one in XML. */
void pq_aws_fault_read_json(const pq_http_answer *answer, pq_aws_fault *out);
void pq_aws_fault_read_xml(const pq_http_answer *answer, pq_aws_fault *out);
void pq_aws_fault_clear(pq_aws_fault *fault);
