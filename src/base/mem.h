/* Allocation and ownership.
 *
 * Allocation never returns NULL: a process that is out of memory says so and aborts. What input decides is bounded
 * elsewhere (limits.h), so running out means a broken machine, not a hostile file.
 *
 * Ownership is visible in names: a `char *` in a struct or returned is owned, a `const char *` is borrowed. Locals that
 * own something carry a cleanup attribute; ownership is handed on with pq_steal(). */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#define PQ_MUST_USE __attribute__((warn_unused_result))
#define PQ_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define PQ_CLEANUP(function) __attribute__((cleanup(function)))
#define PQ_UNUSED __attribute__((unused))

/* A local `char *` (or any pointer from pq_alloc) that is freed when its scope ends. */
#define PQ_AUTO_FREE PQ_CLEANUP(pq_free_cleanup)
/* A local file descriptor, -1 when empty, that is closed when its scope ends. */
#define PQ_AUTO_CLOSE PQ_CLEANUP(pq_close_cleanup)

/* Hands ownership on: yields the pointer and leaves NULL behind. */
#define pq_steal(pointer)                                                                                              \
    __extension__({                                                                                                    \
        __typeof__(pointer) *pq_steal_at = &(pointer);                                                                 \
        __typeof__(pointer) pq_steal_value = *pq_steal_at;                                                             \
        *pq_steal_at = NULL;                                                                                           \
        pq_steal_value;                                                                                                \
    })

/* Hands a file descriptor on: yields it and leaves -1 behind. */
int pq_steal_fd(int *fd);

void pq_free_cleanup(void *pointer_to_pointer);
void pq_close_cleanup(const int *fd);

/* `count * size` zeroed bytes; aborts on overflow or when out of memory. Never NULL, also for zero. */
void *pq_alloc(size_t count, size_t size) PQ_MUST_USE;

/* `size` bytes with anything in them, which is cheaper; aborts when out of memory. Never NULL, also for zero. */
void *pq_alloc_raw(size_t size) PQ_MUST_USE;

/* Makes room for at least `need` elements of `size` bytes in `array`, whose capacity in elements is `*capacity`; grows
 * by half. New memory is zeroed. Returns the array at its new place. */
void *pq_grow(void *array, size_t *capacity, size_t need, size_t size) PQ_MUST_USE;

char *pq_strdup(const char *text) PQ_MUST_USE; /* NULL in, NULL out */
char *pq_strndup(const char *text, size_t length) PQ_MUST_USE;
/* The texts one behind the other: for what is done a thousand times, where pq_asprintf() would cost. */
#define pq_joined(...) pq_join((const char *const[]){__VA_ARGS__, NULL})
char *pq_join(const char *const *texts) PQ_MUST_USE; /* NULL after the last */
char *pq_asprintf(const char *format, ...) PQ_MUST_USE PQ_PRINTF(1, 2);
char *pq_vasprintf(const char *format, va_list arguments) PQ_MUST_USE PQ_PRINTF(1, 0);
