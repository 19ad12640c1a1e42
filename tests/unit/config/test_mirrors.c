#include "pq_folder.h"

#include "config/mirrors.h"

/* Reads one text; it must be without a problem. */
static void take(pq_mirrors *mirrors, const char *name, const char *text)
{
    PQ_AUTO_ERRORS errs = {0};
    if (!pq_mirrors_parse(text, strlen(text), name, mirrors, &errs))
        fail_msg("%s: %s", errs.at[0].where, errs.at[0].message);
}

/* The sources of an image, with `!` before an insecure one. */
static void assert_sources(const pq_mirrors *mirrors, const char *image, const char *expected)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_PULL_SOURCES sources = {0};
    PQ_AUTO_BUF shown = PQ_BUF(4096);
    if (pq_mirrors_sources(mirrors, image, &sources, &err))
        for (size_t i = 0; i < sources.count; i++)
            pq_buf_addf(&shown, "%s%s%s", i ? " " : "", sources.at[i].insecure ? "!" : "", sources.at[i].image);
    else
        pq_buf_addf(&shown, "%s", err.message);
    assert_string_equal(pq_buf_text(&shown), expected);
}

/* The example of containers-registries.conf(5), with what the page says of it. */
static void the_example_of_the_manual(void **state)
{
    (void)state;
    PQ_AUTO_MIRRORS mirrors = {0};
    take(&mirrors, "f",
         "unqualified-search-registries = [\"example.com\"]\n"
         "[[registry]]\nprefix = \"example.com/foo\"\ninsecure = false\nblocked = false\n"
         "location = \"internal-registry-for-example.com/bar\"\n"
         "[[registry.mirror]]\nlocation = \"example-mirror-0.local/mirror-for-foo\"\n"
         "[[registry.mirror]]\nlocation = \"example-mirror-1.local/mirrors/foo\"\ninsecure = true\n"
         "[[registry]]\nlocation = \"registry.com\"\n[[registry.mirror]]\nlocation = \"mirror.registry.com\"\n");
    assert_sources(&mirrors, "example.com/foo/image:latest",
                   "example-mirror-0.local/mirror-for-foo/image:latest "
                   "!example-mirror-1.local/mirrors/foo/image:latest "
                   "internal-registry-for-example.com/bar/image:latest");
    assert_sources(&mirrors, "registry.com/image:latest", "mirror.registry.com/image:latest registry.com/image:latest");
    assert_sources(&mirrors, "example.com/food/image:latest", "example.com/food/image:latest");
    assert_sources(&mirrors, "example.com/image:1", "example.com/image:1");
}

static void the_longest_prefix_decides(void **state)
{
    (void)state;
    PQ_AUTO_MIRRORS mirrors = {0};
    take(&mirrors, "f",
         "[[registry]]\nprefix = 'a.b'\nlocation = 'host.c'\n"
         "[[registry]]\nprefix = 'a.b/x/'\nlocation = 'x.c/deep/'\n"
         "[[registry]]\nprefix = 'a.b/x/y:1'\nlocation = 'one.c/z:2'\n"
         "[[registry]]\nprefix = '*.w.x'\nlocation = 'wild.c'\n"
         "[[registry]]\nprefix = '*.as-is.x'\n[[registry.mirror]]\nlocation = 'm.c'\n"
         "[[registry]]\nprefix = 'in.w.x/y'\nlocation = 'exact.c'\n"
         "[[registry]]\nprefix = 'a.b'\nlocation = 'second.c'\n");
    assert_sources(&mirrors, "a.b/c:1", "host.c/c:1");
    assert_sources(&mirrors, "a.b/x/c:1", "x.c/deep/c:1");
    assert_sources(&mirrors, "a.b/x/y:1", "one.c/z:2");
    assert_sources(&mirrors, "a.b/x/y:12", "x.c/deep/y:12");
    assert_sources(&mirrors, "a.b/xx/y:1", "host.c/xx/y:1");
    assert_sources(&mirrors, "a.b:5000/x/y:1", "a.b:5000/x/y:1");
    assert_sources(&mirrors, "a.bc/x:1", "a.bc/x:1");
    assert_sources(&mirrors, "in.w.x/a:1", "wild.c/a:1");
    assert_sources(&mirrors, "deep.in.w.x/a:1", "wild.c/a:1");
    assert_sources(&mirrors, "in.w.x/y/a:1", "exact.c/a:1");
    assert_sources(&mirrors, "w.x/a:1", "w.x/a:1");
    assert_sources(&mirrors, "other.c/in.w.x/a:1", "other.c/in.w.x/a:1");
    assert_sources(&mirrors, "q.as-is.x/a:1", "m.c/a:1 q.as-is.x/a:1");
}

