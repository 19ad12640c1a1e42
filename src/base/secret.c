#include "base/secret.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

struct pq_secret {
    pq_secret *next, *previous;
    size_t mapped; /* bytes of the whole mapping, this header included */
    size_t length;
    char bytes[];
};

/* Living secrets, so that messages can be redacted. */
static pq_secret *living;
static pthread_mutex_t living_lock = PTHREAD_MUTEX_INITIALIZER;

/* Each secret has pages of its own: madvise and mlock work on pages, and neighbours on the heap would share them. */
static pq_secret *map_secret(size_t length)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t whole = sizeof(pq_secret) + length + 1;
    if (whole < length || whole > (size_t)-1 - page)
        abort();
    whole = (whole + page - 1) / page * page;
    pq_secret *secret = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (secret == MAP_FAILED)
        abort();
    /* All best effort: RLIMIT_MEMLOCK may be small, and an old kernel may know neither advice. */
    (void)mlock(secret, whole);
    (void)madvise(secret, whole, MADV_DONTDUMP);
    (void)madvise(secret, whole, MADV_WIPEONFORK);
    secret->mapped = whole;
    secret->length = length;
    return secret;
}

pq_secret *pq_secret_new(const void *bytes, size_t length)
{
    pq_secret *secret = map_secret(length);
    if (length)
        memcpy(secret->bytes, bytes, length);
    (void)pthread_mutex_lock(&living_lock);
    secret->next = living;
    if (living)
        living->previous = secret;
    living = secret;
    (void)pthread_mutex_unlock(&living_lock);
    return secret;
}

pq_secret *pq_secret_from_buf(pq_buf *buffer)
{
    pq_secret *secret = pq_secret_new(buffer->data, buffer->length);
    buffer->sensitive = true;
    pq_buf_clear(buffer);
    return secret;
}

pq_secret *pq_secret_copy(const pq_secret *secret)
{
    return secret ? pq_secret_new(secret->bytes, secret->length) : NULL;
}

void pq_secret_free(pq_secret *secret)
{
    if (!secret)
        return;
    (void)pthread_mutex_lock(&living_lock);
    if (secret->previous)
        secret->previous->next = secret->next;
    else
        living = secret->next;
    if (secret->next)
        secret->next->previous = secret->previous;
    (void)pthread_mutex_unlock(&living_lock);
    size_t mapped = secret->mapped;
    explicit_bzero(secret, mapped);
    (void)munmap(secret, mapped);
}

void pq_secret_cleanup(pq_secret **secret)
{
    pq_secret_free(*secret);
}

const char *pq_secret_bytes(const pq_secret *secret)
{
    return secret->bytes;
}

size_t pq_secret_length(const pq_secret *secret)
{
    return secret->length;
}

bool pq_secret_equal(const pq_secret *a, const pq_secret *b)
{
    if (a->length != b->length)
        return false;
    unsigned char difference = 0;
    for (size_t i = 0; i < a->length; i++)
        difference = (unsigned char)(difference | (a->bytes[i] ^ b->bytes[i]));
    return difference == 0;
}

void pq_secret_redact(pq_buf *text)
{
    enum { SHORTEST = 6 };
    (void)pthread_mutex_lock(&living_lock);
    for (const pq_secret *secret = living; secret; secret = secret->next) {
        if (secret->length < SHORTEST)
            continue;
        size_t from = 0;
        char *hit;
        while (text->length > from &&
               (hit = memmem(text->data + from, text->length - from, secret->bytes, secret->length))) {
            size_t at = (size_t)(hit - text->data);
            memcpy(hit, "***", 3);
            memmove(hit + 3, hit + secret->length, text->length - at - secret->length + 1);
            text->length -= secret->length - 3;
            from = at + 3;
        }
    }
    (void)pthread_mutex_unlock(&living_lock);
}

bool pq_secret_found_in(const void *bytes, size_t length)
{
    enum { SHORTEST = 12 };
    bool found = false;
    (void)pthread_mutex_lock(&living_lock);
    for (const pq_secret *secret = living; secret && !found; secret = secret->next)
        found = secret->length >= SHORTEST && memmem(bytes, length, secret->bytes, secret->length);
    (void)pthread_mutex_unlock(&living_lock);
    return found;
}

void pq_secret_harden_process(void)
{
    struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}
