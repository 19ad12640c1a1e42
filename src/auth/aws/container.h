/* The role of the container that we run in: ECS tasks, EKS Pod Identity, CodeBuild (AWS SDKs Reference Guide,
 * "Container credential provider"). Never through a proxy; two seconds and three tries, as botocore has it. */
#pragma once

#include "auth/aws/call.h"

bool pq_aws_container_keys(const pq_aws_caller *caller, pq_aws_keys *out, pq_error *err) PQ_MUST_USE;
/* Offline: whether the variables name a place that may be asked, and the token's file is there. */
bool pq_aws_container_check(pq_error *err) PQ_MUST_USE;
