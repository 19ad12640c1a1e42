/* The token cache: answers of clouds, kept in the runtime folder (base/runtime_dir.h, base/token_cache.h) between runs
 * and shared by all processes of a user, so that a hundred jobs make one call.
 *
 * `HEX.token` is an identity's answer; HEX is a hash of all that decides it, the secret's bytes among that. What a
 * credential helper reads is a copy, `HEX.answer`, which also says from which files it was made. `….lock` is held while
 * one of many asks.
 *
 * A token is asked for anew after two fifths to half of its life, by chance, so that the jobs of a fleet do not ask all
 * at once (half is what amazon-ecr-credential-helper and the kubelet's ECR provider do, and less than the cache of
 * Azure's). A token that has expired is never given out. One that is only aged is, when asking anew fails for reasons
 * that pass; the next try is then a minute later. What does not expire is not kept: it is no token but the secret
 * itself.
 *
 * A refusal ends that: an aged token is let go, and the error says until when it may be good elsewhere. It is
 * remembered for 60 seconds, a cloud that is busy for 10, one that cannot be reached for 5 (Greengrass keeps refusals
 * 120 seconds, errors 60: devices, before which nobody sits and mends the policy). Only those who ask for it hear of a
 * remembered failure. */
#pragma once

#include "auth/credential.h"
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

/* Asks the cloud. */
typedef bool pq_cache_ask(void *context, pq_credential *out, pq_error *err);

/* The credential `name`: from the cache, or asked for by one process while the others wait for what it hears, 20
 * seconds at most. `cache` may be NULL: then it is asked for. `out` must be empty. `failures`: a failure that is
 * remembered is good enough too. A cache that cannot be written (a full disk) is as good as none. */
bool pq_cache_get(pq_cache *cache, const char *name, bool failures, pq_cache_ask *ask, void *context,
                  pq_credential *out, pq_error *err) PQ_MUST_USE;
/* Lets an entry go: the registry has refused what it holds. */
void pq_cache_forget(pq_cache *cache, const char *name);
/* Makes (replaces) the answer `answer` from the entry `name`, with its sources (pq_token_source()); removes it when
 * there is no such entry. */
void pq_cache_make_answer(pq_cache *cache, const char *name, const char *answer, const pq_strings *sources);
/* Removes an answer and the entry that it was made from. */
void pq_cache_forget_answer(pq_cache *cache, const char *answer);
