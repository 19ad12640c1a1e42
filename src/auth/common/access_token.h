/* Access tokens of a cloud's login service (OAuth 2.0, RFC 6749), and those that a run has been given already. */
#pragma once

#include "base/clock.h"
#include "base/secret.h"
#include "base/text.h"

typedef struct pq_access_token {
    pq_secret *token;
    time_t expires; /* 0 when nobody said */
} pq_access_token;

#define PQ_AUTO_ACCESS_TOKEN PQ_CLEANUP(pq_access_token_clear) pq_access_token

void pq_access_token_clear(pq_access_token *token);

/* Reads a successful answer (RFC 6749, section 5.1): `access_token`, and when it ends: `expires_in`, else `expires_on`
 * (seconds since 1970, as Azure's metadata services say; both may be numbers or texts), else what the token says of
 * itself. `who` names the service in errors ("Entra ID"). PQ_EFAILED for anything else; nothing of it is quoted. */
bool pq_access_token_read(const void *bytes, size_t length, const char *who, pq_access_token *out,
                          pq_error *err) PQ_MUST_USE;

/* What a run has been given, by a key that says all that decides whose token it is. */
typedef struct pq_access_tokens {
    struct {
        char *key;
        pq_access_token token;
    } * at;
    size_t count, capacity;
} pq_access_tokens;

void pq_access_tokens_clear(pq_access_tokens *list);
/* A token that lasts for another five minutes at least, or NULL. Borrowed until the list changes. */
const pq_access_token *pq_access_tokens_find(const pq_access_tokens *list, const char *key);
/* Keeps a copy, in place of an older one. One whose end nobody knows is not kept. */
void pq_access_tokens_keep(pq_access_tokens *list, const char *key, const pq_access_token *token);