static void mirrors_may_be_for_digests_or_for_tags(void **state)
{
    (void)state;
    PQ_AUTO_MIRRORS mirrors = {0};
    take(&mirrors, "f",
         "[[registry]]\nlocation = 'a.b'\nmirror-by-digest-only = true\n[[registry.mirror]]\nlocation = 'm.b'\n"
         "[[registry]]\nlocation = 'c.d'\n"
         "[[registry.mirror]]\nlocation = 'tags.d'\npull-from-mirror = 'tag-only'\n"
         "[[registry.mirror]]\nlocation = 'digests.d'\npull-from-mirror = 'digest-only'\n"
         "[[registry.mirror]]\nlocation = 'all.d'\npull-from-mirror = 'all'\n");
    assert_sources(&mirrors, "a.b/x:1", "a.b/x:1");
    assert_sources(&mirrors, "a.b/x@sha256:0", "m.b/x@sha256:0 a.b/x@sha256:0");
    assert_sources(&mirrors, "c.d/x:1", "tags.d/x:1 all.d/x:1 c.d/x:1");
    assert_sources(&mirrors, "c.d/x@sha256:0", "digests.d/x@sha256:0 all.d/x@sha256:0 c.d/x@sha256:0");
}

static void a_blocked_one_names_its_file(void **state)
{
    (void)state;
    PQ_AUTO_MIRRORS mirrors = {0};
    take(&mirrors, "/etc/containers/registries.conf",
         "\n[[registry]]\nlocation = 'docker.io/evil'\nblocked = true\n"
         "[[registry]]\nlocation = 'mirrored.b'\nblocked = true\n[[registry.mirror]]\nlocation = 'm.b/x'\n"
         "[[registry.mirror]]\nlocation = 'docker.io/evil'\n"
         "[[registry]]\nprefix = 'moved.b'\nlocation = 'docker.io/evil'\n");
    assert_sources(&mirrors, "docker.io/evil/x:1",
                   "pulling from docker.io/evil is blocked on this machine by /etc/containers/registries.conf:2");
    assert_sources(&mirrors, "moved.b/x:1",
                   "pulling from docker.io/evil is blocked on this machine by /etc/containers/registries.conf:2");
    /* What OpenShift writes for mirrorSourcePolicy: NeverContactSource. */
    assert_sources(&mirrors, "mirrored.b/x:1", "m.b/x/x:1");
    assert_sources(&mirrors, "docker.io/library/x:1", "docker.io/library/x:1");
}

static void the_old_form_blocks_too(void **state)
{
    (void)state;
    PQ_AUTO_MIRRORS mirrors = {0};
    take(&mirrors, "f",
         "[registries.search]\nregistries = ['a.b']\n[registries.insecure]\nregistries = ['localhost:5000']\n"
         "[registries.block]\nregistries = [\n 'bad.example']\n");
    assert_sources(&mirrors, "bad.example/x:1", "pulling from bad.example is blocked on this machine by f:7");
    assert_sources(&mirrors, "localhost:5000/x:1", "!localhost:5000/x:1");
}

