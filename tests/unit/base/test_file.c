#include "pq_cmocka.h"
#include "pq_folder.h"

#include <string.h>
#include <unistd.h>

#include "base/file.h"

static void a_write_replaces_the_whole_file(void **state)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *path = pq_path_join(*state, "a");
    assert_true(pq_write_file(path, 0600, "first, longer", 13, &err));
    assert_true(pq_write_file(path, 0640, "second", 6, &err));
    PQ_AUTO_BUF bytes = PQ_BUF(100);
    assert_true(pq_read_file(path, &bytes, &err));
    assert_string_equal(pq_buf_text(&bytes), "second");
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0640);
    PQ_AUTO_BUF small = PQ_BUF(5);
    assert_false(pq_read_file(path, &small, &err));
    assert_string_equal(err.message, "is larger than 5 bytes");
}

static void a_file_is_created_once(void **state)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *folder = pq_path_join(*state, "once");
    PQ_AUTO_FREE char *path = pq_path_join(folder, "a");
    bool created = false;
    assert_false(pq_create_file(path, 0600, "first", 5, &created, &err));
    assert_int_equal(err.code, PQ_ESYSTEM);
    assert_true(pq_make_dirs(folder, 0700, &err));
    assert_true(pq_create_file(path, 0640, "first", 5, &created, &err));
    assert_true(created);
    assert_true(pq_create_file(path, 0600, "second", 6, &created, &err));
    assert_false(created);
    PQ_AUTO_BUF bytes = PQ_BUF(100);
    assert_true(pq_read_file(path, &bytes, &err));
    assert_string_equal(pq_buf_text(&bytes), "first");
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0640);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0); /* nothing else was left in it */
}

static void a_tree_is_not_left(void **state)
{
    pq_folder_skip_without_openat2();
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *inside = pq_path_join(*state, "tree/sub");
    PQ_AUTO_FREE char *outside = pq_path_join(*state, "outside");
    PQ_AUTO_FREE char *root = pq_path_join(*state, "tree");
    PQ_AUTO_FREE char *file = pq_path_join(inside, "file");
    PQ_AUTO_FREE char *link_out = pq_path_join(inside, "out");
    PQ_AUTO_FREE char *link_in = pq_path_join(inside, "in");
    PQ_AUTO_FREE char *fifo = pq_path_join(inside, "fifo");
    assert_true(pq_make_dirs(inside, 0755, &err));
    assert_true(pq_write_file(outside, 0600, "secret", 6, &err));
    assert_true(pq_write_file(file, 0600, "good", 4, &err));
    assert_int_equal(symlink("../../outside", link_out), 0);
    assert_int_equal(symlink("../sub/file", link_in), 0);
    assert_int_equal(mkfifo(fifo, 0600), 0);

    PQ_AUTO_TREE tree = PQ_TREE_NONE;
    assert_true(pq_tree_open(root, &tree, &err));
    PQ_AUTO_BUF bytes = PQ_BUF(100);
    assert_true(pq_tree_read(&tree, "sub/in", &bytes, &err));
    assert_string_equal(pq_buf_text(&bytes), "good");
    static const struct {
        const char *path;
        pq_code code;
    } refused[] = {{"sub/out", PQ_EINPUT},  {"../outside", PQ_EINPUT}, {NULL, PQ_EINPUT},
                   {"sub/fifo", PQ_EINPUT}, {"sub", PQ_EINPUT},        {"sub/none", PQ_ENOTFOUND}};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        pq_buf_clear(&bytes);
        const char *path = refused[i].path ? refused[i].path : outside;
        assert_false(pq_tree_read(&tree, path, &bytes, &err));
        assert_int_equal(err.code, refused[i].code);
        assert_int_equal(bytes.length, 0);
    }
}

/* In a folder that all may write to and that is not sticky, others can put theirs in the place of ours. */
static void temporary_folders_lie_where_others_cannot_swap_them(void **state)
{
    (void)state;
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *base = NULL, *inner = NULL;
    assert_true(pq_make_temp_dir("pq-temp-", &base, &err));
    assert_int_equal(chmod(base, 0777), 0);
    assert_false(pq_make_temp_dir_in(base, "x-", &inner, &err));
    assert_int_equal(err.code, PQ_ESYSTEM);
    assert_int_equal(chmod(base, 01777), 0);
    assert_true(pq_make_temp_dir_in(base, "x-", &inner, &err));
    struct stat status;
    assert_int_equal(stat(inner, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
    assert_true(pq_remove_tree(base, &err));
}

/* Else root takes a user's configuration away by changing it. */
static void a_file_that_is_replaced_keeps_its_owner(void **state)
{
    PQ_AUTO_FREE char *path = pq_path_join(*state, "config.json");
    PQ_AUTO_ERROR err = {0};
    struct stat before, after;
    bool replaced = false;
    pq_folder_put(*state, "config.json", "{}");
    if (geteuid() != 0)
        return; /* only root gives files away */
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(chown(path, 4242, 4243), 0);
    assert_int_equal(stat(path, &before), 0);
    assert_true(pq_replace_file(path, 0640, "[]", 2, &before, &replaced, &err));
    assert_true(replaced);
    assert_int_equal(stat(path, &after), 0);
    assert_int_not_equal(after.st_ino, before.st_ino);
    assert_int_equal(after.st_uid, 4242);
    assert_int_equal(after.st_gid, 4243);
    assert_int_equal(after.st_mode & 07777, 0640);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(temporary_folders_lie_where_others_cannot_swap_them),
        cmocka_unit_test_setup_teardown(a_write_replaces_the_whole_file, pq_folder_make, pq_folder_remove),
        cmocka_unit_test_setup_teardown(a_file_that_is_replaced_keeps_its_owner, pq_folder_make, pq_folder_remove),
        cmocka_unit_test_setup_teardown(a_file_is_created_once, pq_folder_make, pq_folder_remove),
        cmocka_unit_test_setup_teardown(a_tree_is_not_left, pq_folder_make, pq_folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
