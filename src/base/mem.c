#include "base/mem.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static _Noreturn void out_of_memory(void)
{
    static const char text[] = "pratique: out of memory\n";
    ssize_t ignored = write(STDERR_FILENO, text, sizeof text - 1);
    (void)ignored;
    abort();
}

int pq_steal_fd(int *fd)
{
    int value = *fd;
    *fd = -1;
    return value;
}

void pq_free_cleanup(void *pointer_to_pointer)
{
    void *pointer;
    memcpy(&pointer, pointer_to_pointer, sizeof pointer);
    free(pointer);
}

void pq_close_cleanup(const int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
}

void *pq_alloc(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size ? size : 1);
    if (!memory)
        out_of_memory();
    return memory;
}

void *pq_alloc_raw(size_t size)
{
    void *memory = malloc(size ? size : 1);
    if (!memory)
        out_of_memory();
    return memory;
}

void *pq_grow(void *array, size_t *capacity, size_t need, size_t size)
{
    if (need <= *capacity)
        return array;
    size_t wanted = *capacity + *capacity / 2;
    if (wanted < need)
        wanted = need;
    if (wanted < 8)
        wanted = 8;
    void *moved = reallocarray(array, wanted, size);
    if (!moved)
        out_of_memory();
    memset((char *)moved + *capacity * size, 0, (wanted - *capacity) * size);
    *capacity = wanted;
    return moved;
}

char *pq_strndup(const char *text, size_t length)
{
    if (length == SIZE_MAX)
        out_of_memory();
    char *copy = pq_alloc_raw(length + 1);
    if (length)
        memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

char *pq_strdup(const char *text)
{
    return text ? pq_strndup(text, strlen(text)) : NULL;
}

char *pq_join(const char *const *texts)
{
    size_t length = 0;
    for (size_t i = 0; texts[i]; i++)
        length += strlen(texts[i]);
    char *joined = pq_alloc_raw(length + 1), *at = joined;
    for (size_t i = 0; texts[i]; i++)
        at = stpcpy(at, texts[i]);
    *at = '\0';
    return joined;
}

char *pq_vasprintf(const char *format, va_list arguments)
{
    char *text = NULL;
    if (vasprintf(&text, format, arguments) < 0)
        out_of_memory();
    return text;
}

char *pq_asprintf(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text = pq_vasprintf(format, arguments);
    va_end(arguments);
    return text;
}
