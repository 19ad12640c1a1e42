#include "auth/common/json_memory.h"

#include <jansson.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

void pq_free_wiped(void *memory)
{
    if (memory)
        explicit_bzero(memory, malloc_usable_size(memory));
    free(memory);
}

static void set_functions(void)
{
    /* What jansson allocated before came from malloc too, so that the change needs no particular moment. */
    json_set_alloc_funcs(malloc, pq_free_wiped);
}

void pq_json_wipe_memory(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, set_functions);
}
