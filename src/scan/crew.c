#include "scan/crew.h"

#include <pthread.h>
#include <sched.h>

enum { MOST_THREADS = 16 };

struct pq_crew {
    pq_crew_task task;
    pthread_mutex_t lock;
    pthread_cond_t more, done; /* something to work on; the oldest may be ready */
    pthread_t threads[MOST_THREADS];
    unsigned wanted, started;
    /* Numbers of pieces, each in slot number % slots: taken <= begun <= submitted. */
    size_t submitted, begun, taken;
    bool *ready; /* by slot */
    bool ending;
};

static unsigned processors(void)
{
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return count < 1 ? 1 : (unsigned)count;
}

pq_crew *pq_crew_new(const pq_crew_task *task)
{
    pq_crew *crew = pq_alloc(1, sizeof *crew);
    crew->task = *task;
    unsigned threads = task->threads ? task->threads : processors();
    crew->wanted = threads - 1 < MOST_THREADS ? threads - 1 : MOST_THREADS;
    crew->ready = pq_alloc(task->slots, sizeof *crew->ready);
    (void)pthread_mutex_init(&crew->lock, NULL);
    (void)pthread_cond_init(&crew->more, NULL);
    (void)pthread_cond_init(&crew->done, NULL);
    return crew;
}

/* Does the next piece. Called and returns with the lock held. */
static void work_on_one(pq_crew *crew)
{
    size_t slot = crew->begun++ % crew->task.slots;
    (void)pthread_mutex_unlock(&crew->lock);
    crew->task.work(crew->task.context, slot);
    (void)pthread_mutex_lock(&crew->lock);
    crew->ready[slot] = true;
    if (slot == crew->taken % crew->task.slots)
        (void)pthread_cond_signal(&crew->done);
}

static void *thread_main(void *context)
{
    pq_crew *crew = context;
    (void)pthread_mutex_lock(&crew->lock);
    while (!crew->ending || crew->begun < crew->submitted) {
        if (crew->begun < crew->submitted)
            work_on_one(crew);
        else
            (void)pthread_cond_wait(&crew->more, &crew->lock);
    }
    (void)pthread_mutex_unlock(&crew->lock);
    return NULL;
}

/* With the lock held. */
static void take_what_is_ready(pq_crew *crew)
{
    while (crew->taken < crew->submitted && crew->ready[crew->taken % crew->task.slots]) {
        size_t slot = crew->taken % crew->task.slots;
        (void)pthread_mutex_unlock(&crew->lock);
        crew->task.take(crew->task.context, slot);
        (void)pthread_mutex_lock(&crew->lock);
        crew->ready[slot] = false;
        crew->taken++;
    }
}

/* Works, takes or waits until at most `left` pieces are under way. With the lock held. */
static void drain(pq_crew *crew, size_t left)
{
    take_what_is_ready(crew);
    while (crew->submitted - crew->taken > left) {
        if (crew->begun < crew->submitted)
            work_on_one(crew);
        else if (!crew->ready[crew->taken % crew->task.slots])
            (void)pthread_cond_wait(&crew->done, &crew->lock);
        take_what_is_ready(crew);
    }
}

size_t pq_crew_slot(pq_crew *crew)
{
    (void)pthread_mutex_lock(&crew->lock);
    drain(crew, crew->task.slots - 1);
    size_t slot = crew->submitted % crew->task.slots;
    (void)pthread_mutex_unlock(&crew->lock);
    return slot;
}

void pq_crew_submit(pq_crew *crew)
{
    (void)pthread_mutex_lock(&crew->lock);
    crew->submitted++;
    /* Not for the first: a small tree is done sooner than a thread has started. */
    if (crew->submitted > 1 && crew->started < crew->wanted) {
        if (pthread_create(&crew->threads[crew->started], NULL, thread_main, crew) == 0)
            crew->started++;
        else
            crew->wanted = crew->started;
    }
    (void)pthread_cond_signal(&crew->more);
    (void)pthread_mutex_unlock(&crew->lock);
}

void pq_crew_finish(pq_crew *crew)
{
    (void)pthread_mutex_lock(&crew->lock);
    drain(crew, 0);
    crew->ending = true;
    (void)pthread_cond_broadcast(&crew->more);
    (void)pthread_mutex_unlock(&crew->lock);
    for (unsigned i = 0; i < crew->started; i++)
        (void)pthread_join(crew->threads[i], NULL);
    (void)pthread_cond_destroy(&crew->more);
    (void)pthread_cond_destroy(&crew->done);
    (void)pthread_mutex_destroy(&crew->lock);
    free(crew->ready);
    free(crew);
}
