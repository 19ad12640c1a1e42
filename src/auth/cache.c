#include "auth/cache.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/schedule.h"
#include "base/file.h"
#include "base/log.h"
#include "base/runtime_dir.h"
#include "base/token_cache.h"
#include "crypto/hash.h"

enum {
    AGAIN_AFTER_FAILURE = 60,    /* seconds, at least, until an aged token is asked for once more */
    LEAST_LIFE = 30,             /* a token that ends sooner is not worth keeping */
    LONGEST_LIFE = 24 * 60 * 60, /* whatever a cloud says, or a wrong clock makes of it */
    OLDEST_TEMPORARY = 60,
};
static const double patience = 20;
static const char entry_ending[] = ".token", answer_ending[] = ".answer", lock_ending[] = ".lock";

struct pq_cache {
    char *path;
    int fd;
};

pq_cache *pq_cache_open(const char *folder, pq_error *err)
{
    int fd = pq_runtime_dir_open(folder, err);
    if (fd < 0)
        return NULL;
    pq_cache *cache = pq_alloc(1, sizeof *cache);
    *cache = (pq_cache){.path = pq_strdup(folder), .fd = fd};
    return cache;
}

void pq_cache_free(pq_cache *cache)
{
    if (!cache)
        return;
    (void)close(cache->fd);
    free(cache->path);
    free(cache);
}

void pq_cache_cleanup(pq_cache **cache)
{
    pq_cache_free(*cache);
}

const char *pq_cache_folder(const pq_cache *cache)
{
    return cache->path;
}

/* --- names -------------------------------------------------------------------------------------------------------- */

static char *name_of(const char *what, const char *a, const void *b, size_t b_length, const char *ending)
{
    PQ_AUTO_HASHER *hasher = pq_hasher_new();
    pq_hasher_add(hasher, what, strlen(what) + 1);
    pq_hasher_add(hasher, a, strlen(a) + 1);
    if (b)
        pq_hasher_add(hasher, b, b_length);
    pq_sha256 hash = pq_hasher_end(hasher);
    char hex[PQ_SHA256_HEX];
    pq_sha256_hex(&hash, hex);
    return pq_asprintf("%s%s", hex, ending);
}

char *pq_cache_name(const char *key, const pq_secret *secret)
{
    return name_of("pratique token", key, secret ? pq_secret_bytes(secret) : NULL,
                   secret ? pq_secret_length(secret) : 0, entry_ending);
}

char *pq_cache_answer_name(const char *binding, const char *host)
{
    return name_of("pratique answer", binding, host, strlen(host), answer_ending);
}

/* --- reading and writing ------------------------------------------------------------------------------------------ */

/* The entry, if it is whole and not gone. It points into `bytes`. */
static pq_token_state read_entry(const pq_cache *cache, const char *name, pq_buf *bytes, pq_token_entry *out)
{
    pq_buf_clear(bytes);
    if (!pq_token_file_read(cache->fd, name, bytes) || !pq_token_entry_parse(bytes->data, bytes->length, out))
        return PQ_TOKEN_GONE;
    return pq_token_entry_state(out, pq_now());
}

