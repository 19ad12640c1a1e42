#include "pq_cmocka.h"
#include "pq_folder.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/binding.h"

static const char two[] = "pratique binding 1\n"
                          "made helpers\n"
                          "host ghcr.io\n"
                          "program /usr/bin/pratique\n"
                          "config /srv/a b.yml\n"
                          "access generic\n"
                          "user robot\n"
                          "secrets /run/s\n"
                          "key ghcr.io\n"
                          "was ecr-login\n"
                          "host docker.io\n"
                          "program /usr/bin/pratique\n"
                          "config /srv/b.yml\n"
                          "access aws\n"
                          "store /s.db\n"
                          "store-key /s.key\n"
                          "cache /run/x.answer\n"
                          "socket /run/x/socket\n"
                          "device yes\n"
                          "environment TOKEN\n"
                          "key docker.io\n"
                          "key https://index.docker.io/v1/\n"
                          "end\n";

static bool parses(const char *text, const char *only, pq_binding *out)
{
    PQ_AUTO_ERROR err = {0};
    bool good = pq_binding_parse(text, strlen(text), "binding", only, out, &err);
    assert_true(good || (err.code == PQ_EINPUT && pq_streq(err.where, "binding")));
    return good;
}

static void a_binding_is_read_and_written(void **state)
{
    (void)state;
    PQ_AUTO_BINDING binding = {0}, one = {0}, none = {0};
    PQ_AUTO_ERROR err = {0};
    assert_true(parses(two, NULL, &binding));
    assert_int_equal(binding.count, 2);
    assert_true(binding.made_helpers && !binding.made_file);
    const pq_bound *hub = pq_binding_find(&binding, "docker.io"), *ghcr = pq_binding_find(&binding, "ghcr.io");
    assert_string_equal(ghcr->config, "/srv/a b.yml");
    assert_string_equal(ghcr->were.at[0], "ecr-login");
    assert_null(ghcr->cache);
    assert_string_equal(hub->cache, "/run/x.answer");
    assert_true(hub->device && !ghcr->device);
    assert_string_equal(hub->socket, "/run/x/socket");
    assert_null(ghcr->socket);
    assert_int_equal(hub->keys.count, 2);
    assert_null(pq_binding_find(&binding, "ghcr"));
    PQ_AUTO_BUF text = PQ_BUF(10000);
    assert_true(pq_binding_format(&binding, &text, &err));
    assert_string_equal(pq_buf_text(&text), two);
    assert_true(parses(two, "docker.io", &one));
    assert_int_equal(one.count, 1);
    assert_string_equal(one.at[0].store_key, "/s.key");
    assert_true(parses(two, "quay.io", &none));
    assert_int_equal(none.count, 0);
    pq_binding_remove(&binding, ghcr);
    assert_int_equal(binding.count, 1);
    assert_string_equal(binding.at[0].host, "docker.io");
}

#define BLOCK "host a.b\nprogram /p\nconfig /c\naccess aws\n"

static void what_is_no_binding_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "pratique binding 1\n",
        "pratique binding 2\n" BLOCK "end\n",
        "pratique binding 1\n" BLOCK,
        "pratique binding 1\n" BLOCK "end",
        "pratique binding 1\n" BLOCK "end\nmore\n",
        "pratique binding 1\n" BLOCK BLOCK "end\n",
        "pratique binding 1\n" BLOCK "config /other\nend\n",
        "pratique binding 1\n" BLOCK "unknown x\nend\n",
        "pratique binding 1\n" BLOCK "was x\nend\n",
        "pratique binding 1\nhost a.b\nprogram p\nconfig /c\naccess aws\nend\n",
        "pratique binding 1\nhost a.b\nprogram /p\nconfig c.yml\naccess aws\nend\n",
        "pratique binding 1\nhost a.b\nprogram /p\naccess aws\nend\n",
        "pratique binding 1\nhost \nend\n",
        "pratique binding 1\nprogram /p\nend\n",
        "pratique binding 1\nmade hay\nend\n",
        "pratique binding 1\n" BLOCK "device no\nend\n",
        "pratique binding 1\n" BLOCK "device yes\ndevice yes\nend\n",
        "pratique binding 1\n" BLOCK "socket s\nend\n",
        "pratique binding 1\n" BLOCK "key\nend\n",
        "pratique binding 1\n" BLOCK "environment \nend\n",
        "pratique binding 1\n" BLOCK "key a\nwas \nend\n",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        PQ_AUTO_BINDING binding = {0};
        if (parses(wrong[i], NULL, &binding))
            fail_msg("binding %zu was taken", i);
    }
    PQ_AUTO_BINDING cut = {0};
    for (size_t length = 0; length < strlen(two); length++) {
        PQ_AUTO_FREE char *copy = pq_strndup(two, length);
        assert_false(parses(copy, NULL, &cut));
    }
}

