/* Shared libraries that are loaded when one of their functions is first called.
 *
 * libcurl brings some thirty others, 5 ms and 6 MiB at every start on Debian 12, which a command that never leaves this
 * machine must not pay. Such a library has stand-ins: functions of ours with its names and types, hidden in the
 * program, that find the real ones. Callers include its headers as ever; a function that has no stand-in yet is an
 * undefined reference when linking.
 *
 * Only libraries that every installation has: one that is missing ends the program, as it would at the start. */
#pragma once

#include <stdatomic.h>

#include "base/error.h"

typedef void pq_function(void);

typedef struct pq_library {
    const char *files[3]; /* what the loader looks for, in this order; NULL at the end */
    const char *hint;     /* what to do when there is none */
    _Atomic(void *) handle;
} pq_library;

/* Where a stand-in keeps what it found. */
typedef _Atomic(pq_function *) pq_function_slot;

/* On any thread, and again. PQ_ESYSTEM when there is none; for a library that may be missing, before its first use. */
bool pq_library_open(pq_library *library, pq_error *err) PQ_MUST_USE;

/* The real function; ends the program when there is none. */
pq_function *pq_library_find(pq_library *library, const char *name, pq_function_slot *slot);

static inline pq_function *pq_library_function(pq_library *library, const char *name, pq_function_slot *slot)
{
    pq_function *found = atomic_load_explicit(slot, memory_order_relaxed);
    return found ? found : pq_library_find(library, name, slot);
}

/* The real `name` within its stand-in, to be called. */
#define PQ_REAL(library, name, slot) ((__typeof__(&(name)))pq_library_function(&(library), #name, &(slot)))

/* Types, parameters and arguments cannot stand in parentheses, or stand in their own.
 * NOLINTBEGIN(bugprone-macro-parentheses) */
#define PQ_STAND_IN(library, type, name, parameters, arguments)                                                        \
    type name parameters                                                                                               \
    {                                                                                                                  \
        static pq_function_slot slot;                                                                                  \
        return PQ_REAL(library, name, slot) arguments;                                                                 \
    }

#define PQ_STAND_IN_VOID(library, name, parameters, arguments)                                                         \
    void name parameters                                                                                               \
    {                                                                                                                  \
        static pq_function_slot slot;                                                                                  \
        PQ_REAL(library, name, slot) arguments;                                                                        \
    }
/* NOLINTEND(bugprone-macro-parentheses) */
