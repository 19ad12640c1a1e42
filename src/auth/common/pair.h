/* A secret that is a user and a password. */
#pragma once

#include "auth/common/credential.h"
#include "base/error.h"

/* `<user>:<password>`: the first colon divides, one final line end is dropped. `form` is how the two are called
 * ("<user>:<token>"). PQ_ECONFIG with `where` for anything else; nothing of the secret is quoted. */
bool pq_pair_read(const pq_secret *secret, const char *where, const char *form, pq_credential *out,
                  pq_errors *errors) PQ_MUST_USE;
