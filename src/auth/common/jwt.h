/* What a JSON Web Token says of itself (RFC 7519), without any proof: for when it ends, and for words to people. The
 * server that takes it proves it. Pure: no I/O. */
#pragma once

#include "base/clock.h"
#include "base/secret.h"

typedef struct pq_jwt {
    time_t issued, begins, expires; /* iat, nbf, exp; 0 when not said */
    char *issuer, *subject;         /* iss, sub; NULL when not said */
    char *audience;                 /* aud, the first when there are several; NULL when not said */
} pq_jwt;

#define PQ_AUTO_JWT PQ_CLEANUP(pq_jwt_clear) pq_jwt

/* False when it is no token of the compact form (RFC 7515, section 3.1) with a set of claims. */
bool pq_jwt_read(const void *bytes, size_t length, pq_jwt *out) PQ_MUST_USE;
void pq_jwt_clear(pq_jwt *jwt);

typedef enum pq_jwt_grant {
    PQ_JWT_SAYS_NOTHING = 0, /* no such token, or it has no list of rights */
    PQ_JWT_DENIES,
    PQ_JWT_GRANTS,
} pq_jwt_grant;

/* Whether the token of a registry grants an action ("push") in a repository: its claim `access` lists what was granted
 * of that which was asked for (distribution, "Token Authentication Implementation", and so at Azure and Docker Hub). */
pq_jwt_grant pq_jwt_access(const void *bytes, size_t length, const char *repository, const char *action) PQ_MUST_USE;
