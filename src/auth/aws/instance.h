/* The role of the EC2 instance that we run on, by the instance metadata service, version 2 (EC2 User Guide, "Use the
 * Instance Metadata Service"). Never through a proxy; a second and one try, as botocore has it, unless
 * AWS_METADATA_SERVICE_TIMEOUT and AWS_METADATA_SERVICE_NUM_ATTEMPTS say otherwise. */
#pragma once

#include "auth/aws/call.h"

/* PQ_ETRANSPORT when there is none. */
bool pq_aws_instance_keys(const pq_aws_caller *caller, pq_aws_keys *out, pq_error *err) PQ_MUST_USE;
/* Offline: whether AWS_EC2_METADATA_SERVICE_ENDPOINT names a place that may be asked. */
bool pq_aws_instance_check(pq_error *err) PQ_MUST_USE;