static void control_characters_are_not_written(void **state)
{
    (void)state;
    PQ_AUTO_BINDING binding = {0};
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_BUF text = PQ_BUF(10000);
    assert_true(parses(two, NULL, &binding));
    free(binding.at[0].config);
    binding.at[0].config = pq_strdup("/srv/x\nprogram /evil");
    assert_false(pq_binding_format(&binding, &text, &err));
    assert_int_equal(err.code, PQ_EINPUT);
}

static pq_code read_code(const char *path)
{
    PQ_AUTO_BINDING binding = {0};
    PQ_AUTO_ERROR err = {0};
    return pq_binding_read(path, NULL, &binding, &err) ? PQ_OK : err.code;
}

static void a_file_must_be_ours_alone(void **state)
{
    PQ_AUTO_FREE char *path = pq_path_join(*state, "binding");
    PQ_AUTO_FREE char *link_path = pq_path_join(*state, "link");
    PQ_AUTO_FREE char *fifo = pq_path_join(*state, "fifo");
    assert_int_equal(read_code(path), PQ_ENOTFOUND);
    pq_folder_put(*state, "binding", two);
    assert_int_equal(read_code(path), PQ_OK);
    assert_int_equal(symlink(path, link_path), 0);
    assert_int_equal(read_code(link_path), PQ_EDENIED);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(read_code(fifo), PQ_EDENIED);
    assert_int_equal(read_code(*state), PQ_EDENIED);
    assert_int_equal(chmod(path, 0664), 0);
    assert_int_equal(read_code(path), PQ_EDENIED);
    assert_int_equal(chmod(path, 0602), 0);
    assert_int_equal(read_code(path), PQ_EDENIED);
    assert_int_equal(chmod(path, 0600), 0);
    /* Who may write the folder may put another file there. */
    assert_int_equal(chmod(*state, 0777), 0);
    assert_int_equal(read_code(path), PQ_EDENIED);
    assert_int_equal(chmod(*state, 01777), 0);
    assert_int_equal(read_code(path), PQ_OK);
    assert_int_equal(chmod(*state, 0700), 0);
    if (geteuid() == 0) {
        assert_int_equal(chown(path, 12345, 12345), 0);
        assert_int_equal(read_code(path), PQ_EDENIED);
    }
}

static void a_folder_that_is_closed_to_us_holds_none(void **state)
{
    PQ_AUTO_FREE char *folder = pq_path_join(*state, "closed");
    PQ_AUTO_FREE char *path = pq_path_join(folder, "binding");
    pid_t child = fork();
    if (child == 0) {
        bool good = mkdir(folder, 0700) == 0;
        /* As root nothing is closed. */
        good = good && (geteuid() == 0 ? chmod(*state, 0711) == 0 && setresuid(12345, 12345, 12345) == 0
                                       : chmod(folder, 0600) == 0);
        _exit(good && read_code(path) == PQ_ENOTFOUND ? 0 : 1);
    }
    int status = 1;
    assert_true(child > 0 && waitpid(child, &status, 0) == child);
    assert_int_equal(status, 0);
}

static void places(const char *const *expected)
{
    PQ_AUTO_STRINGS found = {0};
    pq_binding_places(&found);
    size_t i = 0;
    for (; expected[i] && i < found.count; i++)
        assert_string_equal(found.at[i], expected[i]);
    assert_true(!expected[i] && i == found.count);
}

static void places_are_those_of_the_clients(void **state)
{
    (void)state;
    PQ_AUTO_FREE char *run = pq_asprintf("/run/containers/%u/auth.json.pratique", (unsigned)geteuid());
    (void)unsetenv("DOCKER_CONFIG"), (void)unsetenv("REGISTRY_AUTH_FILE"), (void)unsetenv("XDG_CONFIG_HOME");
    (void)setenv("HOME", "/home/a", 1), (void)setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
    places((const char *const[]){"/home/a/.docker/config.json.pratique", "/run/user/7/containers/auth.json.pratique",
                                 run, "/home/a/.config/containers/auth.json.pratique", NULL});
    (void)setenv("DOCKER_CONFIG", "/job/docker", 1), (void)setenv("REGISTRY_AUTH_FILE", "/job/auth.json", 1);
    places((const char *const[]){"/job/docker/config.json.pratique", "/job/auth.json.pratique", NULL});
    /* A relative one would be of whatever folder the client happens to work in. */
    (void)setenv("DOCKER_CONFIG", "docker", 1), (void)setenv("REGISTRY_AUTH_FILE", "auth.json", 1);
    places((const char *const[]){NULL});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_binding_is_read_and_written),
        cmocka_unit_test(what_is_no_binding_is_refused),
        cmocka_unit_test(control_characters_are_not_written),
        cmocka_unit_test_setup_teardown(a_file_must_be_ours_alone, pq_folder_make, pq_folder_remove),
        cmocka_unit_test_setup_teardown(a_folder_that_is_closed_to_us_holds_none, pq_folder_make, pq_folder_remove),
        cmocka_unit_test(places_are_those_of_the_clients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
