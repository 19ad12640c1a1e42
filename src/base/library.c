#include "base/library.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool pq_library_open(pq_library *library, pq_error *err)
{
    if (atomic_load(&library->handle))
        return true;
    /* Never closed: its cleanup at exit would cost, and nothing else would use the room. */
    void *handle = NULL;
    for (size_t i = 0; library->files[i] && !handle; i++)
        handle = dlopen(library->files[i], RTLD_LAZY | RTLD_LOCAL);
    if (!handle)
        return pq_fail(err, PQ_ESYSTEM, NULL, library->hint, "cannot load the library %s", library->files[0]);
    atomic_store(&library->handle, handle);
    return true;
}

pq_function *pq_library_find(pq_library *library, const char *name, pq_function_slot *slot)
{
    PQ_AUTO_ERROR err = {0};
    void *address = pq_library_open(library, &err) ? dlsym(atomic_load(&library->handle), name) : NULL;
    if (!address) {
        if (err.code == PQ_OK)
            (void)pq_fail(&err, PQ_ESYSTEM, NULL, library->hint, "the library %s has no %s", library->files[0], name);
        (void)fprintf(stderr, "pratique: %s (%s)\n", err.message, err.hint);
        _exit(pq_code_status(err.code));
    }
    /* POSIX lets dlsym's pointer be a function's; copying its bytes says so without a forbidden cast. */
    pq_function *found;
    memcpy(&found, &address, sizeof found);
    atomic_store_explicit(slot, found, memory_order_relaxed);
    return found;
}
