/* The WWW-Authenticate header: which schemes a registry offers (RFC 9110, sections 11.2 to 11.6.1). */
#pragma once

#include "base/text.h"

typedef struct pq_challenge_param {
    char *name; /* lower case */
    char *value;
} pq_challenge_param;

typedef struct pq_challenge {
    char *scheme; /* lower case */
    pq_challenge_param *params;
    size_t count, capacity;
} pq_challenge;

typedef struct pq_challenges {
    pq_challenge *at;
    size_t count, capacity;
} pq_challenges;

#define PQ_AUTO_CHALLENGES PQ_CLEANUP(pq_challenges_clear) pq_challenges

/* Adds the challenges of one header value; several may share it, and quoted strings may hold commas, equals signs and
 * escaped quotes. What follows a syntax error is left out, since nothing behind it can be told apart. */
void pq_challenges_parse(const char *value, pq_challenges *out);
void pq_challenges_clear(pq_challenges *list);
/* The first of that scheme (lower case), or NULL. Borrowed. */
const pq_challenge *pq_challenges_find(const pq_challenges *list, const char *scheme);
/* A parameter's value by its lower-case name, or NULL. Borrowed. */
const char *pq_challenge_param_of(const pq_challenge *challenge, const char *name);
