/* Which images an engine may pull: containers-policy.json(5) with a rule for each image that was checked, by digest,
 * and no other. What a parser of ours overlooks in a Dockerfile, or what an ONBUILD of a base image asks for, is then
 * refused by the engine and not pulled with somebody's credentials. */
#pragma once

#include "base/error.h"
#include "base/text.h"

/* `pulls` are HOST/NAME@DIGEST. `system` is the policy that holds without ours (NULL: everything is accepted); what it
 * asks of an image, a signature for example, is asked of it still. The text is owned. */
bool pq_pull_policy_make(const char *system, size_t system_length, const char *system_name, const pq_strings *pulls,
                         char **out, pq_error *err) PQ_MUST_USE;
/* The system's policy as containers/image finds it: $HOME/.config/containers/policy.json, else
 * /etc/containers/policy.json. `path` is NULL when there is none. Owned. */
bool pq_pull_policy_system(pq_buf *out, char **path, pq_error *err) PQ_MUST_USE;
