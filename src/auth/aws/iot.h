/* The AWS IoT credentials provider: a role's keys for the certificate of a device.
 *
 *     GET https://ID.credentials.iot.REGION.amazonaws.com/role-aliases/ALIAS/credentials
 *
 * over TLS with the certificate, SNI being that name, and the thing's name in x-amzn-iot-thingname (AWS IoT Core
 * developer guide, "Authorizing direct calls to AWS services using AWS IoT Core credential provider"). What it refuses
 * with which words was tried out by others: aws-iot-core-credential-provider-session-helper, docs/dev_notes.md. It
 * looks at the thing first, then at the policy, then for the alias, then for its role; so each word says that those
 * before are right. A front end of AWS may answer in HTML, or with two words that can mean several things: then all are
 * told. */
#pragma once

#include "auth/aws/call.h"
#include "auth/aws/plan.h"

/* Borrowed texts. */
typedef struct pq_aws_iot {
    const char *endpoint; /* host */
    const char *alias;
    const char *thing; /* NULL: the certificate's common name */
    const char *where; /* what says so: "device.yml:7" */
} pq_aws_iot;

/* The step of a plan. PQ_ECONFIG for an address of another kind of endpoint, and for a certificate whose common name
 * can be no thing's. NULL then. The identity is borrowed. Owned. */
pq_aws_step *pq_aws_iot_plan(const pq_aws_iot *iot, const pq_identity *identity, pq_errors *errors) PQ_MUST_USE;
/* PQ_EDENIED for what only somebody at AWS will mend, with what that is. A clock of this machine that is far off is
 * named, and corrected for the calls that follow. */
bool pq_aws_iot_keys(const pq_aws_step *step, const pq_aws_caller *caller, pq_aws_keys *out, pq_error *err) PQ_MUST_USE;
