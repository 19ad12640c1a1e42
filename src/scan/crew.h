/* Pieces of work that several threads do and one takes back in order.
 *
 * There is a ring of slots: the caller fills one, submits it, and the next. Threads work on them as they come; what is
 * done is handed back on the caller's own thread, strictly in the order of submission. Never more than the ring is
 * under way, so memory does not depend on how much there is to do. The caller's thread works along whenever the ring is
 * full; on a machine with one processor it does everything. */
#pragma once

#include <stddef.h>

#include "base/mem.h"

typedef struct pq_crew pq_crew;

typedef struct pq_crew_task {
    void (*work)(void *context, size_t slot); /* on any thread, several at once, each on a slot of its own */
    void (*take)(void *context, size_t slot); /* on the caller's thread, in order; the slot is free afterwards */
    void *context;
    size_t slots;     /* at least 2 */
    unsigned threads; /* including the caller's; 0: one for each processor */
} pq_crew_task;

pq_crew *pq_crew_new(const pq_crew_task *task) PQ_MUST_USE;
/* A slot to be filled. What is done meanwhile is taken; it may also work or wait until there is a free one. The same
 * slot until it is submitted. */
size_t pq_crew_slot(pq_crew *crew) PQ_MUST_USE;
void pq_crew_submit(pq_crew *crew);
/* Waits until all is done and taken, and ends the threads. */
void pq_crew_finish(pq_crew *crew);
