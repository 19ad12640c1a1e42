#include "pq_memory_folder.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auth/cache.h"
#include "base/limits.h"
#include "base/token_cache.h"

static const char token[] = "token-of-a-test-of-the-cache";

/* A cloud: what it says next, and how often it was asked, which is counted in a file, for processes. */
typedef struct cloud {
    pq_code code;
    time_t life;
    double slow;
    bool identity_token;
    const char *calls;
} cloud;

static bool ask(void *context, pq_credential *out, pq_error *err)
{
    const cloud *c = context;
    FILE *calls = fopen(c->calls, "ae");
    (void)fputc('x', calls);
    (void)fclose(calls);
    if (c->slow > 0)
        (void)pq_sleep(c->slow);
    if (c->code != PQ_OK)
        return pq_fail(err, c->code, "host", "hint", "the cloud says no");
    *out = (pq_credential){.username = pq_strdup("AWS"),
                           .secret = pq_secret_new(token, strlen(token)),
                           .expires = c->life ? pq_now() + c->life : 0,
                           .identity_token = c->identity_token,
                           .source = pq_strdup("secret a")};
    return true;
}

typedef struct fixture {
    pq_cache *cache;
    char *name, *calls;
    char *said; /* the last failure */
} fixture;

static fixture begin(void **state)
{
    PQ_AUTO_ERROR err = {0};
    fixture f = {.cache = pq_cache_open(*state, &err), .name = pq_cache_name("aws key", NULL)};
    assert_non_null(f.cache);
    f.calls = pq_path_join(*state, "calls");
    return f;
}

static void end(fixture *f)
{
    pq_cache_free(f->cache);
    free(f->name);
    free(f->calls);
    free(f->said);
}
#define FIXTURE(state) PQ_CLEANUP(end) fixture f = begin(state)

static size_t count_calls(const fixture *f)
{
    struct stat status;
    return stat(f->calls, &status) == 0 ? (size_t)status.st_size : 0;
}

static pq_code get(fixture *f, cloud c, pq_cache_manner manner)
{
    PQ_AUTO_CREDENTIAL credential = {0};
    PQ_AUTO_ERROR err = {0};
    c.calls = f->calls;
    if (!pq_cache_get(f->cache, f->name, manner, ask, &c, &credential, &err)) {
        assert_memory_equal(err.message, "the cloud says no", strlen("the cloud says no"));
        assert_string_equal(err.hint, "hint");
        free(f->said);
        f->said = pq_steal(err.message);
        return err.code;
    }
    assert_string_equal(credential.username, "AWS");
    assert_string_equal(credential.source, "secret a");
    assert_int_equal(credential.identity_token, c.identity_token);
    assert_string_equal(pq_secret_bytes(credential.secret), token);
    return PQ_OK;
}

/* Changes the times of the entry, seconds from now. */
static void set_times(const fixture *f, time_t refresh, time_t expires)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *path = pq_path_join(pq_cache_folder(f->cache), f->name);
    PQ_AUTO_BUF bytes = PQ_BUF(PQ_MAX_TOKEN_ENTRY), text = PQ_BUF(PQ_MAX_TOKEN_ENTRY);
    pq_token_entry entry;
    assert_true(pq_read_file(path, &bytes, &err));
    assert_true(pq_token_entry_parse(bytes.data, bytes.length, &entry));
    entry.refresh = pq_now() + refresh;
    entry.expires = pq_now() + expires;
    pq_token_entry_format(&entry, &text);
    assert_true(pq_write_file(path, 0600, text.data, text.length, &err));
}

static pq_token_entry read_entry(const fixture *f, pq_buf *bytes)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *path = pq_path_join(pq_cache_folder(f->cache), f->name);
    pq_token_entry entry = {0};
    pq_buf_clear(bytes);
    assert_true(pq_read_file(path, bytes, &err));
    assert_true(pq_token_entry_parse(bytes->data, bytes->length, &entry));
    return entry;
}

static const cloud twelve_hours = {.life = 12 * 3600}, denies = {.code = PQ_EDENIED}, busy = {.code = PQ_EBUSY};

