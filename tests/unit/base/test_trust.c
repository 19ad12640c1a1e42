#include "pq_cmocka.h"

#include <string.h>
#include <unistd.h>

#include "base/trust.h"
#include "pq_folder.h"

/* A folder within one within the test's own, and a file in it. */
typedef struct fixture {
    char *outer, *inner, *file;
} fixture;

static void fixture_clear(fixture *f)
{
    free(f->outer);
    free(f->inner);
    free(f->file);
}

static fixture begin(void **state)
{
    fixture f = {.outer = pq_path_join(*state, "outer")};
    f.inner = pq_path_join(f.outer, "inner");
    f.file = pq_path_join(f.inner, "file");
    assert_int_equal(mkdir(f.outer, 0755), 0);
    assert_int_equal(mkdir(f.inner, 0755), 0);
    pq_folder_put(f.inner, "file", "text");
    assert_int_equal(chmod(f.file, 0644), 0);
    return f;
}
#define FIXTURE(state) PQ_CLEANUP(fixture_clear) fixture f = begin(state)

static void trusted(const char *path)
{
    PQ_AUTO_ERROR err = {0};
    bool good = pq_trust_way(path, &err);
    assert_string_equal(good ? "" : err.message, "");
}

/* `where` is what is at fault. */
static void refused(const char *path, const char *where, const char *words, const char *hint)
{
    PQ_AUTO_ERROR err = {0};
    assert_false(pq_trust_way(path, &err));
    assert_int_equal(err.code, PQ_EDENIED);
    assert_string_equal(err.where, where);
    assert_non_null(strstr(err.message, words));
    assert_non_null(strstr(err.hint, hint));
}

static void every_folder_on_the_way_counts(void **state)
{
    FIXTURE(state);
    PQ_AUTO_FREE char *mend = pq_asprintf("chmod go-w %s", f.outer);
    trusted(f.file);
    assert_int_equal(chmod(f.outer, 0775), 0);
    refused(f.file, f.outer, "the folder can be written by other users (mode 0775)", mend);
    assert_int_equal(chmod(f.outer, 0757), 0);
    refused(f.file, f.outer, "could put something else in the place of", mend);
    assert_int_equal(chmod(f.outer, 0755), 0);
    assert_int_equal(chmod(f.file, 0664), 0);
    refused(f.file, f.file, "can be written by other users (mode 0664)", "chmod go-w ");
}

/* As in /tmp: what is there stays, but others were perhaps there before. */
static void a_folder_of_ours_in_one_like_tmp_will_do_and_a_file_will_not(void **state)
{
    FIXTURE(state);
    assert_int_equal(chmod(f.outer, 01777), 0);
    trusted(f.file);
    pq_folder_put(f.outer, "file", "text");
    PQ_AUTO_FREE char *file = pq_path_join(f.outer, "file");
    PQ_AUTO_FREE char *link_path = pq_path_join(f.outer, "link");
    assert_int_equal(symlink(f.file, link_path), 0);
    refused(file, file, "lies in a folder that others may put files into", "move it");
    refused(link_path, link_path, "lies in a folder that others may put files into", "move it");
    assert_int_equal(chmod(f.outer, 0755), 0);
    trusted(file);
    trusted(link_path);
}

static void links_are_followed_as_the_kernel_does(void **state)
{
    FIXTURE(state);
    PQ_AUTO_FREE char *away = pq_path_join(*state, "away");
    PQ_AUTO_FREE char *to_inner = pq_path_join(away, "inner");
    PQ_AUTO_FREE char *through = pq_path_join(to_inner, "../inner/./file");
    PQ_AUTO_FREE char *loop = pq_path_join(away, "loop");
    assert_int_equal(mkdir(away, 0755), 0);
    assert_int_equal(symlink("../outer/inner/", to_inner), 0);
    assert_int_equal(symlink("loop", loop), 0);
    trusted(through);
    /* The way to the link, and the way from there. */
    assert_int_equal(chmod(away, 0777), 0);
    refused(through, away, "the folder can be written", "chmod go-w ");
    assert_int_equal(chmod(away, 0755), 0);
    assert_int_equal(chmod(f.outer, 0777), 0);
    refused(through, f.outer, "the folder can be written", "chmod go-w ");
    PQ_AUTO_ERROR err = {0};
    assert_int_equal(chmod(f.outer, 0755), 0);
    assert_false(pq_trust_way(loop, &err));
    assert_non_null(strstr(err.message, "Too many levels of symbolic links"));
}

static void what_is_not_there_is_said_to_be(void **state)
{
    FIXTURE(state);
    PQ_AUTO_FREE char *missing = pq_path_join(f.inner, "missing");
    PQ_AUTO_FREE char *below = pq_path_join(f.file, "below");
    PQ_AUTO_ERROR err = {0};
    assert_false(pq_trust_way(missing, &err));
    assert_int_equal(err.code, PQ_ENOTFOUND);
    assert_false(pq_trust_way(below, &err));
    assert_int_equal(err.code, PQ_ENOTFOUND);
}

static void a_relative_path_is_of_the_working_folder(void **state)
{
    FIXTURE(state);
    PQ_AUTO_FREE char *before = getcwd(NULL, 0);
    assert_int_equal(chdir(f.outer), 0);
    trusted("inner/file");
    assert_int_equal(chmod(f.outer, 0777), 0);
    refused("inner/file", f.outer, "in the place of inner/file", "chmod go-w ");
    assert_int_equal(chdir(before), 0);
}

static void folders_of_others_are_named(void **state)
{
    FIXTURE(state);
    if (geteuid() != 0)
        return; /* only root gives files away */
    assert_int_equal(chown(f.outer, 4242, 0), 0);
    refused(f.file, f.outer, "the folder belongs to user 4242", "move it into a folder that nobody else may write");
    assert_int_equal(chown(f.outer, 0, 0), 0);
    assert_int_equal(chown(f.file, 4242, 0), 0);
    PQ_AUTO_ERROR err = {0};
    assert_false(pq_trust_way(f.file, &err));
    assert_true(pq_trust_folders(f.file, &err));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, pq_folder_make, pq_folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_folder_on_the_way_counts),
        TEST(a_folder_of_ours_in_one_like_tmp_will_do_and_a_file_will_not),
        TEST(links_are_followed_as_the_kernel_does),
        TEST(what_is_not_there_is_said_to_be),
        TEST(a_relative_path_is_of_the_working_folder),
        TEST(folders_of_others_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
