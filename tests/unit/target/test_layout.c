#include "pq_cmocka.h"
#include "pq_folder.h"

#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "target/layout.h"

static void conf_is_read_and_never_run(void **state)
{
    (void)state;
    static const char text[] = "# a comment\n"
                               "export BUILD_CONTEXT=\"../\"\r\n"
                               "DOCKERFILE='Dockerfile.prod' # which\n"
                               "SKIP_ARCHS=arm\n"
                               "MANIFEST_PLATFORMS=$(touch /tmp/ran)\n"
                               "TEST_CMD=\"run\"\n"
                               "touch /tmp/ran\n"
                               "SKIP_ARCHS=\"arm arm64\";\n";
    size_t before = pq_warnings()->count;
    pq_build_conf conf = {0};
    pq_build_conf_parse(text, sizeof text - 1, "x/docker-build.conf", &conf);
    assert_string_equal(conf.build_context, "../");
    assert_string_equal(conf.dockerfile, "Dockerfile.prod");
    assert_string_equal(conf.skip_archs, "arm arm64");
    assert_null(conf.manifest_platforms);
    const pq_errors *warnings = pq_warnings();
    assert_int_equal(warnings->count - before, 3);
    assert_string_equal(warnings->at[before].where, "x/docker-build.conf:5");
    assert_string_equal(warnings->at[before].message, "MANIFEST_PLATFORMS is not a literal and not used");
    assert_string_equal(warnings->at[before + 1].message, "TEST_CMD is not used");
    assert_string_equal(warnings->at[before + 2].where, "x/docker-build.conf:7");
    pq_build_conf_clear(&conf);
}

static void arguments_are_one_literal_a_line(void **state)
{
    (void)state;
    static const char text[] = "# c\n\nA=1\n \"B=two words\"\nC='x'\"y\"\nnot one\nD=$HOME\nE==\n";
    PQ_AUTO_STRINGS out = {0};
    PQ_AUTO_ERRORS errors = {0};
    assert_false(pq_build_args_parse(text, sizeof text - 1, "f", &out, &errors));
    assert_int_equal(out.count, 4);
    assert_string_equal(out.at[0], "A=1");
    assert_string_equal(out.at[1], "B=two words");
    assert_string_equal(out.at[2], "C=xy");
    assert_string_equal(out.at[3], "E==");
    assert_int_equal(errors.count, 2);
    assert_string_equal(errors.at[0].where, "f:6");
    assert_string_equal(errors.at[1].where, "f:7");
}

static void folders_are_images_and_apps(void **state)
{
    const char *root = *state;
    pq_folder_put(root, "b/Dockerfile", "FROM x\n");
    pq_folder_put(root, "b/docker-build.conf", "BUILD_CONTEXT=..\nDOCKERFILE=../other/Dockerfile.b\n");
    pq_folder_put(root, "a/Dockerfile", "FROM x\n");
    pq_folder_put(root, "a/docker-compose.yml", "services: {}\n");
    pq_folder_put(root, "skipped/Dockerfile", "FROM x\n");
    pq_folder_put(root, "skipped/docker-build.conf", "SKIP_ARCHS='amd64'\n");
    pq_folder_put(root, "only/docker-compose.yml", "services: {}\n");
    pq_folder_put(root, "off.disabled/Dockerfile", "FROM x\n");
    pq_folder_put(root, ".git/Dockerfile", "FROM x\n");
    pq_folder_put(root, "deep/er/Dockerfile", "FROM x\n");
    pq_folder_put(root, "words/text", "no image\n");
    PQ_AUTO_FREE char *link_path = pq_path_join(root, "link");
    assert_int_equal(symlink("a", link_path), 0);
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_TREE tree = PQ_TREE_NONE;
    PQ_AUTO_LAYOUT layout = {0};
    PQ_AUTO_ERRORS errors = {0};
    assert_true(pq_tree_open(root, &tree, &err));
    assert_true(pq_layout_read(&tree, "amd64", &layout, &errors));
    assert_int_equal(layout.count, 4);
    assert_string_equal(layout.at[0].name, "a");
    assert_true(layout.at[0].image && layout.at[0].app);
    assert_string_equal(layout.at[0].context, "a");
    assert_string_equal(layout.at[1].name, "b");
    assert_string_equal(layout.at[1].context, ".");
    assert_string_equal(layout.at[1].dockerfile, "other/Dockerfile.b");
    assert_string_equal(layout.at[2].name, "only");
    assert_false(layout.at[2].image);
    assert_string_equal(layout.at[3].name, "skipped");
    assert_non_null(layout.at[3].skipped);
    assert_non_null(pq_layout_image(&layout, "b"));
    assert_null(pq_layout_image(&layout, "only"));
}

