#include "pq_cmocka.h"
#include "pq_folder.h"

#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/limits.h"
#include "client/client_edit.h"

/* Binds (or lets go) one host. */
typedef struct change {
    const char *host;
    bool away;
    const char *interferes; /* written to the configuration meanwhile, once */
    const char *path;
    int calls;
} change;

static bool make_change(void *context, pq_client_config *config, pq_binding *binding, pq_error *err)
{
    change *c = context;
    (void)err;
    c->calls++;
    if (c->interferes && c->calls == 1)
        assert_true(pq_write_file(c->path, 0640, c->interferes, strlen(c->interferes), err));
    if (c->away) {
        pq_client_config_remove(config, c->host, binding->made_helpers);
        pq_binding_remove(binding, pq_binding_find(binding, c->host));
        return true;
    }
    pq_client_config_set(config, c->host, "pratique");
    if (!pq_binding_find(binding, c->host)) {
        pq_bound *bound = pq_binding_add(binding);
        bound->host = pq_strdup(c->host);
        bound->program = pq_strdup("/p");
        bound->config = pq_strdup("/c");
        bound->access = pq_strdup("generic");
    }
    return true;
}

static bool edit(const char *path, change *c, pq_error *err)
{
    const pq_client_edit_options options = {
        .path = path, .binding_first = !c->away, .change = make_change, .context = c};
    return pq_client_edit(&options, err);
}

static void assert_text(const char *path, const char *expected)
{
    PQ_AUTO_BUF text = PQ_BUF(PQ_MAX_TEXT);
    PQ_AUTO_ERROR err = {0};
    assert_true(pq_read_file(path, &text, &err));
    assert_string_equal(pq_buf_text(&text), expected);
}

static void it_comes_and_goes_without_a_trace(void **state)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *path = pq_path_join(*state, "docker/config.json");
    PQ_AUTO_FREE char *binding = pq_binding_beside(path);
    assert_true(edit(path, &(change){.host = "a.b"}, &err));
    assert_text(path, "{\n\t\"credHelpers\": {\n\t\t\"a.b\": \"pratique\"\n\t}\n}");
    struct stat status, again;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_int_equal(stat(binding, &again), 0);
    assert_int_equal(again.st_mode & 07777, 0600);
    /* Once more changes nothing, not even the time. */
    assert_true(edit(path, &(change){.host = "a.b"}, &err));
    assert_int_equal(stat(path, &again), 0);
    assert_true(again.st_ino == status.st_ino && again.st_mtim.tv_nsec == status.st_mtim.tv_nsec);
    assert_true(edit(path, &(change){.host = "a.b", .away = true}, &err));
    assert_false(pq_path_exists(path) || pq_path_exists(binding));
}

static void mode_and_link_stay(void **state)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *real = pq_path_join(*state, "dotfiles/docker.json");
    PQ_AUTO_FREE char *path = pq_path_join(*state, "config.json");
    pq_folder_put(*state, "dotfiles/docker.json", "{\"x\":1}");
    if (geteuid() == 0)
        assert_int_equal(chown(real, 0, 12345), 0);
    assert_int_equal(chmod(real, 0640), 0);
    assert_int_equal(symlink("dotfiles/docker.json", path), 0);
    assert_true(edit(path, &(change){.host = "a.b"}, &err));
    struct stat status;
    assert_int_equal(lstat(path, &status), 0);
    assert_true(S_ISLNK(status.st_mode));
    assert_int_equal(stat(real, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0640);
    assert_true(geteuid() != 0 || status.st_gid == 12345);
    assert_text(real, "{\"x\":1,\"credHelpers\":{\"a.b\":\"pratique\"}}");
    assert_true(edit(path, &(change){.host = "a.b", .away = true}, &err));
    assert_text(real, "{\"x\":1}");
}

static void what_a_client_writes_meanwhile_is_kept(void **state)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *path = pq_path_join(*state, "config.json");
    pq_folder_put(*state, "config.json", "{\"x\":1}");
    change c = {.host = "a.b", .interferes = "{\"y\":22}", .path = path};
    assert_true(edit(path, &c, &err));
    assert_int_equal(c.calls, 2);
    assert_text(path, "{\"y\":22,\"credHelpers\":{\"a.b\":\"pratique\"}}");
    PQ_AUTO_FREE char *fresh = pq_path_join(*state, "fresh/config.json");
    change first = {.host = "a.b", .interferes = "{\"z\":3}", .path = fresh};
    assert_true(edit(fresh, &first, &err));
    assert_text(fresh, "{\"z\":3,\"credHelpers\":{\"a.b\":\"pratique\"}}");
}

static void many_at_once_lose_nothing(void **state)
{
    enum { JOBS = 20 };
    PQ_AUTO_FREE char *path = pq_path_join(*state, "config.json");
    pid_t children[JOBS];
    for (int i = 0; i < JOBS; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            PQ_AUTO_ERROR err = {0};
            PQ_AUTO_FREE char *host = pq_asprintf("h%d.example.com", i);
            _exit(edit(path, &(change){.host = host}, &err) ? 0 : 1);
        }
    }
    for (int i = 0; i < JOBS; i++) {
        int status = 1;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    PQ_AUTO_BINDING binding = {0};
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *beside = pq_binding_beside(path);
    PQ_AUTO_BUF text = PQ_BUF(PQ_MAX_TEXT);
    assert_true(pq_binding_read(beside, NULL, &binding, &err) && pq_read_file(path, &text, &err));
    assert_int_equal(binding.count, JOBS);
    for (int i = 0; i < JOBS; i++) {
        PQ_AUTO_FREE char *key = pq_asprintf("\"h%d.example.com\": \"pratique\"", i);
        assert_non_null(strstr(pq_buf_text(&text), key));
    }
}

static void a_wrong_file_stays_as_it_is(void **state)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *path = pq_path_join(*state, "config.json");
    PQ_AUTO_FREE char *binding = pq_binding_beside(path);
    PQ_AUTO_FREE char *dangling = pq_path_join(*state, "dangling.json");
    pq_folder_put(*state, "config.json", "{\n  oops\n}");
    assert_false(edit(path, &(change){.host = "a.b"}, &err));
    assert_int_equal(err.code, PQ_EINPUT);
    assert_non_null(strstr(err.where, "config.json:2:"));
    assert_text(path, "{\n  oops\n}");
    assert_false(pq_path_exists(binding));
    assert_int_equal(symlink("nowhere", dangling), 0);
    assert_false(edit(dangling, &(change){.host = "a.b"}, &err));
    assert_int_equal(chmod(*state, 0777), 0);
    pq_folder_put(*state, "config.json", "{}");
    assert_false(edit(path, &(change){.host = "a.b"}, &err));
    assert_int_equal(err.code, PQ_EDENIED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_comes_and_goes_without_a_trace, pq_folder_make, pq_folder_remove),
        cmocka_unit_test_setup_teardown(mode_and_link_stay, pq_folder_make, pq_folder_remove),
        cmocka_unit_test_setup_teardown(what_a_client_writes_meanwhile_is_kept, pq_folder_make, pq_folder_remove),
        cmocka_unit_test_setup_teardown(many_at_once_lose_nothing, pq_folder_make, pq_folder_remove),
        cmocka_unit_test_setup_teardown(a_wrong_file_stays_as_it_is, pq_folder_make, pq_folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
