#include "pq_cmocka.h"
#include "pq_folder.h"

#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "secrets/source.h"

typedef struct place {
    char *folder, *option, *variable, *system, *data, *config;
    pq_secret_environment environment;
} place;

static int setup(void **state)
{
    pq_error err = {0};
    place *at = pq_alloc(1, sizeof *at);
    if (!pq_make_temp_dir("pq-test-", &at->folder, &err) || chmod(at->folder, 0755) != 0)
        return -1;
    at->option = pq_path_join(at->folder, "option");
    at->variable = pq_path_join(at->folder, "variable");
    at->system = pq_path_join(at->folder, "system");
    at->data = pq_path_join(at->folder, "data");
    at->config = pq_path_join(at->folder, "config");
    char *const folders[] = {at->option, at->variable, at->system};
    for (size_t i = 0; i < 3; i++)
        if (!pq_make_dirs(folders[i], 0755, &err))
            return -1;
    at->environment = (pq_secret_environment){.secrets_option = at->option,
                                              .secrets_dir = at->variable,
                                              .system_dir = at->system,
                                              .xdg_data_home = at->data,
                                              .xdg_config_home = at->config};
    *state = at;
    return 0;
}

static int teardown(void **state)
{
    pq_error err = {0};
    place *at = *state;
    bool good = pq_remove_tree(at->folder, &err);
    char *const owned[] = {at->folder, at->option, at->variable, at->system, at->data, at->config};
    for (size_t i = 0; i < 6; i++)
        free(owned[i]);
    free(at);
    return good ? 0 : -1;
}

static void write_file(const char *folder, const char *name, const char *text, mode_t mode)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *path = pq_path_join(folder, name);
    assert_true(pq_write_file(path, mode, text, strlen(text), &err));
}

static void put(const place *at, const char *name, const char *value, const char *host)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_STORE *store = NULL;
    PQ_AUTO_SECRET *secret = pq_secret_new(value, strlen(value));
    PQ_AUTO_STRINGS hosts = {0};
    if (host)
        pq_strings_add(&hosts, host);
    assert_true(pq_store_open_default(&at->environment, true, &store, &err));
    assert_true(pq_store_put(store, name, secret, &hosts, &err));
}

static void assert_finds(pq_secrets *secrets, const char *name, const char *value)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_SECRET *secret = NULL;
    if (!pq_secrets_get(secrets, name, "ghcr.io", &secret, &err))
        fail_msg("%s", err.message);
    assert_string_equal(pq_secret_bytes(secret), value);
}

static void the_first_that_has_the_name_wins(void **state)
{
    place *at = *state;
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_SECRETS *secrets = NULL;
    assert_true(pq_secrets_open(&at->environment, &secrets, &err));
    put(at, "a", "from the store", NULL);
    assert_finds(secrets, "a", "from the store");
    write_file(at->system, "a", "from the system's folder", 0600);
    assert_finds(secrets, "a", "from the system's folder");
    write_file(at->variable, "a", "from the variable's folder\n", 0600);
    assert_finds(secrets, "a", "from the variable's folder\n");
    write_file(at->option, "a", "from the option's folder", 0600);
    assert_finds(secrets, "a", "from the option's folder");

    PQ_AUTO_SECRET_FOUND found = {0};
    bool here = false;
    assert_true(pq_secrets_find(secrets, "a", NULL, &found, &here, &err));
    assert_true(here);
    PQ_AUTO_FREE char *path = pq_path_join(at->option, "a");
    assert_string_equal(found.where, path);
    assert_true(pq_secrets_find(secrets, "b", NULL, &found, &here, &err));
    assert_false(here);
    assert_int_equal(err.code, PQ_OK);
}

