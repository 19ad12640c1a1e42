#include "pq_cmocka.h"
#include "pq_folder.h"

#include <string.h>
#include <unistd.h>

#include "scan/tree.h"
#include "scan/walk.h"

static void write_file(const char *root, const char *name, const char *text)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *path = pq_path_join(root, name);
    PQ_AUTO_FREE char *folder = pq_path_dirname(path);
    assert_true(pq_make_dirs(folder, 0755, &err));
    assert_true(pq_write_file(path, 0644, text, strlen(text), &err));
}

static char *told(const pq_scan *scan)
{
    PQ_AUTO_BUF out = PQ_BUF(1u << 20);
    for (size_t i = 0; i < scan->use_count; i++)
        pq_buf_addf(&out, "%s:%u %s\n", scan->uses[i].file, scan->uses[i].line, scan->uses[i].image);
    for (size_t i = 0; i < scan->errors.count; i++)
        pq_buf_addf(&out, "!%s: %s\n", scan->errors.at[i].where, scan->errors.at[i].message);
    return pq_buf_steal(&out);
}

static void names_that_count(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        pq_scan_file kind;
    } cases[] = {
        {"Dockerfile", PQ_SCAN_DOCKERFILE},
        {"Dockerfile.arm64", PQ_SCAN_DOCKERFILE},
        {"web.Dockerfile", PQ_SCAN_DOCKERFILE},
        {"Containerfile", PQ_SCAN_DOCKERFILE},
        {"docker-compose.yml", PQ_SCAN_COMPOSE},
        {"docker-compose.yaml", PQ_SCAN_COMPOSE},
        {"compose.yml", PQ_SCAN_COMPOSE},
        {"compose.yaml", PQ_SCAN_COMPOSE},
        {"dockerfile", PQ_SCAN_NOTHING},
        {"Dockerfiles", PQ_SCAN_NOTHING},
        {"Dockerfile.disabled", PQ_SCAN_NOTHING},
        {"Dockerfile.dockerignore", PQ_SCAN_NOTHING},
        {"docker-compose.override.yml", PQ_SCAN_NOTHING},
        {"xcompose.yml", PQ_SCAN_NOTHING},
        {"docker-compose.yml.disabled", PQ_SCAN_NOTHING},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (pq_scan_kind_of(cases[i].name) != cases[i].kind)
            fail_msg("%s", cases[i].name);
}

static void a_tree_in_order_without_what_is_skipped(void **state)
{
    pq_folder_skip_without_openat2();
    const char *root = *state;
    write_file(root, "a/Dockerfile", "FROM a\n");
    write_file(root, "a.b/Dockerfile", "FROM ab\n"); /* `.` sorts before `/` */
    write_file(root, "a/docker-compose.yml", "services:\n  x: {image: 'x:$V'}\ninclude: [../z/compose.yml]\n");
    write_file(root, "a/.env", "V=1\n");
    write_file(root, "z/compose.yml", "services:\n  z: {image: z}\n");
    write_file(root, "bad/Dockerfile", "FROM x\nNONSENSE y\n");
    write_file(root, ".git/Dockerfile", "FROM no\n");
    write_file(root, "a/node_modules/m/Dockerfile", "FROM no\n");
    write_file(root, "off.disabled/Dockerfile", "FROM no\n");
    write_file(root, "other/.git", "gitdir: elsewhere\n");
    write_file(root, "other/Dockerfile", "FROM no\n");
    write_file(root, "d\xff/Dockerfile", "FROM d\n");
    write_file(root, "folder/Dockerfile/x", "not a file\n");
    PQ_AUTO_FREE char *link_folder = pq_path_join(root, "linked");
    PQ_AUTO_FREE char *link_file = pq_path_join(root, "a/Containerfile");
    PQ_AUTO_FREE char *link_out = pq_path_join(root, "z/Dockerfile");
    PQ_AUTO_FREE char *fifo = pq_path_join(root, "z/Containerfile");
    assert_int_equal(symlink("a", link_folder), 0);
    assert_int_equal(symlink("Dockerfile", link_file), 0);
    assert_int_equal(symlink("/etc/hostname", link_out), 0);
    assert_int_equal(mkfifo(fifo, 0600), 0);

    PQ_AUTO_SCAN scan = {0};
    pq_scan_options options = {0};
    pq_scan_path(root, &options, &scan);
    PQ_AUTO_FREE char *got = told(&scan);
    assert_string_equal(got, "a.b/Dockerfile:1 ab\na/Containerfile:1 a\na/Dockerfile:1 a\na/docker-compose.yml:2 x:1\n"
                             "d\\xff/Dockerfile:1 d\nz/compose.yml:2 z\n!bad/Dockerfile:2: unknown instruction\n"
                             "!z/Dockerfile: leads out of the tree, which is refused\n");
    assert_int_equal(scan.dockerfile_count, 4);
}