/* What nobody will read any more: old entries, and what killed writers left. Locks stay, for somebody may hold one. */
static void sweep(const pq_cache *cache)
{
    int fd = openat(cache->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *listing = fd >= 0 ? fdopendir(fd) : NULL;
    if (!listing) {
        if (fd >= 0)
            (void)close(fd);
        return;
    }
    time_t now = pq_now();
    for (const struct dirent *item = readdir(listing); item; item = readdir(listing)) {
        bool temporary = *item->d_name == '.' && strstr(item->d_name, ".token.");
        temporary = temporary || (*item->d_name == '.' && strstr(item->d_name, ".answer."));
        if (!temporary && !pq_ends_with(item->d_name, entry_ending) && !pq_ends_with(item->d_name, answer_ending))
            continue;
        struct stat status;
        if (fstatat(cache->fd, item->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
            now - status.st_mtime > (temporary ? OLDEST_TEMPORARY : LONGEST_LIFE))
            (void)unlinkat(cache->fd, item->d_name, 0);
    }
    (void)closedir(listing);
}

static void write_entry(const pq_cache *cache, const char *name, const pq_token_entry *entry)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_BUF text = PQ_SENSITIVE_BUF(PQ_MAX_TOKEN_ENTRY);
    /* By the folder that is open: at its path there may be another one by now. */
    PQ_AUTO_FREE char *path = pq_asprintf("/proc/self/fd/%d/%s", cache->fd, name);
    pq_token_entry_format(entry, &text);
    if (text.overflow || !pq_write_file(path, 0600, text.data, text.length, &err)) {
        /* What is there may be older than what we could not write. */
        (void)unlinkat(cache->fd, name, 0);
        pq_detail("the token is not kept: %s", text.overflow ? "it is too large" : err.message);
    }
}

static pq_span span_of(const char *text)
{
    return text ? (pq_span){text, strlen(text)} : (pq_span){0};
}

/* At least 0 and less than 1. */
static double chance(void)
{
    uint32_t number = 0;
    pq_random(&number, sizeof number);
    return (double)number / 4294967296.0;
}

static void put(const pq_cache *cache, const char *name, const pq_credential *credential)
{
    time_t now = pq_now();
    if (!credential->secret || credential->expires - now < LEAST_LIFE) {
        (void)unlinkat(cache->fd, name, 0);
        return;
    }
    time_t expires = credential->expires - now > LONGEST_LIFE ? now + LONGEST_LIFE : credential->expires;
    const pq_token_entry entry = {
        .fetched = now,
        .refresh = now + (time_t)pq_schedule_refresh((double)(expires - now), false, chance()),
        .expires = expires,
        .user = span_of(credential->username),
        .secret = {pq_secret_bytes(credential->secret), pq_secret_length(credential->secret)},
        .words = span_of(credential->source),
        .identity = credential->identity_token ? span_of("") : (pq_span){0},
    };
    sweep(cache);
    write_entry(cache, name, &entry);
}

/* Seconds; 0 for what is of this machine, and may be mended at any moment. */
static time_t failure_lasts(pq_code code)
{
    if (code != PQ_EDENIED && code != PQ_ENOTFOUND && code != PQ_EBUSY && code != PQ_ETRANSPORT)
        return 0;
    return (time_t)pq_schedule_wait(pq_failure_kind_of(code), 1, -1, true, chance());
}

static void put_failure(const pq_cache *cache, const char *name, const pq_error *err)
{
    time_t now = pq_now(), lasts = failure_lasts(err->code);
    const pq_token_entry entry = {.fetched = now,
                                  .refresh = now + lasts,
                                  .expires = now + lasts,
                                  .code = (unsigned)err->code,
                                  .where = span_of(err->where),
                                  .message = span_of(err->message),
                                  .hint = span_of(err->hint)};
    if (lasts)
        write_entry(cache, name, &entry);
    else
        (void)unlinkat(cache->fd, name, 0);
}

/* --- getting ------------------------------------------------------------------------------------------------------ */

static char *text_of(pq_span span)
{
    return span.at ? pq_strndup(span.at, span.length) : NULL;
}

static bool give(const pq_token_entry *entry, pq_credential *out, pq_error *err)
{
    if (entry->code) {
        PQ_AUTO_ERROR told = {.code = (pq_code)entry->code,
                              .where = text_of(entry->where),
                              .message = text_of(entry->message),
                              .hint = text_of(entry->hint)};
        pq_error_move(err, &told);
        return false;
    }
    pq_credential_clear(out);
    *out = (pq_credential){.username = text_of(entry->user),
                           .secret = pq_secret_new(entry->secret.at, entry->secret.length),
                           .identity_token = entry->identity.at != NULL,
                           .expires = entry->expires,
                           .source = text_of(entry->words)};
    return true;
}

static bool will_do(pq_token_state state, const pq_token_entry *entry, bool failures)
{
    return state == PQ_TOKEN_FRESH && (!entry->code || failures);
}

/* When an aged token is asked for once more, after that did not work. */
static time_t next_try(const pq_token_entry *old, time_t now, pq_code code)
{
    pq_schedule schedule = {0};
    time_t left = old->expires - now;
    pq_schedule_failed(&schedule, 0, (double)left, pq_failure_kind_of(code), -1, chance());
    time_t wait = (time_t)schedule.due > AGAIN_AFTER_FAILURE ? (time_t)schedule.due : AGAIN_AFTER_FAILURE;
    return now + (wait < left ? wait : left);
}

static bool may_pass(pq_code code)
{
    return code == PQ_EBUSY || code == PQ_ETRANSPORT;
}

/* Who is refused in the middle of a token's life (a certificate was revoked, a key deleted) has that token still, and
 * so may others: that it is not given out here any more does not end it. */
static void tell_what_lives(const pq_token_entry *old, time_t now, pq_error *err)
{
    if (err->code != PQ_EDENIED || old->expires <= now)
        return;
    char ends[PQ_TIME_TEXT];
    pq_time_text(old->expires, ends);
    char *message = pq_asprintf("%s; what was issued before may be good until %s", err->message, ends);
    free(err->message);
    err->message = message;
}

/* Asks, keeps what was heard; `old` is what there was, if it is of use still. */
static bool ask_and_keep(const pq_cache *cache, const char *name, pq_token_entry *old, pq_cache_manner manner,
                         pq_cache_ask *ask, void *context, pq_credential *out, pq_error *err)
{
    if (ask(context, out, err)) {
        put(cache, name, out);
        return true;
    }
    if (err->code == PQ_EINTERRUPTED)
        return false;
    time_t now = pq_now();
    if (!old || !may_pass(err->code) || now >= old->expires) {
        if (old)
            tell_what_lives(old, now, err);
        put_failure(cache, name, err);
        return false;
    }
    old->refresh = next_try(old, now, err->code);
    write_entry(cache, name, old);
    if (manner == PQ_CACHE_RENEW)
        return false;
    pq_detail("the token that is kept is used for another while: %s", err->message);
    pq_error_clear(err);
    return give(old, out, err);
}

bool pq_cache_get(pq_cache *cache, const char *name, pq_cache_manner manner, pq_cache_ask *ask, void *context,
                  pq_credential *out, pq_error *err)
{
    if (!cache)
        return ask(context, out, err);
    PQ_AUTO_BUF bytes = PQ_SENSITIVE_BUF(PQ_MAX_TOKEN_ENTRY);
    PQ_AUTO_FREE char *lock_name = pq_asprintf("%s%s", name, lock_ending);
    PQ_AUTO_CLOSE int lock = -1;
    pq_token_entry entry = {0};
    pq_token_wait wait = pq_token_wait_begin(patience);
    bool taken = false, failures = manner == PQ_CACHE_FAILURES;
    pq_token_state state = read_entry(cache, name, &bytes, &entry);
    while (!will_do(state, &entry, failures)) {
        bool aged = state == PQ_TOKEN_AGED && !entry.code, held = lock >= 0;
        if (!held)
            lock = pq_token_try_lock(cache->fd, lock_name, &taken);
        if (lock < 0 && taken && aged && manner != PQ_CACHE_RENEW)
            break; /* somebody renews it, and it is good still */
        if (held || (lock < 0 && (!taken || !pq_token_wait_more(&wait))))
            return ask_and_keep(cache, name, aged ? &entry : NULL, manner, ask, context, out, err);
        /* Once more: who had the lock may have heard the answer, and what it heard just now would we hear too. */
        failures = failures || taken;
        state = read_entry(cache, name, &bytes, &entry);
    }
    return give(&entry, out, err);
}

void pq_cache_forget(pq_cache *cache, const char *name)
{
    if (cache)
        (void)unlinkat(cache->fd, name, 0);
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

void pq_cache_make_answer(pq_cache *cache, const char *name, const char *answer, const pq_strings *sources)
{
    PQ_AUTO_BUF bytes = PQ_SENSITIVE_BUF(PQ_MAX_TOKEN_ENTRY);
    pq_token_entry entry;
    if (!name || sources->count > PQ_MAX_TOKEN_SOURCES || read_entry(cache, name, &bytes, &entry) == PQ_TOKEN_GONE) {
        (void)unlinkat(cache->fd, answer, 0);
        return;
    }
    for (size_t i = 0; i < sources->count; i++)
        entry.sources[i] = span_of(sources->at[i]);
    entry.source_count = sources->count;
    entry.shared = span_of(name);
    write_entry(cache, answer, &entry);
}

void pq_cache_forget_answer(pq_cache *cache, const char *answer)
{
    PQ_AUTO_BUF bytes = PQ_SENSITIVE_BUF(PQ_MAX_TOKEN_ENTRY);
    pq_token_entry entry;
    if (pq_token_file_read(cache->fd, answer, &bytes) && pq_token_entry_parse(bytes.data, bytes.length, &entry) &&
        entry.shared.at) {
        PQ_AUTO_FREE char *name = text_of(entry.shared);
        if (!strchr(name, '/'))
            (void)unlinkat(cache->fd, name, 0);
    }
    (void)unlinkat(cache->fd, answer, 0);
}