static void all_problems_of_a_file_are_told(void **state)
{
    (void)state;
    static const char text[] = "[[registry]]\n"
                               "location = 'https://a.b'\n"
                               "[[registry]]\n"
                               "prefix = 'a.b'\n"
                               "[[registry]]\n"
                               "location = 5\n"
                               "[[registry]]\n"
                               "location = 'a.b'\n"
                               "blocked = 'yes'\n"
                               "[[registry]]\n"
                               "location = 'a.b'\n"
                               "[[registry.mirror]]\n"
                               "insecure = true\n"
                               "[[registry]]\n"
                               "location = 'a.b'\n"
                               "[[registry.mirror]]\n"
                               "location = 'mirror/x'\n"
                               "[[registry]]\n"
                               "location = 'a.b'\n"
                               "[[registry.mirror]]\n"
                               "location = 'm.b'\n"
                               "pull-from-mirror = 'sometimes'\n"
                               "[[registry]]\n"
                               "prefix = '*.a.b/x'\n"
                               "[[registry]]\n"
                               "location = 'a.b'\n"
                               "mirror-by-digest-only = true\n"
                               "mirror = [{location = 'm.b', pull-from-mirror = 'all'}]\n"
                               "[[registry]]\n"
                               "location = 'a.b'\n"
                               "mirror = 'm.b'\n";
    static const char *const expected[] = {
        "f:2: `location` has a scheme: it is host[:port][/path]",
        "f:3: `location` is missing",
        "f:6: `location` must be a text in quotes",
        "f:9: `blocked` must be true or false",
        "f:12: `location` is missing in a mirror",
        "f:17: `location` does not begin with a registry's host",
        "f:22: `pull-from-mirror` must be all, digest-only or tag-only",
        "f:24: `prefix` with `*.` takes a host and nothing behind it",
        "f:28: `pull-from-mirror` cannot stand beside `mirror-by-digest-only`",
        "f:31: `mirror` must be written as [[registry.mirror]]",
    };
    PQ_AUTO_ERRORS errs = {0};
    PQ_AUTO_MIRRORS mirrors = {0};
    assert_false(pq_mirrors_parse(text, sizeof text - 1, "f", &mirrors, &errs));
    assert_int_equal(mirrors.rule_count, 0);
    for (size_t i = 0; i < errs.count && i < sizeof expected / sizeof *expected; i++) {
        PQ_AUTO_FREE char *said = pq_asprintf("%s: %s", errs.at[i].where, errs.at[i].message);
        assert_string_equal(said, expected[i]);
        assert_int_equal(errs.at[i].code, PQ_ECONFIG);
    }
    assert_int_equal(errs.count, sizeof expected / sizeof *expected);
}

/* --- where the files are ---------------------------------------------------------------------------------------- */

static char *conf(const char *location)
{
    return pq_asprintf("[[registry]]\nprefix = 'a.b'\nlocation = '%s'\n", location);
}

static void put(const char *root, const char *name, const char *location)
{
    PQ_AUTO_FREE char *text = conf(location);
    pq_folder_put(root, name, text);
}

/* Where a.b/x:1 is asked for. */
static void assert_leads(const char *root, const char *named, bool xdg, const pq_strings *scanned, const char *expected)
{
    PQ_AUTO_FREE char *system = pq_path_join(root, "etc");
    PQ_AUTO_FREE char *home = pq_path_join(root, "home");
    PQ_AUTO_FREE char *config_home = pq_path_join(root, "xdg");
    PQ_AUTO_FREE char *file = named ? pq_path_join(root, named) : NULL;
    PQ_AUTO_ERRORS errs = {0};
    PQ_AUTO_MIRRORS mirrors = {0};
    pq_mirrors_search search = {.named = file,
                                .config_home = xdg ? config_home : "",
                                .home = home,
                                .system_folder = system,
                                .scanned = scanned};
    if (!pq_mirrors_load(&search, &mirrors, &errs))
        fail_msg("%s: %s", errs.at[0].where, errs.at[0].message);
    assert_sources(&mirrors, "a.b/x:1", expected);
}

