#include "pq_cmocka.h"
#include "pq_folder.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/token_cache.h"

#define TIMES "fetched 10\n1700000000\nrefresh 10\n1700021600\nexpires 10\n1700043200\n"
#define ENTRY "pratique token 1\n" TIMES "user 3\nAWS\nsecret 5\na\nb\"c\nend 0\n\n"

static bool is(pq_span span, const char *text)
{
    return span.at && span.length == strlen(text) && memcmp(span.at, text, span.length) == 0;
}

static void an_entry_is_read(void **state)
{
    (void)state;
    pq_token_entry entry;
    assert_true(pq_token_entry_parse(ENTRY, strlen(ENTRY), &entry));
    assert_int_equal(entry.fetched, 1700000000);
    assert_int_equal(entry.refresh, 1700021600);
    assert_int_equal(entry.expires, 1700043200);
    assert_true(is(entry.user, "AWS") && is(entry.secret, "a\nb\"c"));
    assert_int_equal(entry.code, 0);
    PQ_AUTO_BUF again = PQ_BUF(1000);
    pq_token_entry_format(&entry, &again);
    assert_string_equal(pq_buf_text(&again), ENTRY);
}

static void nothing_but_a_whole_entry_is_one(void **state)
{
    (void)state;
    pq_token_entry entry;
    for (size_t length = 0; length < strlen(ENTRY); length++) {
        char *cut = malloc(length + 1); /* so that a sanitizer sees a read beyond it */
        memcpy(cut, ENTRY, length);
        assert_false(pq_token_entry_parse(cut, length, &entry));
        free(cut);
    }
    static const char *const wrong[] = {
        "",
        "pratique token 2\n" TIMES "user 3\nAWS\nsecret 1\na\nend 0\n\n",
        ENTRY "x",
        "pratique token 1\n" TIMES "user 3\nAWS\nuser 3\nAWS\nsecret 1\na\nend 0\n\n",
        "pratique token 1\n" TIMES "user 3\nAWS\nsecret 1\na\nnew 1\na\nend 0\n\n",
        "pratique token 1\n" TIMES "user 3\nAWS\nend 0\n\n",
        "pratique token 1\n" TIMES "user 3\nAWS\nsecret 1\na\ncode 1\n4\nmessage 1\na\nend 0\n\n",
        "pratique token 1\n" TIMES "code 1\n4\nend 0\n\n",
        "pratique token 1\n" TIMES "code 1\n0\nmessage 1\na\nend 0\n\n",
        "pratique token 1\n" TIMES "user 3\nAWS\nsecret 99999999999999999999\na\nend 0\n\n",
        "pratique token 1\n" TIMES "user -3\nAWS\nsecret 1\na\nend 0\n\n",
        "pratique token 1\nfetched 1\n1\nrefresh 1\n1\nuser 3\nAWS\nsecret 1\na\nend 0\n\n",
        "pratique token 1\nfetched 1\n0\nrefresh 1\n1\nexpires 1\n1\nuser 3\nAWS\nsecret 1\na\nend 0\n\n",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (pq_token_entry_parse(wrong[i], strlen(wrong[i]), &entry))
            fail_msg("entry %zu was taken", i);
}

static void a_failure_is_read(void **state)
{
    (void)state;
    static const char text[] = "pratique token 1\n" TIMES "code 1\n4\nwhere 1\nh\nmessage 2\nno\nhint 2\ndo\nend 0\n\n";
    pq_token_entry entry;
    assert_true(pq_token_entry_parse(text, strlen(text), &entry));
    assert_int_equal(entry.code, 4);
    assert_true(is(entry.message, "no") && is(entry.hint, "do") && is(entry.where, "h") && !entry.secret.at);
}

static void a_token_ages_and_goes(void **state)
{
    (void)state;
    pq_token_entry entry;
    assert_true(pq_token_entry_parse(ENTRY, strlen(ENTRY), &entry));
    assert_int_equal(pq_token_entry_state(&entry, 1700000000), PQ_TOKEN_FRESH);
    assert_int_equal(pq_token_entry_state(&entry, 1700021599), PQ_TOKEN_FRESH);
    assert_int_equal(pq_token_entry_state(&entry, 1700021600), PQ_TOKEN_AGED);
    assert_int_equal(pq_token_entry_state(&entry, 1700043199), PQ_TOKEN_AGED);
    assert_int_equal(pq_token_entry_state(&entry, 1700043200), PQ_TOKEN_GONE);
    /* The clock went back by more than a minute: how old it is cannot be told. */
    assert_int_equal(pq_token_entry_state(&entry, 1699999940), PQ_TOKEN_FRESH);
    assert_int_equal(pq_token_entry_state(&entry, 1699999939), PQ_TOKEN_GONE);
}

static bool same(const char *source)
{
    pq_token_entry entry = {.sources = {{source, strlen(source)}}, .source_count = 1};
    return pq_token_sources_same(&entry);
}

static void any_change_of_a_source_is_seen(void **state)
{
    pq_error err = {0};
    PQ_AUTO_FREE char *path = pq_path_join(*state, "a file");
    PQ_AUTO_FREE char *none = pq_token_source(path);
    assert_true(same(none));
    pq_folder_put(*state, "a file", "one");
    assert_false(same(none));
    PQ_AUTO_FREE char *one = pq_token_source(path);
    assert_true(same(one));
    /* The same length, the same file, and its time put back. */
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    int fd = open(path, O_WRONLY | O_TRUNC);
    assert_int_equal(write(fd, "two", 3), 3);
    const struct timespec times[] = {status.st_atim, status.st_mtim};
    assert_int_equal(futimens(fd, times), 0);
    (void)close(fd);
    assert_false(same(one));
    PQ_AUTO_FREE char *two = pq_token_source(path);
    assert_true(pq_write_file(path, 0644, "two", 3, &err)); /* another inode */
    assert_false(same(two));
    PQ_AUTO_FREE char *three = pq_token_source(path);
    assert_int_equal(unlink(path), 0);
    assert_false(same(three));
    assert_false(same("nonsense"));
}

static bool reads(int folder, const char *name)
{
    PQ_AUTO_BUF out = PQ_BUF(PQ_MAX_TOKEN_ENTRY);
    return pq_token_file_read(folder, name, &out);
}

static void only_files_of_ours_are_read(void **state)
{
    pq_error err = {0};
    PQ_AUTO_CLOSE int folder = open(*state, O_RDONLY | O_DIRECTORY);
    PQ_AUTO_FREE char *path = pq_path_join(*state, "entry");
    PQ_AUTO_FREE char *link_path = pq_path_join(*state, "link");
    PQ_AUTO_FREE char *fifo = pq_path_join(*state, "fifo");
    assert_true(pq_write_file(path, 0600, ENTRY, strlen(ENTRY), &err));
    assert_true(reads(folder, "entry"));
    assert_int_equal(symlink(path, link_path), 0);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_false(reads(folder, "link"));
    assert_false(reads(folder, "fifo"));
    assert_false(reads(folder, "."));
    assert_false(reads(folder, "absent"));
    assert_int_equal(chmod(path, 0640), 0);
    assert_false(reads(folder, "entry"));
    assert_int_equal(chmod(path, 0600), 0);
    if (geteuid() == 0) {
        assert_int_equal(chown(path, 12345, 12345), 0);
        assert_false(reads(folder, "entry"));
    }
    assert_int_equal(truncate(path, PQ_MAX_TOKEN_ENTRY + 1), 0);
    assert_false(reads(folder, "entry"));
}

static void one_has_the_lock_until_it_ends(void **state)
{
    PQ_AUTO_CLOSE int folder = open(*state, O_RDONLY | O_DIRECTORY);
    bool taken = true;
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    if (child == 0) {
        bool ignored;
        char byte = pq_token_try_lock(folder, "lock", &ignored) >= 0 ? 'y' : 'n';
        (void)!write(pipes[1], &byte, 1);
        (void)pause();
        _exit(0);
    }
    char byte = 0;
    assert_int_equal(read(pipes[0], &byte, 1), 1);
    assert_int_equal(byte, 'y');
    assert_int_equal(pq_token_try_lock(folder, "lock", &taken), -1);
    assert_true(taken);
    (void)kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    PQ_AUTO_CLOSE int lock = pq_token_try_lock(folder, "lock", &taken);
    assert_true(lock >= 0);
    (void)close(pipes[0]);
    (void)close(pipes[1]);
    PQ_AUTO_FREE char *link_path = pq_path_join(*state, "link");
    assert_int_equal(symlink("/dev/null", link_path), 0);
    assert_int_equal(pq_token_try_lock(folder, "link", &taken), -1);
    assert_false(taken);
}

static void waiting_has_a_bound(void **state)
{
    (void)state;
    pq_token_wait wait = pq_token_wait_begin(0.05);
    int times = 0;
    while (pq_token_wait_more(&wait))
        assert_true(++times < 100);
    assert_true(times > 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry_is_read),
        cmocka_unit_test(nothing_but_a_whole_entry_is_one),
        cmocka_unit_test(a_failure_is_read),
        cmocka_unit_test(a_token_ages_and_goes),
        cmocka_unit_test_setup_teardown(any_change_of_a_source_is_seen, pq_folder_make, pq_folder_remove),
        cmocka_unit_test_setup_teardown(only_files_of_ours_are_read, pq_folder_make, pq_folder_remove),
        cmocka_unit_test_setup_teardown(one_has_the_lock_until_it_ends, pq_folder_make, pq_folder_remove),
        cmocka_unit_test(waiting_has_a_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
