/* The XML of STS (AWS Query protocol): bytes in, the few texts that we need out. Pure: no I/O.
 *
 * A document type declaration is refused, so that no entity is ever expanded; depth and texts are bounded. */
#pragma once

#include "base/secret.h"

/* Texts by their place in the answer; NULL where there is none. */
typedef struct pq_sts_xml {
    char *access_key_id;          /* Credentials/AccessKeyId */
    pq_secret *secret_access_key; /* Credentials/SecretAccessKey */
    pq_secret *session_token;     /* Credentials/SessionToken */
    char *expiration;             /* Credentials/Expiration */
    char *arn;                    /* AssumedRoleUser/Arn or GetCallerIdentityResult/Arn */
    char *error_code;             /* Error/Code */
    char *error_message;          /* Error/Message */
} pq_sts_xml;

#define PQ_AUTO_STS_XML PQ_CLEANUP(pq_sts_xml_clear) pq_sts_xml

/* False when it is no XML, or has a document type, or says one thing twice; `out` is empty then. */
bool pq_sts_xml_read(const void *bytes, size_t length, pq_sts_xml *out) PQ_MUST_USE;
void pq_sts_xml_clear(pq_sts_xml *xml);
