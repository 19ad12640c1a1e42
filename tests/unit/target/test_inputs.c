#include "pq_cmocka.h"
#include "pq_folder.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "target/inputs.h"

static pq_strings arguments, bases, secrets;
static const char *platform = "linux/amd64";

static char *tag_of(const char *root)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_TREE tree = PQ_TREE_NONE;
    char *tag = NULL;
    pq_inputs inputs = {.dockerfile = "a/Dockerfile",
                        .context = "a",
                        .platform = platform,
                        .arguments = &arguments,
                        .bases = &bases,
                        .secrets = &secrets};
    assert_true(pq_tree_open(root, &tree, &err));
    assert_true(pq_inputs_tag(&tree, &inputs, &tag, &err));
    assert_int_equal(strlen(tag), 7 + 64);
    return tag;
}

/* Asserts that the tag is another one than before, and keeps it. */
static void expect_change(const char *root, char **last)
{
    char *now = tag_of(root);
    assert_string_not_equal(now, *last);
    free(*last);
    *last = now;
}

static void whatever_a_build_sees_changes_the_tag(void **state)
{
    const char *root = *state;
    pq_folder_put(root, "a/Dockerfile", "FROM x\n");
    pq_folder_put(root, "a/file", "1");
    char *last = tag_of(root);

    PQ_AUTO_FREE char *again = tag_of(root);
    assert_string_equal(again, last);
    pq_folder_put(root, "b/file", "outside of the context");
    PQ_AUTO_FREE char *outside = tag_of(root);
    assert_string_equal(outside, last);

    pq_folder_put(root, "a/file", "2");
    expect_change(root, &last);
    pq_folder_put(root, "a/sub/new", "");
    expect_change(root, &last);
    PQ_AUTO_FREE char *file = pq_path_join(root, "a/file");
    assert_int_equal(chmod(file, 0755), 0);
    expect_change(root, &last);
    PQ_AUTO_FREE char *link_path = pq_path_join(root, "a/link");
    assert_int_equal(symlink("file", link_path), 0);
    expect_change(root, &last);
    assert_int_equal(unlink(link_path), 0);
    assert_int_equal(symlink("sub", link_path), 0);
    expect_change(root, &last);
    pq_strings_add(&arguments, "A=1");
    expect_change(root, &last);
    pq_strings_add(&bases, "x=sha256:1");
    expect_change(root, &last);
    pq_strings_add(&secrets, "token");
    expect_change(root, &last);
    platform = "linux/arm64";
    expect_change(root, &last);
    pq_folder_put(root, "a/Dockerfile", "FROM x\nRUN y\n");
    expect_change(root, &last);
    free(last);
}

/* Two clones of one revision differ in their .git and, by their umask, in permissions. */
static void clones_of_one_revision_agree(void **state)
{
    const char *root = *state;
    pq_folder_put(root, "a/Dockerfile", "FROM x\n");
    pq_folder_put(root, "a/file", "1");
    PQ_AUTO_FREE char *first = tag_of(root);
    PQ_AUTO_FREE char *file = pq_path_join(root, "a/file");
    assert_int_equal(chmod(file, 0600), 0);
    pq_folder_put(root, "a/.git/index", "x");
    pq_folder_put(root, "a/sub/.git", "gitdir: elsewhere");
    PQ_AUTO_FREE char *sub = pq_path_join(root, "a/sub/.git");
    assert_int_equal(unlink(sub), 0);
    PQ_AUTO_FREE char *folder = pq_path_join(root, "a/sub");
    assert_int_equal(rmdir(folder), 0);
    PQ_AUTO_FREE char *second = tag_of(root);
    assert_string_equal(first, second);
}

static void moving_bytes_between_names_changes_the_tag(void **state)
{
    const char *root = *state;
    pq_folder_put(root, "a/Dockerfile", "FROM x\n");
    pq_folder_put(root, "a/f", "ab");
    pq_folder_put(root, "a/g", "c");
    char *last = tag_of(root);
    pq_folder_put(root, "a/f", "a");
    pq_folder_put(root, "a/g", "bc");
    expect_change(root, &last);
    free(last);
}

static int clear_lists(void **state)
{
    pq_strings_clear(&arguments);
    pq_strings_clear(&bases);
    pq_strings_clear(&secrets);
    return pq_folder_remove(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(whatever_a_build_sees_changes_the_tag, pq_folder_make, clear_lists),
        cmocka_unit_test_setup_teardown(clones_of_one_revision_agree, pq_folder_make, clear_lists),
        cmocka_unit_test_setup_teardown(moving_bytes_between_names_changes_the_tag, pq_folder_make, clear_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
