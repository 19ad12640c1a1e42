/* What tests/e2e/test_store_crash.py kills: a process that updates or rekeys a store as fast as it can, and says of
 * each commit that it is done. Each value is a function of its name and number, so that a reader knows what must be
 * there.
 *
 *     store_driver put STORE KEY PREFIX FIRST [HOST]   "ok N" after each commit of two secrets, PREFIX.<N % 40> and
 * PREFIX.pair store_driver rekey STORE KEY                     "ok N" after each rekey store_driver dump STORE KEY
 * NAME=N for each secret; fails unless the value is that of N store_driver get STORE KEY NAME                  the
 * value */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "secrets/store.h"

static int fail(const pq_error *err)
{
    pq_log_error(err);
    return pq_code_status(err->code);
}

/* Some are larger than a page of the database. */
static pq_secret *value_of(const char *name, unsigned long number)
{
    PQ_AUTO_BUF text = PQ_SENSITIVE_BUF(64u << 10);
    pq_buf_addf(&text, "%lu %s ", number, name);
    for (unsigned long i = 0; i < number * 37 % 9000; i++)
        pq_buf_addc(&text, (char)('a' + (i + number) % 26));
    return pq_secret_from_buf(&text);
}

static void say(unsigned long number)
{
    char line[32];
    int length = snprintf(line, sizeof line, "ok %lu\n", number);
    if (write(STDOUT_FILENO, line, (size_t)length) != length) /* one write: a kill leaves no half line */
        _exit(1);
}

static int put(pq_store *store, const char *prefix, const char *first, const char *host)
{
    PQ_AUTO_FREE char *pair = pq_asprintf("%s.pair", prefix);
    PQ_AUTO_STRINGS hosts = {0};
    if (host)
        pq_strings_add(&hosts, host);
    for (unsigned long number = strtoul(first, NULL, 10);; number++) {
        PQ_AUTO_ERROR err = {0};
        PQ_AUTO_FREE char *name = pq_asprintf("%s.%lu", prefix, number % 40);
        PQ_AUTO_SECRET *value = value_of(name, number);
        PQ_AUTO_SECRET *pair_value = value_of(pair, number);
        pq_store_change changes[] = {{.name = name, .value = value, .hosts = &hosts},
                                     {.name = pair, .value = pair_value, .hosts = &hosts}};
        if (!pq_store_update(store, changes, 2, &err))
            return fail(&err);
        say(number);
    }
}

static int rekey(pq_store *store)
{
    for (unsigned long number = 1;; number++) {
        PQ_AUTO_ERROR err = {0};
        if (!pq_store_rekey(store, NULL, &err))
            return fail(&err);
        say(number);
    }
}

static int dump(pq_store *store)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_STORE_ENTRIES entries = {0};
    if (!pq_store_list(store, &entries, &err))
        return fail(&err);
    for (size_t i = 0; i < entries.count; i++) {
        const char *name = entries.at[i].name;
        PQ_AUTO_SECRET *value = NULL;
        if (!pq_store_get(store, name, &value, NULL, &err))
            return fail(&err);
        unsigned long number = strtoul(pq_secret_bytes(value), NULL, 10);
        PQ_AUTO_SECRET *expected = value_of(name, number);
        if (!pq_secret_equal(value, expected)) {
            (void)fprintf(stderr, "the value of %s is not one that was put\n", name);
            return 1;
        }
        (void)printf("%s=%lu\n", name, number);
    }
    return 0;
}

static int get(pq_store *store, const char *name)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_SECRET *value = NULL;
    if (!pq_store_get(store, name, &value, NULL, &err))
        return fail(&err);
    return fwrite(pq_secret_bytes(value), 1, pq_secret_length(value), stdout) == pq_secret_length(value) ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_STORE *store = NULL;
    pq_store_options options = {.path = argv[2], .key_path = argv[3], .create = strcmp(argv[1], "put") == 0};
    if (!pq_store_open(&options, &store, &err))
        return fail(&err);
    if (strcmp(argv[1], "put") == 0 && argc >= 6)
        return put(store, argv[4], argv[5], argc > 6 ? argv[6] : NULL);
    if (strcmp(argv[1], "rekey") == 0)
        return rekey(store);
    if (strcmp(argv[1], "dump") == 0)
        return dump(store);
    if (strcmp(argv[1], "get") == 0 && argc == 5)
        return get(store, argv[4]);
    return 2;
}
