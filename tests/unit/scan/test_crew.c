#include "pq_cmocka.h"

#include <stdatomic.h>
#include <unistd.h>

#include "scan/crew.h"

enum { SLOTS = 4 };

typedef struct run {
    size_t inputs[SLOTS], outputs[SLOTS];
    size_t taken;
    atomic_size_t under_way, most;
} run;

static void work(void *context, size_t slot)
{
    run *all = context;
    size_t now = atomic_fetch_add(&all->under_way, 1) + 1, most = atomic_load(&all->most);
    while (now > most && !atomic_compare_exchange_weak(&all->most, &most, now))
        ;
    if (all->inputs[slot] % 7 == 0)
        (void)usleep(300); /* so that later ones are done before */
    all->outputs[slot] = all->inputs[slot] * 2;
    (void)atomic_fetch_sub(&all->under_way, 1);
}

static void take(void *context, size_t slot)
{
    run *all = context;
    assert_int_equal(all->outputs[slot], all->taken * 2);
    all->taken++;
}

static void run_with(unsigned threads, size_t pieces)
{
    run all = {0};
    pq_crew_task task = {.work = work, .take = take, .context = &all, .slots = SLOTS, .threads = threads};
    pq_crew *crew = pq_crew_new(&task);
    for (size_t i = 0; i < pieces; i++) {
        size_t slot = pq_crew_slot(crew);
        assert_int_equal(slot, pq_crew_slot(crew));
        assert_true(i - all.taken < SLOTS);
        all.inputs[slot] = i;
        pq_crew_submit(crew);
    }
    pq_crew_finish(crew);
    assert_int_equal(all.taken, pieces);
    assert_true(atomic_load(&all.most) <= threads);
}

static void pieces_come_back_in_order(void **state)
{
    (void)state;
    for (unsigned threads = 1; threads <= 5; threads++)
        for (size_t pieces = 0; pieces < 200; pieces += pieces < 8 ? 1 : 61)
            run_with(threads, pieces);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_come_back_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
