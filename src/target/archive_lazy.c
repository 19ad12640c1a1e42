#define PQ_ARCHIVE_NAMES_AS_THEY_ARE
#include "target/archive_lazy.h"

#include <dlfcn.h>
#include <string.h>

struct pq_archive_functions pq_archive_functions;

bool pq_archive_load(pq_error *err)
{
    static bool loaded;
    if (loaded)
        return true;
    /* Never closed: its cleanup at exit would cost, and nothing else would use the room. */
    void *library = dlopen("libarchive.so.13", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        library = dlopen("libarchive.so", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return pq_fail(err, PQ_ESYSTEM, NULL, "apt-get install libarchive13", "libarchive is not installed");
    static const struct {
        const char *name;
        size_t offset;
    } functions[] = {
#define X(name) {#name, offsetof(struct pq_archive_functions, name)},
        PQ_ARCHIVE_FUNCTIONS(X)
#undef X
    };
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        void *function = dlsym(library, functions[i].name);
        if (!function)
            return pq_fail(err, PQ_ESYSTEM, NULL, "install libarchive 3.6 or newer", "libarchive has no %s",
                           functions[i].name);
        /* POSIX lets dlsym's pointer be a function's; copying its bytes says so without a forbidden cast. */
        memcpy((char *)&pq_archive_functions + functions[i].offset, &function, sizeof function);
    }
    loaded = true;
    return true;
}
