/* AWS Signature Version 4 in the Authorization header, by a secret key or by the key of a certificate.
 *
 * Facts: "Create a signed AWS API request", IAM user guide; judged by AWS's own vectors and by botocore. "The signing
 * process for IAM Roles Anywhere", its user guide; judged by Python's cryptography. The functions are pure: time, keys
 * and request come in, header lines come out. */
#pragma once

#include "base/clock.h"
#include "base/secret.h"
#include "base/text.h"
#include "crypto/hash.h"
#include "crypto/pkey.h"

/* What a principal signs with. */
typedef struct pq_aws_keys {
    char *access_key_id;
    pq_secret *secret_access_key;
    pq_secret *session_token; /* NULL for long-lived keys */
    time_t expires;           /* 0 when nobody said; of no meaning for signing */
} pq_aws_keys;

#define PQ_AUTO_AWS_KEYS PQ_CLEANUP(pq_aws_keys_clear) pq_aws_keys

void pq_aws_keys_clear(pq_aws_keys *keys);
void pq_aws_keys_copy(const pq_aws_keys *from, pq_aws_keys *to); /* `to` is let go first */

typedef struct pq_sigv4_request {
    const char *method;
    const char *path;          /* as it will be sent; NULL and "" mean "/" */
    const char *query;         /* as it will be sent, without the question mark; may be NULL */
    const pq_strings *headers; /* "Name: value"; Host must be among them. All are signed, but for those that proxies
                                  change and those that signing itself adds. */
    const void *body;          /* may be NULL when body_length is 0 */
    size_t body_length;
    const pq_aws_keys *keys; /* NULL for pq_sigv4_sign_x509() */
    const char *region;
    const char *service;       /* the signing name, as "ecr" */
    time_t when;               /* services accept about five minutes of difference */
    bool keep_path;            /* S3 only: leave dot segments and doubled slashes in the path */
    bool encode_once;          /* S3 only: do not percent-encode the path, which is encoded already, a second time */
    bool content_sha256;       /* also add and sign X-Amz-Content-Sha256 */
    bool leave_token_unsigned; /* add X-Amz-Security-Token but do not sign it (a few old services) */
} pq_sigv4_request;

/* The outcome. The canonical request and a header hold the session token, so all of it is wiped when let go. */
typedef struct pq_sigv4 {
    pq_strings headers;       /* "Name: value" lines to add: X-Amz-Date, X-Amz-Security-Token, X-Amz-Content-Sha256 */
    pq_secret *authorization; /* value of the Authorization header */
    pq_buf canonical_request; /* the steps, for whoever compares */
    pq_buf string_to_sign;
    pq_buf signed_headers; /* "host;x-amz-date" */
    char *signature;       /* hexadecimal */
} pq_sigv4;

#define PQ_AUTO_SIGV4 PQ_CLEANUP(pq_sigv4_clear) pq_sigv4

void pq_sigv4_sign(const pq_sigv4_request *request, pq_sigv4 *out);
/* The same with the private key of an X.509 certificate, as IAM Roles Anywhere takes it: the algorithm is
 * AWS4-X509-RSA-SHA256 or AWS4-X509-ECDSA-SHA256, the credential is the certificate's serial number, and the key signs
 * the string to sign as it is. X-Amz-X509 must be among the request's headers. `out` is the caller's to clear either
 * way. */
bool pq_sigv4_sign_x509(const pq_sigv4_request *request, const pq_certificate *certificate, const pq_pkey *key,
                        pq_sigv4 *out, pq_error *err) PQ_MUST_USE;
void pq_sigv4_clear(pq_sigv4 *signature);