static void a_missing_one_names_what_was_tried(void **state)
{
    place *at = *state;
    PQ_AUTO_ERROR err = {0};
    {
        PQ_AUTO_SECRETS *secrets = NULL;
        assert_true(pq_secrets_open(&at->environment, &secrets, &err));
        pq_secret *none = NULL;
        assert_false(pq_secrets_get(secrets, "ghcr", NULL, &none, &err));
        PQ_AUTO_FREE char *words =
            pq_asprintf("there is no secret named ghcr; looked in %s (--secrets), %s ($PRATIQUE_SECRETS_DIR), %s, the "
                        "store %s/pratique/secrets.db, which does not exist",
                        at->option, at->variable, at->system, at->data);
        assert_string_equal(err.message, words);
        PQ_AUTO_FREE char *hint =
            pq_asprintf("put it into the file %s/ghcr, or set it with `pratique secrets update ghcr=-`", at->option);
        assert_string_equal(err.hint, hint);
        assert_int_equal(err.code, PQ_ECONFIG);
        assert_null(err.where);
    }
    put(at, "other", "x", NULL);
    PQ_AUTO_FREE char *absent = pq_path_join(at->folder, "absent");
    pq_secret_environment bare = {
        .system_dir = absent, .xdg_data_home = at->data, .xdg_config_home = at->config, .secrets_dir = ""};
    PQ_AUTO_SECRETS *secrets = NULL;
    assert_true(pq_secrets_open(&bare, &secrets, &err));
    pq_secret *none = NULL;
    assert_false(pq_secrets_get(secrets, "ghcr", NULL, &none, &err));
    PQ_AUTO_FREE char *words =
        pq_asprintf("there is no secret named ghcr; looked in the store %s/pratique/secrets.db", at->data);
    assert_string_equal(err.message, words);
    assert_false(pq_secrets_get(secrets, "../ghcr", NULL, &none, &err));
    assert_string_equal(err.message, "../ghcr cannot be the name of a secret");
    assert_int_equal(err.code, PQ_ECONFIG);

    PQ_AUTO_SECRETS *nowhere = NULL;
    assert_true(pq_secrets_open(&(pq_secret_environment){0}, &nowhere, &err));
    assert_false(pq_secrets_get(nowhere, "ghcr", NULL, &none, &err));
    assert_string_equal(err.message, "there is no secret named ghcr; looked in no store (neither $PRATIQUE_STORE nor "
                                     "$HOME is set)");
}

static void a_folder_that_is_not_there_is_an_error(void **state)
{
    place *at = *state;
    PQ_AUTO_ERROR err = {0};
    pq_secrets *secrets = NULL;
    pq_secret_environment wrong = at->environment;
    wrong.secrets_option = "/nonexistent/option";
    assert_false(pq_secrets_open(&wrong, &secrets, &err));
    assert_string_equal(err.message, "the folder of secrets named by --secrets: no such folder");
    assert_string_equal(err.where, "/nonexistent/option");
    assert_int_equal(err.code, PQ_EUSAGE);
    wrong = at->environment;
    wrong.secrets_dir = "/dev/null";
    assert_false(pq_secrets_open(&wrong, &secrets, &err));
    assert_string_equal(err.message, "the folder of secrets named by $PRATIQUE_SECRETS_DIR: is not a folder");
    assert_int_equal(err.code, PQ_ECONFIG);
    assert_null(secrets);
}

static void assert_get_fails(pq_secrets *secrets, const char *name, pq_code code, const char *message)
{
    PQ_AUTO_ERROR err = {0};
    pq_secret *none = NULL;
    assert_false(pq_secrets_get(secrets, name, NULL, &none, &err));
    assert_string_equal(err.message, message);
    assert_int_equal(err.code, code);
    assert_non_null(err.where);
}