/* The order of containers-registries.conf(5) and containers-registries.conf.d(5). */
static void files_are_found_in_the_order_of_the_manual(void **state)
{
    const char *root = *state;
    assert_leads(root, NULL, false, NULL, "a.b/x:1");
    put(root, "etc/registries.conf", "system.c");
    assert_leads(root, NULL, false, NULL, "system.c/x:1");
    put(root, "etc/registries.conf.d/20-b.conf", "drop20.c");
    put(root, "etc/registries.conf.d/10-a.conf", "drop10.c");
    put(root, "etc/registries.conf.d/30-c.txt", "drop30.c");
    assert_leads(root, NULL, false, NULL, "drop20.c/x:1");
    put(root, "home/.config/containers/registries.conf.d/00.conf", "user-drop.c");
    assert_leads(root, NULL, false, NULL, "user-drop.c/x:1");
    put(root, "xdg/containers/registries.conf", "xdg.c");
    assert_leads(root, NULL, true, NULL, "xdg.c/x:1");
    put(root, "named.conf", "named.c");
    assert_leads(root, "named.conf", true, NULL, "drop20.c/x:1");
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *drop_ins = pq_path_join(root, "etc/registries.conf.d");
    assert_true(pq_remove_tree(drop_ins, &err));
    assert_leads(root, "named.conf", true, NULL, "named.c/x:1");
    put(root, "home/.config/containers/registries.conf", "user.c");
    assert_leads(root, NULL, false, NULL, "user-drop.c/x:1");
}

static void one_in_the_tree_that_is_worked_on_is_not_read(void **state)
{
    const char *root = *state;
    PQ_AUTO_STRINGS scanned = {0};
    pq_strings_take(&scanned, pq_path_join(root, "home"));
    put(root, "etc/registries.conf", "system.c");
    put(root, "home/.config/containers/registries.conf", "user.c");
    put(root, "home/.config/containers/registries.conf.d/1.conf", "drop.c");
    assert_leads(root, NULL, false, &scanned, "system.c/x:1");
    /* Who names it means it. */
    assert_leads(root, "home/.config/containers/registries.conf", false, &scanned, "user.c/x:1");
}

static void a_named_file_must_be_there_and_each_broken_one_is_told(void **state)
{
    const char *root = *state;
    PQ_AUTO_FREE char *missing = pq_path_join(root, "nosuch.conf");
    PQ_AUTO_FREE char *system = pq_path_join(root, "etc");
    PQ_AUTO_FREE char *first = pq_path_join(root, "etc/registries.conf.d/1.conf:1");
    PQ_AUTO_FREE char *second = pq_path_join(root, "etc/registries.conf.d/2.conf:1");
    pq_folder_put(root, "etc/registries.conf.d/1.conf", "[");
    pq_folder_put(root, "etc/registries.conf.d/2.conf", "]");
    PQ_AUTO_ERRORS errs = {0};
    PQ_AUTO_MIRRORS mirrors = {0};
    pq_mirrors_search search = {.named = missing, .system_folder = system};
    assert_false(pq_mirrors_load(&search, &mirrors, &errs));
    assert_int_equal(errs.count, 3);
    assert_string_equal(errs.at[0].where, missing);
    assert_string_equal(errs.at[1].where, first);
    assert_string_equal(errs.at[2].where, second);
    assert_int_equal(pq_errors_status(&errs), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_of_the_manual),
        cmocka_unit_test(the_longest_prefix_decides),
        cmocka_unit_test(mirrors_may_be_for_digests_or_for_tags),
        cmocka_unit_test(a_blocked_one_names_its_file),
        cmocka_unit_test(the_old_form_blocks_too),
        cmocka_unit_test(all_problems_of_a_file_are_told),
        cmocka_unit_test_setup_teardown(files_are_found_in_the_order_of_the_manual, pq_folder_make, pq_folder_remove),
        cmocka_unit_test_setup_teardown(one_in_the_tree_that_is_worked_on_is_not_read, pq_folder_make,
                                        pq_folder_remove),
        cmocka_unit_test_setup_teardown(a_named_file_must_be_there_and_each_broken_one_is_told, pq_folder_make,
                                        pq_folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