static void a_token_is_asked_for_once(void **state)
{
    FIXTURE(state);
    for (int i = 0; i < 3; i++)
        assert_int_equal(get(&f, twelve_hours, PQ_CACHE_CAREFUL), PQ_OK);
    assert_int_equal(count_calls(&f), 1);
    pq_cache_forget(f.cache, f.name);
    assert_int_equal(get(&f, twelve_hours, PQ_CACHE_CAREFUL), PQ_OK);
    assert_int_equal(count_calls(&f), 2);
}

static void it_is_renewed_at_about_half_of_its_life(void **state)
{
    FIXTURE(state);
    PQ_AUTO_BUF bytes = PQ_BUF(PQ_MAX_TOKEN_ENTRY);
    time_t least = 12 * 3600, most = 0;
    for (int i = 0; i < 50; i++) {
        pq_cache_forget(f.cache, f.name);
        assert_int_equal(get(&f, twelve_hours, PQ_CACHE_CAREFUL), PQ_OK);
        pq_token_entry entry = read_entry(&f, &bytes);
        time_t after = entry.refresh - entry.fetched;
        least = after < least ? after : least;
        most = after > most ? after : most;
    }
    assert_true(least >= 12 * 3600 * 2 / 5 && most <= 6 * 3600);
    assert_true(most - least > 600); /* not all at once */
}

static void what_does_not_last_is_not_kept(void **state)
{
    FIXTURE(state);
    assert_int_equal(get(&f, (cloud){.life = 0}, PQ_CACHE_CAREFUL), PQ_OK);
    assert_int_equal(get(&f, (cloud){.life = 20}, PQ_CACHE_CAREFUL), PQ_OK);
    assert_int_equal(get(&f, (cloud){.life = -5}, PQ_CACHE_CAREFUL), PQ_OK);
    assert_int_equal(count_calls(&f), 3);
}

/* Whatever a cloud says, or this machine's clock makes of it: the year 9999 is no time to ask again. */
static void nothing_is_kept_for_longer_than_a_day(void **state)
{
    FIXTURE(state);
    PQ_AUTO_BUF bytes = PQ_BUF(PQ_MAX_TOKEN_ENTRY);
    static const time_t lives[] = {2 * 86400, 365 * 86400, 250000000000, INT64_MAX / 2};
    for (size_t i = 0; i < sizeof lives / sizeof *lives; i++) {
        pq_cache_forget(f.cache, f.name);
        assert_int_equal(get(&f, (cloud){.life = lives[i]}, PQ_CACHE_CAREFUL), PQ_OK);
        pq_token_entry entry = read_entry(&f, &bytes);
        assert_true(entry.expires - entry.fetched <= 86400 && entry.refresh < entry.expires);
    }
}

/* The folder that was looked at is the one that is written to, even if another has its name by now. */
static void a_folder_that_is_put_in_the_place_of_another_gets_nothing(void **state)
{
    FIXTURE(state);
    PQ_AUTO_FREE char *moved = pq_asprintf("%s-moved", (char *)*state);
    PQ_AUTO_FREE char *entry = pq_path_join(moved, f.name);
    PQ_AUTO_FREE char *stolen = pq_path_join(*state, f.name);
    assert_int_equal(rename(*state, moved), 0);
    assert_int_equal(mkdir(*state, 0700), 0);
    assert_int_equal(get(&f, twelve_hours, PQ_CACHE_CAREFUL), PQ_OK);
    bool kept = pq_path_exists(entry), lost = pq_path_exists(stolen);
    PQ_AUTO_ERROR err = {0};
    assert_true(pq_remove_tree(moved, &err));
    assert_true(kept && !lost);
}

static char *text_of_time(time_t when)
{
    char text[PQ_TIME_TEXT];
    pq_time_text(when, text);
    return pq_strdup(text);
}