static void only_files_within_the_folder_are_read(void **state)
{
    pq_folder_skip_without_openat2();
    place *at = *state;
    PQ_AUTO_ERROR err = {0};
    write_file(at->folder, "outside", "not to be read", 0600);
    write_file(at->system, "out", "of the next source", 0600);
    /* As Kubernetes mounts a secret. */
    PQ_AUTO_FREE char *version = pq_path_join(at->option, "..2026_01_01");
    PQ_AUTO_FREE char *data = pq_path_join(at->option, "..data");
    PQ_AUTO_FREE char *name = pq_path_join(at->option, "kube");
    assert_true(pq_make_dirs(version, 0755, &err));
    write_file(version, "kube", "from the cluster", 0600);
    assert_int_equal(symlink("..2026_01_01", data), 0);
    assert_int_equal(symlink("..data/kube", name), 0);
    PQ_AUTO_FREE char *out = pq_path_join(at->option, "out");
    PQ_AUTO_FREE char *fifo = pq_path_join(at->option, "fifo");
    PQ_AUTO_FREE char *sub = pq_path_join(at->option, "sub");
    PQ_AUTO_FREE char *large = pq_path_join(at->option, "large");
    assert_int_equal(symlink("../outside", out), 0);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(mkdir(sub, 0700), 0);
    write_file(at->option, "large", "", 0600);
    assert_int_equal(truncate(large, (1 << 20) + 1), 0);

    PQ_AUTO_SECRETS *secrets = NULL;
    assert_true(pq_secrets_open(&at->environment, &secrets, &err));
    assert_finds(secrets, "kube", "from the cluster");
    assert_get_fails(secrets, "out", PQ_ECONFIG, "leads out of the tree, which is refused");
    assert_get_fails(secrets, "fifo", PQ_ECONFIG, "is not a regular file");
    assert_get_fails(secrets, "sub", PQ_ECONFIG, "is a folder, not a file");
    assert_get_fails(secrets, "large", PQ_ECONFIG, "the secret is larger than 1048576 bytes");
}

static void a_file_open_to_all_is_warned_of(void **state)
{
    place *at = *state;
    PQ_AUTO_ERROR err = {0};
    pq_log_setup(PQ_QUIET, false);
    write_file(at->option, "open", "x", 0644);
    write_file(at->option, "shut", "x", 0640);
    write_file(at->variable, "hidden", "x", 0644);
    assert_int_equal(chmod(at->variable, 0750), 0);
    PQ_AUTO_SECRETS *secrets = NULL;
    assert_true(pq_secrets_open(&at->environment, &secrets, &err));
    size_t before = pq_warnings()->count;
    assert_finds(secrets, "shut", "x");
    assert_finds(secrets, "hidden", "x");
    assert_int_equal(pq_warnings()->count, before);
    assert_finds(secrets, "open", "x");
    assert_int_equal(pq_warnings()->count, before + 1);
    PQ_AUTO_FREE char *path = pq_path_join(at->option, "open");
    assert_string_equal(pq_warnings()->at[before].where, path);
}

static void a_bound_secret_goes_nowhere_else(void **state)
{
    place *at = *state;
    PQ_AUTO_ERROR err = {0};
    put(at, "bound", "x", "ghcr.io");
    PQ_AUTO_SECRETS *secrets = NULL;
    assert_true(pq_secrets_open(&at->environment, &secrets, &err));
    assert_finds(secrets, "bound", "x");
    PQ_AUTO_SECRET *same = NULL;
    assert_true(pq_secrets_get(secrets, "bound", "GHCR.IO:443", &same, &err));
    PQ_AUTO_SECRET *nowhere = NULL;
    assert_true(pq_secrets_get(secrets, "bound", NULL, &nowhere, &err));
    static const char *const others[] = {"evil.example", "ghcr.io.evil.example", "ghcr.io:444"};
    for (size_t i = 0; i < 3; i++) {
        pq_secret *none = NULL;
        assert_false(pq_secrets_get(secrets, "bound", others[i], &none, &err));
        PQ_AUTO_FREE char *words = pq_asprintf("the secret bound is bound to ghcr.io and is not sent to %s", others[i]);
        assert_string_equal(err.message, words);
        assert_int_equal(err.code, PQ_ECONFIG);
        assert_null(none);
    }
    /* The binding belongs to the store; a folder has none. */
    write_file(at->option, "bound", "y", 0600);
    PQ_AUTO_SECRET *free_one = NULL;
    assert_true(pq_secrets_get(secrets, "bound", "evil.example", &free_one, &err));
}

