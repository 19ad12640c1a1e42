#include "pq_memory_folder.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/runtime_dir.h"

static int mode_of(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 ? (int)(status.st_mode & 07777) : -1;
}

static void it_is_found_in_order(void **state)
{
    pq_error err = {0};
    PQ_AUTO_FREE char *own = pq_path_join(*state, "own");
    PQ_AUTO_FREE char *session = pq_path_join(*state, "session");
    PQ_AUTO_FREE char *in_session = pq_path_join(session, "pratique");
    PQ_AUTO_FREE char *in_run = pq_path_join(*state, "pratique");
    PQ_AUTO_FREE char *in_shm = pq_path_join(*state, "pratique-1234");
    assert_true(pq_make_dirs(session, 0700, &err));
    pq_runtime_environment environment = {
        .pratique_runtime_dir = own, .xdg_runtime_dir = session, .user = 1234, .run = *state, .shm = *state};
    const struct {
        const char *expected;
        uid_t user;
        bool own, session;
    } cases[] = {{own, 0, true, true},         {own, 1234, true, false},
                 {in_session, 0, false, true}, {in_session, 1234, false, true},
                 {in_run, 0, false, false},    {in_shm, 1234, false, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        PQ_AUTO_FREE char *found = NULL;
        environment.pratique_runtime_dir = cases[i].own ? own : "";
        environment.xdg_runtime_dir = cases[i].session ? session : NULL;
        environment.user = cases[i].user;
        assert_true(pq_runtime_dir_find(&environment, &found, &err));
        assert_string_equal(found, cases[i].expected);
        assert_int_equal(mode_of(found), 0700);
    }
}

static void root_never_uses_shm(void **state)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *found = NULL;
    pq_runtime_environment environment = {.user = 0, .run = "/nonexistent", .shm = *state};
    assert_false(pq_runtime_dir_find(&environment, &found, &err));
    assert_int_equal(err.code, PQ_ENOTFOUND);
    assert_non_null(strstr(err.message, "/nonexistent/pratique"));
    assert_null(strstr(err.message, *state));
}

static void assert_refused(const char *path, const char *why)
{
    PQ_AUTO_ERROR err = {0};
    assert_int_equal(pq_runtime_dir_open(path, &err), -1);
    assert_non_null(strstr(err.message, why));
    PQ_AUTO_FREE char *found = NULL;
    pq_runtime_environment environment = {.pratique_runtime_dir = path, .user = 1234, .run = "/run", .shm = "/dev/shm"};
    assert_false(pq_runtime_dir_find(&environment, &found, &err));
}

static void what_is_not_private_and_in_memory_is_refused(void **state)
{
    PQ_AUTO_FREE char *path = pq_path_join(*state, "a");
    PQ_AUTO_FREE char *link_path = pq_path_join(*state, "link");
    PQ_AUTO_FREE char *file = pq_path_join(*state, "file");
    assert_int_equal(mkdir(path, 0750), 0);
    assert_refused(path, "is open to other users");
    assert_int_equal(chmod(path, 0700), 0);
    assert_int_equal(symlink(path, link_path), 0);
    assert_refused(link_path, "cannot be opened");
    pq_folder_put(*state, "file", "");
    assert_refused(file, "cannot be opened");
    assert_refused("relative", "cannot be opened");
    if (geteuid() == 0) {
        assert_int_equal(chown(path, 12345, 12345), 0);
        assert_refused(path, "belongs to another user");
    }
    /* procfs is in memory too, but no place for files. */
    assert_refused("/proc/self/fdinfo", "is open to other users");
}

static void a_disk_is_refused(void **state)
{
    PQ_AUTO_ERROR err = {0};
    int fd = pq_runtime_dir_open(*state, &err); /* below /tmp, which may be a tmpfs */
    if (fd >= 0)
        (void)close(fd);
    else
        assert_string_equal(err.message, "is not in memory (tmpfs)");
    /* Nothing is left where it cannot be used. */
    PQ_AUTO_FREE char *made = pq_path_join(*state, "pratique");
    PQ_AUTO_FREE char *found = NULL;
    pq_runtime_environment environment = {.xdg_runtime_dir = *state, .user = 0, .run = *state, .shm = *state};
    assert_int_equal(pq_runtime_dir_find(&environment, &found, &err), pq_path_exists(made));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_is_found_in_order, pq_memory_folder_make, pq_folder_remove),
        cmocka_unit_test_setup_teardown(root_never_uses_shm, pq_memory_folder_make, pq_folder_remove),
        cmocka_unit_test_setup_teardown(what_is_not_private_and_in_memory_is_refused, pq_memory_folder_make,
                                        pq_folder_remove),
        cmocka_unit_test_setup_teardown(a_disk_is_refused, pq_folder_make, pq_folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