static void an_aged_token_outlives_a_cloud_that_is_busy(void **state)
{
    FIXTURE(state);
    PQ_AUTO_BUF bytes = PQ_BUF(PQ_MAX_TOKEN_ENTRY);
    assert_int_equal(get(&f, twelve_hours, PQ_CACHE_CAREFUL), PQ_OK);
    set_times(&f, -10, 3600);
    assert_int_equal(get(&f, busy, PQ_CACHE_CAREFUL), PQ_OK);
    assert_int_equal(count_calls(&f), 2);
    /* The next minute it is not tried again. */
    assert_int_equal(get(&f, busy, PQ_CACHE_CAREFUL), PQ_OK);
    assert_int_equal(count_calls(&f), 2);
    pq_token_entry entry = read_entry(&f, &bytes);
    assert_true(entry.refresh > pq_now() + 3600 / 4 - 10 && entry.refresh <= pq_now() + 3600 / 2);
    set_times(&f, -10, 3600);
    assert_int_equal(get(&f, (cloud){.code = PQ_ETRANSPORT}, PQ_CACHE_CAREFUL), PQ_OK);
    entry = read_entry(&f, &bytes);
    assert_true(entry.refresh > pq_now() + 50 && entry.refresh <= pq_now() + 60);
    /* A refusal is final, and tells how long what was issued lives. */
    set_times(&f, -10, 3600);
    PQ_AUTO_FREE char *before = text_of_time(pq_now() + 3600);
    assert_int_equal(get(&f, denies, PQ_CACHE_CAREFUL), PQ_EDENIED);
    PQ_AUTO_FREE char *after = text_of_time(pq_now() + 3600);
    assert_true(pq_ends_with(f.said, before) || pq_ends_with(f.said, after));
    assert_non_null(strstr(f.said, "; what was issued before may be good until 20"));
    /* Whoever has nothing is told nothing of it. */
    assert_int_equal(get(&f, denies, PQ_CACHE_CAREFUL), PQ_EDENIED);
    assert_string_equal(f.said, "the cloud says no");
    assert_int_equal(get(&f, twelve_hours, PQ_CACHE_CAREFUL), PQ_OK);
}

/* Who keeps the token himself hears why it was not renewed; for the others it stays. */
static void who_renews_hears_of_the_failure(void **state)
{
    FIXTURE(state);
    assert_int_equal(get(&f, twelve_hours, PQ_CACHE_RENEW), PQ_OK);
    assert_int_equal(get(&f, busy, PQ_CACHE_RENEW), PQ_OK);
    assert_int_equal(count_calls(&f), 1);
    set_times(&f, -10, 3600);
    assert_int_equal(get(&f, busy, PQ_CACHE_RENEW), PQ_EBUSY);
    assert_int_equal(get(&f, busy, PQ_CACHE_CAREFUL), PQ_OK);
    assert_int_equal(count_calls(&f), 2);
    set_times(&f, -10, 3600);
    assert_int_equal(get(&f, twelve_hours, PQ_CACHE_RENEW), PQ_OK);
    assert_int_equal(count_calls(&f), 3);
}

static void an_expired_token_is_never_given(void **state)
{
    FIXTURE(state);
    assert_int_equal(get(&f, twelve_hours, PQ_CACHE_CAREFUL), PQ_OK);
    set_times(&f, -10, 0);
    assert_int_equal(get(&f, busy, PQ_CACHE_CAREFUL), PQ_EBUSY);
    assert_int_equal(get(&f, twelve_hours, PQ_CACHE_CAREFUL), PQ_OK);
    assert_int_equal(count_calls(&f), 3);
}

static void failures_are_remembered_by_their_kind(void **state)
{
    FIXTURE(state);
    PQ_AUTO_BUF bytes = PQ_BUF(PQ_MAX_TOKEN_ENTRY);
    static const struct {
        pq_code code;
        time_t least, most; /* seconds */
    } cases[] = {{PQ_EDENIED, 60, 120}, {PQ_ENOTFOUND, 60, 120}, {PQ_EBUSY, 10, 70}, {PQ_ETRANSPORT, 5, 10}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t before = count_calls(&f);
        assert_int_equal(get(&f, (cloud){.code = cases[i].code}, PQ_CACHE_CAREFUL), cases[i].code);
        assert_int_equal(get(&f, twelve_hours, PQ_CACHE_FAILURES), cases[i].code);
        pq_token_entry entry = read_entry(&f, &bytes);
        assert_in_range(entry.expires - entry.fetched, cases[i].least, cases[i].most);
        assert_int_equal(count_calls(&f), before + 1);
        /* Who mends something and asks is not told what was. */
        assert_int_equal(get(&f, twelve_hours, PQ_CACHE_CAREFUL), PQ_OK);
        assert_int_equal(count_calls(&f), before + 2);
        pq_cache_forget(f.cache, f.name);
    }
    static const pq_code never[] = {PQ_ECONFIG, PQ_ESYSTEM, PQ_EINTERRUPTED};
    for (size_t i = 0; i < sizeof never / sizeof *never; i++) {
        assert_int_equal(get(&f, (cloud){.code = never[i]}, PQ_CACHE_FAILURES), never[i]);
        assert_int_equal(get(&f, twelve_hours, PQ_CACHE_FAILURES), PQ_OK);
        pq_cache_forget(f.cache, f.name);
    }
}

