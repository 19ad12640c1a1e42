#include "pq_cmocka.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "target/inputs.h"

static int make_folder(void **state)
{
    pq_error err = {0};
    char *folder = NULL;
    if (!pq_make_temp_dir("pq-test-", &folder, &err))
        return -1;
    *state = folder;
    return 0;
}

static int remove_folder(void **state)
{
    pq_error err = {0};
    bool good = pq_remove_tree(*state, &err);
    free(*state);
    return good ? 0 : -1;
}

static void put(const char *root, const char *name, const char *text)
{
    pq_error err = {0};
    PQ_AUTO_FREE char *path = pq_path_join(root, name);
    PQ_AUTO_FREE char *folder = pq_path_dirname(path);
    assert_true(pq_make_dirs(folder, 0755, &err));
    assert_true(pq_write_file(path, 0644, text, strlen(text), &err));
}

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
    put(root, "a/Dockerfile", "FROM x\n");
    put(root, "a/file", "1");
    char *last = tag_of(root);

    PQ_AUTO_FREE char *again = tag_of(root);
    assert_string_equal(again, last);
    put(root, "b/file", "outside of the context");
    PQ_AUTO_FREE char *outside = tag_of(root);
    assert_string_equal(outside, last);

    put(root, "a/file", "2");
    expect_change(root, &last);
    put(root, "a/sub/new", "");
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
    put(root, "a/Dockerfile", "FROM x\nRUN y\n");
    expect_change(root, &last);
    free(last);
}

static void moving_bytes_between_names_changes_the_tag(void **state)
{
    const char *root = *state;
    put(root, "a/Dockerfile", "FROM x\n");
    put(root, "a/f", "ab");
    put(root, "a/g", "c");
    char *last = tag_of(root);
    put(root, "a/f", "a");
    put(root, "a/g", "bc");
    expect_change(root, &last);
    free(last);
}

static int clear_lists(void **state)
{
    pq_strings_clear(&arguments);
    pq_strings_clear(&bases);
    pq_strings_clear(&secrets);
    return remove_folder(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(whatever_a_build_sees_changes_the_tag, make_folder, clear_lists),
        cmocka_unit_test_setup_teardown(moving_bytes_between_names_changes_the_tag, make_folder, clear_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