static void a_broken_store_matters_only_when_reached(void **state)
{
    place *at = *state;
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *folder = pq_path_join(at->data, "pratique");
    assert_true(pq_make_dirs(folder, 0700, &err));
    write_file(folder, "secrets.db", "not a store", 0600);
    write_file(at->option, "a", "x", 0600);
    PQ_AUTO_SECRETS *secrets = NULL;
    assert_true(pq_secrets_open(&at->environment, &secrets, &err));
    assert_finds(secrets, "a", "x");
    assert_get_fails(secrets, "b", PQ_EINPUT, "is not a store of secrets: it is no SQLite database, or was truncated");
}

static void assert_place(const pq_secret_environment *environment, const char *path, const char *key, bool credential)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_STORE_PLACE found = {0};
    assert_true(pq_store_place_find(environment, &found, &err));
    assert_string_equal(found.path, path);
    assert_string_equal(found.key_path, key);
    assert_int_equal(found.key_is_credential, credential);
}

static void the_store_is_where_the_contract_says(void **state)
{
    place *at = *state;
    pq_secret_environment environment = {.home = "/home/u"};
    assert_place(&environment, "/home/u/.local/share/pratique/secrets.db", "/home/u/.config/pratique/store.key", false);
    environment.xdg_data_home = "relative"; /* the specification says to ignore it */
    environment.xdg_config_home = "";
    assert_place(&environment, "/home/u/.local/share/pratique/secrets.db", "/home/u/.config/pratique/store.key", false);
    environment.xdg_data_home = "/d";
    environment.xdg_config_home = "/c";
    assert_place(&environment, "/d/pratique/secrets.db", "/c/pratique/store.key", false);
    environment.credentials_directory = at->option; /* which may hold other credentials only */
    assert_place(&environment, "/d/pratique/secrets.db", "/c/pratique/store.key", false);
    write_file(at->option, "pratique.key", "x", 0400);
    PQ_AUTO_FREE char *credential = pq_path_join(at->option, "pratique.key");
    assert_place(&environment, "/d/pratique/secrets.db", credential, true);
    environment.store = "s.db";
    environment.store_key_file = "k";
    assert_place(&environment, "s.db", "k", false);

    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_STORE_PLACE none = {0};
    assert_false(pq_store_place_find(&(pq_secret_environment){.store_key_file = "k"}, &none, &err));
    assert_string_equal(err.hint, "set $PRATIQUE_STORE to the path of a file");
    assert_false(pq_store_place_find(&(pq_secret_environment){.store = "s"}, &none, &err));
    assert_string_equal(err.hint, "set $PRATIQUE_STORE_KEY_FILE to the path of a file");
    assert_int_equal(err.code, PQ_ECONFIG);
}

static void the_environment_is_read(void **state)
{
    (void)state;
    assert_int_equal(setenv("PRATIQUE_SECRETS_DIR", "/p/s", 1), 0);
    assert_int_equal(setenv("PRATIQUE_STORE", "/p/db", 1), 0);
    assert_int_equal(setenv("PRATIQUE_STORE_KEY_FILE", "/p/key", 1), 0);
    pq_secret_environment environment = pq_secret_environment_read("option");
    assert_string_equal(environment.secrets_option, "option");
    assert_string_equal(environment.secrets_dir, "/p/s");
    assert_string_equal(environment.system_dir, "/secrets");
    assert_string_equal(environment.store, "/p/db");
    assert_string_equal(environment.store_key_file, "/p/key");
}

#define WITH_PLACE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_PLACE(the_first_that_has_the_name_wins),
        WITH_PLACE(a_missing_one_names_what_was_tried),
        WITH_PLACE(a_folder_that_is_not_there_is_an_error),
        WITH_PLACE(only_files_within_the_folder_are_read),
        WITH_PLACE(a_file_open_to_all_is_warned_of),
        WITH_PLACE(a_bound_secret_goes_nowhere_else),
        WITH_PLACE(a_broken_store_matters_only_when_reached),
        WITH_PLACE(the_store_is_where_the_contract_says),
        cmocka_unit_test(the_environment_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
