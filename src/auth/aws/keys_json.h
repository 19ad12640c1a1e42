/* Temporary keys in JSON, as metadata services, containers, SSO, credential_process, AWS IoT and IAM Roles Anywhere
 * hand them out: each names its fields a little differently. Pure: no I/O. */
#pragma once

#include "auth/aws/sigv4.h"
#include "base/error.h"

typedef enum pq_aws_keys_form {
    /* {"AccessKeyId","SecretAccessKey","Token","Expiration"}, with "Code":"Success" or an error (AWS, "Retrieve
     * security credentials from instance metadata"; "Task IAM role"). */
    PQ_AWS_FORM_METADATA,
    /* {"Version":1,"AccessKeyId","SecretAccessKey","SessionToken"?,"Expiration"?} (AWS, "Sourcing credentials with an
     * external process"). */
    PQ_AWS_FORM_PROCESS,
    /* {"roleCredentials":{"accessKeyId","secretAccessKey","sessionToken","expiration": milliseconds}} (SSO API,
     * GetRoleCredentials). */
    PQ_AWS_FORM_SSO,
    /* {"credentials":{"accessKeyId","secretAccessKey","sessionToken","expiration"?}} (AWS IoT, "Authorizing direct
     * calls to AWS services"). */
    PQ_AWS_FORM_IOT,
    /* {"credentialSet":[{"credentials":{"accessKeyId","secretAccessKey","sessionToken","expiration"}, …}], …} (IAM
     * Roles Anywhere, CreateSession). */
    PQ_AWS_FORM_ROLES_ANYWHERE,
} pq_aws_keys_form;

/* PQ_EFAILED with `who` ("the instance metadata service") before what is wrong; nothing of the answer is quoted but the
 * code of an error. */
bool pq_aws_keys_read_json(const void *bytes, size_t length, pq_aws_keys_form form, const char *who, pq_aws_keys *out,
                           pq_error *err) PQ_MUST_USE;
/* Whose keys those of CreateSession are: `credentialSet[0].assumedRoleUser.arn`; NULL when it does not say. Owned. */
char *pq_aws_session_arn_read(const void *bytes, size_t length) PQ_MUST_USE;
