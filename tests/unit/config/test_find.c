#include "pq_cmocka.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "config/config.h"

static char *top; /* a private folder, real path */

static char *make(const char *relative, const char *text)
{
    PQ_AUTO_ERROR err = {0};
    char *path = pq_path_join(top, relative);
    if (text) {
        PQ_AUTO_FREE char *folder = pq_path_dirname(path);
        assert_true(pq_make_dirs(folder, 0755, &err));
        assert_true(pq_write_file(path, 0644, text, strlen(text), &err));
    } else {
        assert_true(pq_make_dirs(path, 0755, &err));
    }
    return path;
}

static int set_up(void **state)
{
    (void)state;
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *made = NULL;
    return pq_make_temp_dir("pq-config-", &made, &err) && pq_path_absolute(made, &top, &err) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    PQ_AUTO_ERROR err = {0};
    bool good = pq_remove_tree(top, &err);
    free(top);
    return good ? 0 : -1;
}

/* What is found from `folder` (below top) must be `expected` (below top), or nothing for NULL. */
static void assert_found(const char *folder, const pq_strings *scanned, uid_t user, const char *expected,
                         const char *skipped_words)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *from = pq_path_join(top, folder);
    PQ_AUTO_FREE char *found = NULL;
    PQ_AUTO_FREE char *skipped = NULL;
    pq_config_search search = {.environment = "", .working_folder = from, .scanned = scanned, .user = user};
    if (!pq_config_find(&search, &found, &skipped, &err))
        fail_msg("%s: %s", err.where, err.message);
    PQ_AUTO_FREE char *wanted = expected ? pq_path_join(top, expected) : NULL;
    if (!pq_streq(found, wanted))
        fail_msg("found %s", found ? found : "nothing");
    if (!skipped_words)
        assert_null(skipped);
    else
        assert_non_null(strstr(skipped, skipped_words));
}

static void the_search_goes_up_to_the_git_root(void **state)
{
    (void)state;
    uid_t me = geteuid();
    free(make("factory-config.yml", "x"));
    free(make("repo/.git", NULL));
    free(make("repo/a/b", NULL));
    assert_found("repo/a/b", NULL, me, NULL, NULL); /* not beyond the root */
    free(make("repo/ci-scripts/factory-config.yml", "x"));
    assert_found("repo/a/b", NULL, me, "repo/ci-scripts/factory-config.yml", NULL);
    free(make("repo/factory-config.yml", "x"));
    assert_found("repo/a/b", NULL, me, "repo/factory-config.yml", NULL);
    free(make("repo/a/ci-scripts/factory-config.yml", "x"));
    assert_found("repo/a/b", NULL, me, "repo/a/ci-scripts/factory-config.yml", NULL);
    assert_found("repo", NULL, me, "repo/factory-config.yml", NULL);
    /* A nested work tree (`.git` may be a file) is a root of its own. */
    free(make("repo/nested/.git", "gitdir: elsewhere\n"));
    assert_found("repo/nested", NULL, me, NULL, NULL);
}

static void outside_of_git_only_the_working_folder_counts(void **state)
{
    (void)state;
    free(make("plain/below", NULL));
    free(make("plain/factory-config.yml", "x"));
    assert_found("plain", NULL, geteuid(), "plain/factory-config.yml", NULL);
    assert_found("plain/below", NULL, geteuid(), NULL, NULL);
}

