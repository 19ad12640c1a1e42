/* The token cache: answers of clouds, kept in the runtime folder (base/runtime_dir.h, base/token_cache.h) between runs
 * and shared by all processes of a user, so that a hundred jobs make one call.
 *
 * `HEX.token` is an identity's answer; HEX is a hash of all that decides it, the secret's bytes among that. What a
 * credential helper reads is a copy, `HEX.answer`, which also says from which files it was made. `….lock` is held while
 * one of many asks.
 *
 * When a token is asked for anew, and for how long a failure is remembered, is the rule of schedule.h. A token that has
 * expired is never given out. One that is only aged is, when asking anew fails for reasons that pass; the next try is
 * then a minute later, or more. What does not expire is not kept: it is no token but the secret itself.
 *
 * A refusal ends that: an aged token is let go, and the error says until when it may be good elsewhere.
 *
 * Each failure is remembered as if it were the first in a row, for a person sits before most of those who come here,
 * and mends what is wrong: a refusal for one to two minutes, a cloud that is busy for 10 to 70 seconds, one that cannot
 * be reached for 5 to 10. Only those who ask for it hear of a remembered failure. */
#pragma once

#include "auth/common/credential.h"
#include "base/error.h"
#include "base/text.h"

typedef struct pq_cache pq_cache;
#define PQ_AUTO_CACHE PQ_CLEANUP(pq_cache_cleanup) pq_cache

/* `folder` is a runtime folder. NULL, with an error, when it is not one. */
pq_cache *pq_cache_open(const char *folder, pq_error *err) PQ_MUST_USE;
void pq_cache_free(pq_cache *cache); /* NULL is fine */
void pq_cache_cleanup(pq_cache **cache);
const char *pq_cache_folder(const pq_cache *cache);

/* The name of an entry: of all that decides who we are and what is asked for, and of the secret (or NULL). Owned. */
char *pq_cache_name(const char *key, const pq_secret *secret) PQ_MUST_USE;
/* The name of the answer for one host of one binding. Owned. */
char *pq_cache_answer_name(const char *binding, const char *host) PQ_MUST_USE;

/* What is good enough beside a fresh token. */
typedef enum pq_cache_manner {
    PQ_CACHE_CAREFUL = 0, /* an aged one, when asking anew fails for reasons that pass */
    PQ_CACHE_FAILURES,    /* the same, and a failure that is remembered */
    PQ_CACHE_RENEW,       /* nothing: who asks has the aged one himself, and wants to hear of the failure */
} pq_cache_manner;

/* Asks the cloud. */
typedef bool pq_cache_ask(void *context, pq_credential *out, pq_error *err);

/* The credential `name`: from the cache, or asked for by one process while the others wait for what it hears, 20
 * seconds at most. `cache` may be NULL: then it is asked for. `out` must be empty. A cache that cannot
 * be written (a full disk) is as good as none. */
bool pq_cache_get(pq_cache *cache, const char *name, pq_cache_manner manner, pq_cache_ask *ask, void *context,
                  pq_credential *out, pq_error *err) PQ_MUST_USE;
/* Lets an entry go: the registry has refused what it holds. */
void pq_cache_forget(pq_cache *cache, const char *name);
/* Makes (replaces) the answer `answer` from the entry `name`, with its sources (pq_token_source()); removes it when
 * there is no such entry. */
void pq_cache_make_answer(pq_cache *cache, const char *name, const char *answer, const pq_strings *sources);
/* Removes an answer and the entry that it was made from. */
void pq_cache_forget_answer(pq_cache *cache, const char *answer);