static void the_root_may_be_a_work_tree(void **state)
{
    const char *root = *state;
    write_file(root, ".git/config", "");
    write_file(root, "Dockerfile", "FROM a\n");
    PQ_AUTO_SCAN scan = {0};
    pq_scan_options options = {.prefix = "repo/"};
    pq_scan_path(root, &options, &scan);
    PQ_AUTO_FREE char *got = told(&scan);
    assert_string_equal(got, "repo/Dockerfile:1 a\n");
}

static void a_single_file_of_any_name(void **state)
{
    const char *root = *state;
    write_file(root, "odd.yaml", "services:\n  x: {image: 'x:$V'}\n");
    write_file(root, ".env", "V=2\n");
    write_file(root, "build.txt", "FROM a\n");
    static const char *const expected[][2] = {{"odd.yaml", ":2 x:2\n"}, {"build.txt", ":1 a\n"}};
    for (size_t i = 0; i < 2; i++) {
        PQ_AUTO_SCAN scan = {0};
        pq_scan_options options = {0};
        PQ_AUTO_FREE char *path = pq_path_join(root, expected[i][0]);
        pq_scan_path(path, &options, &scan);
        PQ_AUTO_FREE char *got = told(&scan);
        PQ_AUTO_FREE char *want = pq_asprintf("%s%s", path, expected[i][1]);
        assert_string_equal(got, want);
    }
    PQ_AUTO_SCAN scan = {0};
    pq_scan_options options = {0};
    PQ_AUTO_FREE char *none = pq_path_join(root, "none");
    pq_scan_path(none, &options, &scan);
    assert_int_equal(scan.errors.count, 1);
    assert_int_equal(pq_errors_status(&scan.errors), 2);
}

static void an_unreadable_folder_is_told(void **state)
{
    const char *root = *state;
    if (geteuid() == 0)
        skip(); /* root reads everything */
    write_file(root, "closed/Dockerfile", "FROM no\n");
    PQ_AUTO_FREE char *closed = pq_path_join(root, "closed");
    assert_int_equal(chmod(closed, 0100), 0);
    PQ_AUTO_SCAN scan = {0};
    pq_scan_options options = {0};
    pq_scan_path(root, &options, &scan);
    assert_int_equal(chmod(closed, 0700), 0);
    assert_int_equal(scan.errors.count, 1);
    assert_string_equal(scan.errors.at[0].where, "closed");
}