static void the_scanned_folder_chooses_nothing(void **state)
{
    (void)state;
    uid_t me = geteuid();
    free(make("outer/.git", NULL));
    free(make("outer/factory-config.yml", "x"));
    free(make("outer/scan/factory-config.yml", "x"));
    free(make("outer/scan2/Dockerfile", "FROM x\n"));
    PQ_AUTO_STRINGS scanned = {0};
    pq_strings_take(&scanned, pq_path_join(top, "outer/scan/"));
    assert_found("outer/scan", &scanned, me, "outer/factory-config.yml", NULL);
    assert_found("outer/scan2", &scanned, me, "outer/factory-config.yml", NULL);
    PQ_AUTO_STRINGS file = {0};
    pq_strings_take(&file, pq_path_join(top, "outer/scan/factory-config.yml"));
    assert_found("outer/scan", &file, me, "outer/factory-config.yml", NULL);
    PQ_AUTO_STRINGS nothing = {0}; /* is not there: it is not the folder around it that is worked on */
    pq_strings_take(&nothing, pq_path_join(top, "outer/nosuch"));
    assert_found("outer", &nothing, me, "outer/factory-config.yml", NULL);
    PQ_AUTO_STRINGS all = {0};
    pq_strings_take(&all, pq_path_join(top, "outer"));
    assert_found("outer/scan", &all, me, NULL, "lies inside the folder that is worked on");
    /* A link that leads into the scanned folder is as good as a file in it. */
    free(make("linked/.git", NULL));
    PQ_AUTO_FREE char *link = pq_path_join(top, "linked/factory-config.yml");
    assert_int_equal(symlink("../outer/scan/factory-config.yml", link), 0);
    assert_found("linked", &scanned, me, NULL, "lies inside");
    assert_found("linked", NULL, me, "outer/scan/factory-config.yml", NULL);
}

static void folders_of_others_are_passed_over(void **state)
{
    (void)state;
    free(make("theirs/.git", NULL));
    free(make("theirs/factory-config.yml", "x"));
    assert_found("theirs", NULL, geteuid() + 1, NULL, "of another user");
    if (geteuid() != 0)
        return;
    free(make("mixed/.git", NULL));
    free(make("mixed/factory-config.yml", "x"));
    PQ_AUTO_FREE char *foreign = make("mixed/sub/factory-config.yml", "x");
    PQ_AUTO_FREE char *folder = pq_path_dirname(foreign);
    assert_int_equal(chown(folder, 12345, 12345), 0);
    assert_found("mixed/sub", NULL, 0, "mixed/factory-config.yml", NULL);
    /* A file that another user put into my folder is no better. */
    assert_int_equal(chown(folder, 0, 0), 0);
    assert_int_equal(chown(foreign, 12345, 12345), 0);
    assert_found("mixed/sub", NULL, 0, "mixed/factory-config.yml", NULL);
}

static void what_is_named_must_exist(void **state)
{
    (void)state;
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *file = make("named/my.yml", "x");
    PQ_AUTO_FREE char *none = pq_path_join(top, "named/none.yml");
    PQ_AUTO_FREE char *found = NULL;
    PQ_AUTO_FREE char *skipped = NULL;
    PQ_AUTO_STRINGS scanned = {0};
    pq_strings_add(&scanned, top);
    pq_config_search search = {.option = file, .environment = none, .working_folder = "/", .scanned = &scanned};
    assert_true(pq_config_find(&search, &found, &skipped, &err)); /* who names it, trusts it */
    assert_string_equal(found, file);
    free(pq_steal(found));
    search.option = none;
    assert_false(pq_config_find(&search, &found, &skipped, &err));
    assert_int_equal(err.code, PQ_EUSAGE);
    assert_string_equal(err.where, none);
    search.option = NULL;
    assert_false(pq_config_find(&search, &found, &skipped, &err));
    assert_int_equal(err.code, PQ_ECONFIG);
    assert_non_null(strstr(err.message, "$PRATIQUE_CONFIG"));
    search.option = top;
    assert_false(pq_config_find(&search, &found, &skipped, &err));
    assert_non_null(strstr(err.message, "is a folder"));
}

static void a_missing_configuration_has_its_own_error(void **state)
{
    (void)state;
    PQ_AUTO_ERROR err = {0};
    assert_false(pq_config_missing(NULL, &err));
    assert_int_equal(err.code, PQ_ECONFIG);
    assert_string_equal(err.message, "no factory-config.yml from here up to the git root");
    assert_false(pq_config_missing("/x/factory-config.yml lies in a folder of another user", &err));
    assert_non_null(strstr(err.message, "another user"));
    assert_non_null(strstr(err.hint, "--config"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_search_goes_up_to_the_git_root),
        cmocka_unit_test(outside_of_git_only_the_working_folder_counts),
        cmocka_unit_test(the_scanned_folder_chooses_nothing),
        cmocka_unit_test(folders_of_others_are_passed_over),
        cmocka_unit_test(what_is_named_must_exist),
        cmocka_unit_test(a_missing_configuration_has_its_own_error),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