static void run_many(fixture *f, cloud c, pq_code expected)
{
    enum { JOBS = 30 };
    pid_t children[JOBS];
    for (int i = 0; i < JOBS; i++) {
        children[i] = fork();
        if (children[i] == 0)
            _exit(get(f, c, PQ_CACHE_CAREFUL) == expected ? 0 : 1);
    }
    for (int i = 0; i < JOBS; i++) {
        int status = 1;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
}

static void of_many_one_asks(void **state)
{
    FIXTURE(state);
    run_many(&f, (cloud){.life = 3600, .slow = 0.3}, PQ_OK);
    assert_int_equal(count_calls(&f), 1);
    pq_cache_forget(f.cache, f.name);
    run_many(&f, (cloud){.code = PQ_EDENIED, .slow = 0.3}, PQ_EDENIED);
    assert_int_equal(count_calls(&f), 2);
    assert_int_equal(get(&f, twelve_hours, PQ_CACHE_CAREFUL), PQ_OK);
    set_times(&f, -10, 3600);
    run_many(&f, (cloud){.life = 3600, .slow = 0.3}, PQ_OK);
    assert_int_equal(count_calls(&f), 4);
}

static void who_is_killed_holds_nobody_up(void **state)
{
    FIXTURE(state);
    pid_t child = fork();
    if (child == 0)
        _exit(get(&f, (cloud){.life = 3600, .slow = 60}, PQ_CACHE_CAREFUL) == PQ_OK);
    while (count_calls(&f) == 0)
        (void)pq_sleep(0.005);
    (void)kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(get(&f, twelve_hours, PQ_CACHE_CAREFUL), PQ_OK);
}

static void without_a_folder_it_works_too(void **state)
{
    FIXTURE(state);
    PQ_AUTO_CREDENTIAL credential = {0};
    PQ_AUTO_ERROR err = {0};
    cloud c = {.life = 3600, .calls = f.calls};
    assert_true(pq_cache_get(NULL, f.name, PQ_CACHE_FAILURES, ask, &c, &credential, &err));
    pq_credential_clear(&credential);
    /* One that is not to be written, nor opened: root may write anywhere, so the folder goes. */
    PQ_AUTO_FREE char *gone = pq_path_join(*state, "gone");
    assert_int_equal(mkdir(gone, 0700), 0);
    PQ_AUTO_CACHE *cache = pq_cache_open(gone, &err);
    assert_int_equal(rmdir(gone), 0);
    pq_credential_clear(&credential);
    assert_true(pq_cache_get(cache, f.name, PQ_CACHE_FAILURES, ask, &c, &credential, &err));
    assert_int_equal(count_calls(&f), 2);
}

static void names_tell_identities_apart_and_nothing_else(void **state)
{
    (void)state;
    PQ_AUTO_SECRET *one = pq_secret_new("one-secret", 10), *two = pq_secret_new("two-secret", 10);
    PQ_AUTO_FREE char *names[] = {pq_cache_name("aws a us-east-2", one)};
    PQ_AUTO_FREE char *other_secret = pq_cache_name("aws a us-east-2", two);
    PQ_AUTO_FREE char *other_key = pq_cache_name("aws a us-east-1", one);
    PQ_AUTO_FREE char *shifted = pq_cache_name("aws a us-east-2o", NULL);
    PQ_AUTO_FREE char *again = pq_cache_name("aws a us-east-2", one);
    PQ_AUTO_FREE char *answer = pq_cache_answer_name("aws a us-east-2", "one-secret");
    assert_string_equal(names[0], again);
    assert_string_not_equal(names[0], other_secret);
    assert_string_not_equal(names[0], other_key);
    assert_string_not_equal(names[0], shifted);
    assert_string_not_equal(names[0], answer);
    assert_int_equal(strlen(names[0]), 64 + strlen(".token"));
    assert_null(strstr(names[0], "secret"));
}

static void an_answer_is_a_copy_with_its_sources(void **state)
{
    FIXTURE(state);
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_STRINGS sources = {0};
    PQ_AUTO_BUF bytes = PQ_BUF(PQ_MAX_TOKEN_ENTRY);
    PQ_AUTO_FREE char *path = pq_path_join(*state, "x.answer");
    pq_strings_take(&sources, pq_token_source("/etc/passwd"));
    pq_cache_make_answer(f.cache, f.name, "x.answer", &sources);
    assert_false(pq_path_exists(path));
    assert_int_equal(get(&f, twelve_hours, PQ_CACHE_CAREFUL), PQ_OK);
    pq_token_entry entry = read_entry(&f, &bytes);
    time_t expires = entry.expires;
    pq_cache_make_answer(f.cache, f.name, "x.answer", &sources);
    pq_buf_clear(&bytes);
    assert_true(pq_read_file(path, &bytes, &err));
    assert_true(pq_token_entry_parse(bytes.data, bytes.length, &entry));
    assert_int_equal(entry.expires, expires);
    assert_int_equal(entry.source_count, 1);
    assert_true(pq_token_sources_same(&entry));
    pq_cache_forget_answer(f.cache, "x.answer");
    PQ_AUTO_FREE char *shared = pq_path_join(*state, f.name);
    assert_false(pq_path_exists(path) || pq_path_exists(shared));
}

static void what_is_left_behind_goes(void **state)
{
    FIXTURE(state);
    static const struct {
        const char *name;
        time_t age;
        bool goes;
    } files[] = {{"a.token", 25 * 3600, true},
                 {"b.answer", 25 * 3600, true},
                 {"c.token", 3600, false},
                 {".a.token.Ab12Cd", 120, true},
                 {".b.answer.Ab12Cd", 120, true},
                 {".c.token.Ab12Cd", 5, false},
                 {"a.token.lock", 90 * 24 * 3600, false},
                 {"somebody's", 90 * 24 * 3600, false}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        PQ_AUTO_FREE char *path = pq_path_join(*state, files[i].name);
        pq_folder_put(*state, files[i].name, "x");
        const struct timespec times[] = {{.tv_sec = pq_now() - files[i].age}, {.tv_sec = pq_now() - files[i].age}};
        assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    }
    assert_int_equal(get(&f, twelve_hours, PQ_CACHE_CAREFUL), PQ_OK);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        PQ_AUTO_FREE char *path = pq_path_join(*state, files[i].name);
        assert_int_equal(pq_path_exists(path), !files[i].goes);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, pq_memory_folder_make, pq_folder_remove)

static void an_identity_token_stays_one(void **state)
{
    FIXTURE(state);
    const cloud c = {.life = 3600, .identity_token = true};
    assert_int_equal(get(&f, c, PQ_CACHE_CAREFUL), PQ_OK);
    assert_int_equal(get(&f, c, PQ_CACHE_CAREFUL), PQ_OK);
    assert_int_equal(count_calls(&f), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_token_is_asked_for_once),
        TEST(it_is_renewed_at_about_half_of_its_life),
        TEST(what_does_not_last_is_not_kept),
        TEST(nothing_is_kept_for_longer_than_a_day),
        TEST(a_folder_that_is_put_in_the_place_of_another_gets_nothing),
        TEST(an_aged_token_outlives_a_cloud_that_is_busy),
        TEST(who_renews_hears_of_the_failure),
        TEST(an_expired_token_is_never_given),
        TEST(failures_are_remembered_by_their_kind),
        TEST(of_many_one_asks),
        TEST(who_is_killed_holds_nobody_up),
        TEST(without_a_folder_it_works_too),
        cmocka_unit_test(names_tell_identities_apart_and_nothing_else),
        TEST(an_answer_is_a_copy_with_its_sources),
        TEST(what_is_left_behind_goes),
        TEST(an_identity_token_stays_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