static void an_included_file_of_the_tree_counts_once(void **state)
{
    const char *root = *state;
    write_file(root, "a/compose.yml",
               "include: [../b/compose.yml, ../c.disabled/compose.yml, ../d/parts.yml]\n"
               "services:\n  a: {image: a}\n  b: {extends: {file: ../b/compose.yml, service: b}}\n");
    write_file(root, "b/compose.yml", "services:\n  b: {image: b}\n");
    write_file(root, "c.disabled/compose.yml", "services:\n  c: {image: c}\n");
    write_file(root, "d/parts.yml", "services:\n  d: {image: d}\n");
    write_file(root, "e/compose.yml", "include: [../a/compose.yml]\nservices:\n  e: {image: '$E'}\n");
    PQ_AUTO_SCAN scan = {0};
    pq_scan_options options = {0};
    pq_scan_path(root, &options, &scan);
    PQ_AUTO_FREE char *got = told(&scan);
    /* What only the including ones lead to stays with each of them. */
    assert_string_equal(got, "c.disabled/compose.yml:2 c\nd/parts.yml:2 d\na/compose.yml:3 a\nb/compose.yml:2 b\n"
                             "c.disabled/compose.yml:2 c\nd/parts.yml:2 d\n");
    assert_int_equal(scan.unresolved_count, 1);
}

typedef struct seen {
    char *last;
    size_t files, images;
} seen;

static void *count_images(void *context, const pq_scan *found)
{
    (void)context;
    size_t *count = pq_alloc(1, sizeof *count);
    *count = found->use_count;
    return count;
}

static void take_in_order(void *context, pq_scan *found, void *prepared)
{
    seen *all = context;
    size_t *count = prepared;
    all->images += *count;
    free(count);
    assert_int_equal(found->errors.count, 0);
    for (size_t i = 0; i < found->use_count; i++) {
        assert_true(!all->last || strcmp(all->last, found->uses[i].file) < 0);
        free(all->last);
        all->last = pq_strdup(found->uses[i].file);
        all->files++;
    }
}

static void a_large_tree_comes_in_order(void **state)
{
    const char *root = *state;
    size_t files = 0;
    PQ_AUTO_FREE char *deep = pq_strdup("deep");
    for (unsigned i = 0; i < 40; i++) { /* deeper than folders are held open */
        PQ_AUTO_FREE char *name = pq_asprintf("%s/Dockerfile.%u", deep, i);
        char *below = pq_asprintf("%s/%c", deep, i % 2 ? 'a' : 'z');
        write_file(root, name, "FROM a\n");
        free(deep);
        deep = below;
        files++;
    }
    for (unsigned i = 0; i < 400; i++) {
        PQ_AUTO_FREE char *name =
            pq_asprintf("f%u%s/%s%u", i % 7, i % 3 ? "" : "-x", i % 2 ? "g/Dockerfile." : "Dockerfile.", i);
        write_file(root, name, i % 50 ? "FROM a\n" : "BROKEN\n");
        files += i % 50 ? 1 : 0;
    }
    seen all = {0};
    pq_scan_options options = {0};
    pq_scan_sink sink = {.prepare = count_images, .take = take_in_order, .context = &all};
    PQ_AUTO_ERRORS errs = {0};
    pq_scan_path_to(root, &options, &sink, &errs);
    free(all.last);
    assert_int_equal(all.files, files);
    assert_int_equal(all.images, files);
    assert_int_equal(errs.count, 8);
    for (size_t i = 1; i < errs.count; i++)
        assert_true(strcmp(errs.at[i - 1].where, errs.at[i].where) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_that_count),
        cmocka_unit_test_setup_teardown(a_tree_in_order_without_what_is_skipped, pq_folder_make, pq_folder_remove),
        cmocka_unit_test_setup_teardown(the_root_may_be_a_work_tree, pq_folder_make, pq_folder_remove),
        cmocka_unit_test_setup_teardown(a_single_file_of_any_name, pq_folder_make, pq_folder_remove),
        cmocka_unit_test_setup_teardown(an_included_file_of_the_tree_counts_once, pq_folder_make, pq_folder_remove),
        cmocka_unit_test_setup_teardown(a_large_tree_comes_in_order, pq_folder_make, pq_folder_remove),
        cmocka_unit_test_setup_teardown(an_unreadable_folder_is_told, pq_folder_make, pq_folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