static void what_leaves_the_tree_is_refused(void **state)
{
    pq_folder_skip_without_openat2();
    const char *root = *state;
    pq_folder_put(root, "a/Dockerfile", "FROM x\n");
    pq_folder_put(root, "a/docker-build.conf", "BUILD_CONTEXT=../../..\n");
    pq_folder_put(root, "b/Dockerfile", "FROM x\n");
    pq_folder_put(root, "b/docker-build.conf", "BUILD_CONTEXT=../out\n");
    pq_folder_put(root, "C/Dockerfile", "FROM x\n");
    pq_folder_put(root, "d/docker-compose.yaml", "services: {}\n");
    PQ_AUTO_FREE char *out = pq_path_join(root, "out");
    assert_int_equal(symlink("/etc", out), 0);
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_TREE tree = PQ_TREE_NONE;
    PQ_AUTO_LAYOUT layout = {0};
    PQ_AUTO_ERRORS errors = {0};
    assert_true(pq_tree_open(root, &tree, &err));
    assert_false(pq_layout_read(&tree, "amd64", &layout, &errors));
    assert_int_equal(errors.count, 4);
    assert_string_equal(errors.at[0].message, "the folder's name cannot be a repository's");
    assert_string_equal(errors.at[1].where, "a/docker-build.conf");
    assert_string_equal(errors.at[1].message, "BUILD_CONTEXT leads out of the tree, which is refused");
    assert_string_equal(errors.at[2].message, "leads out of the tree, which is refused");
    assert_string_equal(errors.at[3].hint, "rename it to docker-compose.yml");
}

static void what_the_engine_reads_by_itself_is_looked_at(void **state)
{
    const char *root = *state;
    pq_folder_put(root, "a/Dockerfile", "FROM x\n");
    pq_folder_put(root, "a/Dockerfile.in", "FROM x\n");
    pq_folder_put(root, "a/docker-build.conf", "DOCKERFILE=Dockerfile.in\n");
    pq_folder_put(root, "b/Dockerfile", "FROM x\n");
    pq_folder_put(root, "c/Dockerfile", "FROM x\n");
    PQ_AUTO_FREE char *ignore = pq_path_join(root, "b/.dockerignore");
    PQ_AUTO_FREE char *own = pq_path_join(root, "c/Dockerfile.containerignore");
    assert_int_equal(symlink("/etc/passwd", ignore), 0);
    assert_int_equal(mkfifo(own, 0600), 0);
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_TREE tree = PQ_TREE_NONE;
    PQ_AUTO_LAYOUT layout = {0};
    PQ_AUTO_ERRORS errors = {0};
    assert_true(pq_tree_open(root, &tree, &err));
    assert_false(pq_layout_read(&tree, "amd64", &layout, &errors));
    assert_int_equal(errors.count, 3);
    assert_string_equal(errors.at[0].where, "a/docker-build.conf");
    assert_string_equal(errors.at[1].where, "b/.dockerignore");
    assert_string_equal(errors.at[1].message, "leads out of the tree, which is refused");
    assert_string_equal(errors.at[2].where, "c/Dockerfile.containerignore");
    assert_string_equal(errors.at[2].message, "is not a regular file");
}

/* distribution's grammar of one path component: [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)* */
static void names_are_those_of_repositories(void **state)
{
    const char *root = *state;
    static const char *const good[] = {"a", "0", "a-b", "a--b", "a_b", "a__b", "a.b"};
    static const char *const bad[] = {"-a",   "--help", "_a",   "a-",   "a_", "a.",
                                      "a..b", "a___b",  "a.-b", "a-_b", "A",  "a b"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        PQ_AUTO_FREE char *path = pq_asprintf("%s/docker-compose.yml", good[i]);
        pq_folder_put(root, path, "services: {}\n");
    }
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_TREE tree = PQ_TREE_NONE;
    PQ_AUTO_LAYOUT layout = {0}, again = {0};
    PQ_AUTO_ERRORS errors = {0};
    assert_true(pq_tree_open(root, &tree, &err));
    assert_true(pq_layout_read(&tree, "amd64", &layout, &errors));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        PQ_AUTO_FREE char *path = pq_asprintf("%s/docker-compose.yml", bad[i]);
        pq_folder_put(root, path, "services: {}\n");
    }
    assert_false(pq_layout_read(&tree, "amd64", &again, &errors));
    assert_int_equal(errors.count, sizeof bad / sizeof *bad);
}

int main(void)
{
    pq_log_setup(PQ_QUIET, false);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(conf_is_read_and_never_run, pq_folder_make, pq_folder_remove),
        cmocka_unit_test_setup_teardown(arguments_are_one_literal_a_line, pq_folder_make, pq_folder_remove),
        cmocka_unit_test_setup_teardown(folders_are_images_and_apps, pq_folder_make, pq_folder_remove),
        cmocka_unit_test_setup_teardown(what_leaves_the_tree_is_refused, pq_folder_make, pq_folder_remove),
        cmocka_unit_test_setup_teardown(what_the_engine_reads_by_itself_is_looked_at, pq_folder_make, pq_folder_remove),
        cmocka_unit_test_setup_teardown(names_are_those_of_repositories, pq_folder_make, pq_folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
