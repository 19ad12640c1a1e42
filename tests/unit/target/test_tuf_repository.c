#include "pq_cmocka.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "tuf_fixture.h"

static void init_makes_a_repository_that_can_be_served(void **state)
{
    fixture *f = *state;
    static const char *const files[] = {"metadata/1.root.json", "metadata/root.json", "metadata/1.targets.json",
                                        "metadata/1.snapshot.json", "metadata/timestamp.json"};
    struct stat status;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        PQ_AUTO_FREE char *path = pq_path_join(f->repo, files[i]);
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_mode & 0777, 0644);
    }
    static const char *const keys[] = {"root.key", "targets.key", "snapshot.key", "timestamp.key"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        PQ_AUTO_FREE char *path = pq_path_join(f->keys_folder, keys[i]);
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_mode & 0777, 0600);
    }
    assert_int_equal(stat(f->keys_folder, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
}

static void init_refuses_what_would_do_harm(void **state)
{
    fixture *f = *state;
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *other_keys = pq_path_join(f->folder, "other-keys");
    PQ_AUTO_FREE char *other_repo = pq_path_join(f->folder, "other-repo");
    assert_false(pq_tuf_init(f->repo, other_keys, f->passphrase, NULL, &err));
    assert_string_equal(err.message, "is a TUF repository already");
    assert_false(pq_tuf_init(other_repo, f->keys_folder, f->passphrase, NULL, &err));
    assert_string_equal(err.where, f->keys_folder);
    static const char *const inside[] = {"other-repo", "other-repo/keys/deep", "repo/../other-repo/keys",
                                         "other-repo//./keys/"};
    for (size_t i = 0; i < sizeof inside / sizeof *inside; i++) {
        PQ_AUTO_FREE char *keys = pq_path_join(f->folder, inside[i]);
        assert_false(pq_tuf_init(other_repo, keys, f->passphrase, NULL, &err));
        assert_int_equal(err.code, PQ_EUSAGE);
        assert_string_equal(err.message, "the private keys would lie in the repository and be served with it");
    }
    /* A link into the repository. */
    PQ_AUTO_FREE char *link = pq_path_join(f->folder, "link");
    PQ_AUTO_FREE char *linked = pq_path_join(link, "keys");
    assert_int_equal(symlink("repo", link), 0);
    assert_false(pq_tuf_init(f->repo, linked, f->passphrase, NULL, &err));
    assert_int_equal(err.code, PQ_EUSAGE);
    /* Nothing was made on the way. */
    assert_false(pq_path_exists(other_keys));
    assert_false(pq_path_exists(other_repo));
    const pq_tuf_options wrong = {.targets_expire_after = "soon"};
    assert_false(pq_tuf_init(other_repo, other_keys, f->passphrase, &wrong, &err));
    assert_int_equal(err.code, PQ_ECONFIG);
}

static void keys_open_with_their_passphrase_only(void **state)
{
    fixture *f = *state;
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_SECRET *wrong = pq_secret_new("another passphrase", 18);
    PQ_AUTO_TUF_KEYS keys = {0};
    assert_false(pq_tuf_keys_open(f->keys_folder, wrong, &keys, &err));
    assert_int_equal(err.code, PQ_ECONFIG);
    /* A key file in another's place. */
    PQ_AUTO_FREE char *targets = pq_path_join(f->keys_folder, "targets.key");
    PQ_AUTO_FREE char *snapshot = pq_path_join(f->keys_folder, "snapshot.key");
    PQ_AUTO_FREE char *aside = pq_path_join(f->keys_folder, "aside");
    assert_int_equal(rename(targets, aside), 0);
    assert_false(pq_tuf_keys_open(f->keys_folder, f->passphrase, &keys, &err));
    assert_string_equal(err.message, "the targets key is missing");
    assert_int_equal(link(snapshot, targets), 0);
    assert_false(pq_tuf_keys_open(f->keys_folder, f->passphrase, &keys, &err));
    assert_int_equal(rename(aside, targets), 0);
}

static void targets_are_added_without_the_root_key(void **state)
{
    fixture *f = *state;
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *root_key = pq_path_join(f->keys_folder, "root.key");
    assert_int_equal(unlink(root_key), 0);
    fixture_add(f, "raspberrypi4-64-lmp-1", "{\"lock\": 1}", "1");
    PQ_AUTO_TUF *tuf = NULL;
    assert_true(pq_tuf_open(f->repo, f->keys_folder, true, &tuf, &err));
    json_auto_t *custom = json_pack("{s:s,s:s}", "version", "10", "targetFormat", "OSTREE");
    pq_tuf_new_target two[] = {
        {.name = "raspberrypi4-64-lmp-10", .hash = pq_sha256_of("commit", 6), .custom = custom},
        {.name = "raspberrypi4-64-lmp-9", .bytes = "9", .length = 1},
    };
    assert_true(pq_tuf_add_targets(tuf, &f->keys, two, 2, NULL, &err));
    const pq_tuf_state *now = pq_tuf_current(tuf);
    assert_int_equal(now->targets.version, 3);
    assert_int_equal(now->snapshot.version, 3);
    assert_int_equal(now->timestamp.version, 3);
    size_t count;
    PQ_AUTO_FREE pq_tuf_listed *list = pq_tuf_list_targets(now, &count);
    assert_int_equal(count, 3);
    assert_string_equal(list[0].name, "raspberrypi4-64-lmp-9"); /* it has no version */
    assert_string_equal(list[2].name, "raspberrypi4-64-lmp-10");
    assert_int_equal(list[2].version, 10);
    assert_false(pq_tuf_add_targets(tuf, &f->keys, two, 1, NULL, &err));
    assert_string_equal(err.message, "there is a Target raspberrypi4-64-lmp-10 already");
    two[0].name = "../out";
    assert_false(pq_tuf_add_targets(tuf, &f->keys, two, 1, NULL, &err));
    two[0].name = two[1].name = "same";
    assert_false(pq_tuf_add_targets(tuf, &f->keys, two, 2, NULL, &err));
    assert_string_equal(err.message, "is given twice");
    assert_int_equal(pq_tuf_current(tuf)->targets.version, 3);
    PQ_AUTO_TUF *reader = NULL;
    assert_true(pq_tuf_open(f->repo, NULL, false, &reader, &err));
    assert_false(pq_tuf_add_targets(reader, &f->keys, two, 1, NULL, &err));
    assert_string_equal(err.message, "was opened for reading only");
}

static void keys_of_another_repository_are_refused(void **state)
{
    fixture *f = *state;
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_TUF_KEYS others = {0};
    assert_true(pq_tuf_keys_generate("elsewhere", &others, &err));
    PQ_AUTO_TUF *tuf = NULL;
    assert_true(pq_tuf_open(f->repo, f->keys_folder, true, &tuf, &err));
    const pq_tuf_new_target target = {.name = "x", .bytes = "x", .length = 1};
    assert_false(pq_tuf_add_targets(tuf, &others, &target, 1, NULL, &err));
    assert_string_equal(err.where, "elsewhere");
    assert_int_equal(err.code, PQ_EINPUT);
}

static void overwrite(const char *folder, const char *name, const char *text)
{
    PQ_AUTO_FREE char *path = pq_path_join(folder, name);
    MUST(pq_write_file(path, 0644, text, strlen(text), fixture_error()));
}

static void nothing_is_signed_on_top_of_a_tampered_repository(void **state)
{
    fixture *f = *state;
    PQ_AUTO_ERROR err = {0};
    fixture_add(f, "tampered", "honest bytes", "20");
    pq_sha256 hash = pq_sha256_of("honest bytes", 12);
    char hex[PQ_SHA256_HEX];
    pq_sha256_hex(&hash, hex);
    PQ_AUTO_FREE char *target = pq_asprintf("targets/%s.tampered", hex);
    PQ_AUTO_FREE char *path = pq_path_join(f->repo, target);
    PQ_AUTO_TUF *tuf = NULL;
    assert_int_equal(unlink(path), 0);
    assert_false(pq_tuf_open(f->repo, f->keys_folder, true, &tuf, &err));
    overwrite(f->repo, target, "other! bytes");
    assert_false(pq_tuf_open(f->repo, f->keys_folder, true, &tuf, &err));
    assert_int_equal(err.code, PQ_EUNTRUSTED);
    overwrite(f->repo, target, "honest bytes");
    assert_true(pq_tuf_open(f->repo, f->keys_folder, true, &tuf, &err));
    pq_tuf_close(pq_steal(tuf));

    /* A whole repository of somebody else: proven by its own root, not by the one that lies beside the keys. */
    PQ_AUTO_FREE char *evil = pq_path_join(f->folder, "evil");
    PQ_AUTO_FREE char *evil_keys = pq_path_join(f->folder, "evil-keys");
    assert_true(pq_tuf_init(evil, evil_keys, f->passphrase, NULL, &err));
    assert_false(pq_tuf_open(evil, f->keys_folder, true, &tuf, &err));
    assert_int_equal(err.code, PQ_EUNTRUSTED);
    PQ_AUTO_FREE char *nowhere = pq_path_join(f->folder, "nowhere");
    assert_false(pq_tuf_open(nowhere, NULL, false, &tuf, &err));
    assert_false(pq_tuf_open(f->folder, NULL, false, &tuf, &err));
    assert_string_equal(err.message, "is not a TUF repository");
}

static void two_runs_at_once_lose_nothing(void **state)
{
    fixture *f = *state;
    enum { RUNS = 4, EACH = 5 };
    pid_t children[RUNS];
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_TUF *before = NULL, *after = NULL;
    assert_true(pq_tuf_open(f->repo, NULL, false, &before, &err));
    for (int i = 0; i < RUNS; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            for (int j = 0; j < EACH; j++) {
                PQ_AUTO_FREE char *name = pq_asprintf("run-%d-%d", i, j);
                fixture_add(f, name, name, "1");
            }
            _exit(0);
        }
    }
    for (int i = 0; i < RUNS; i++) {
        int status = 0;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    assert_true(pq_tuf_open(f->repo, NULL, false, &after, &err));
    assert_int_equal(pq_tuf_current(after)->targets.version, pq_tuf_current(before)->targets.version + RUNS * EACH);
    assert_int_equal(json_object_size(pq_tuf_current(after)->targets.targets),
                     json_object_size(pq_tuf_current(before)->targets.targets) + RUNS * EACH);
}

/* Killed at any moment, the repository is in its state before or after, and takes the next Target. */
static void a_killed_run_leaves_a_valid_repository(void **state)
{
    fixture *f = *state;
    PQ_AUTO_ERROR err = {0};
    int finished = 0;
    for (int i = 0; i < 60; i++) {
        pid_t child = fork();
        if (child == 0) {
            PQ_AUTO_FREE char *name = pq_asprintf("killed-%d", i);
            fixture_add(f, name, name, "1");
            _exit(0);
        }
        (void)usleep((useconds_t)(i * 200));
        (void)kill(child, SIGKILL);
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        finished += WIFEXITED(status) ? 1 : 0;
        PQ_AUTO_TUF *tuf = NULL;
        if (!pq_tuf_open(f->repo, f->keys_folder, false, &tuf, &err))
            fail_msg("%s: %s", err.where, err.message);
    }
    print_message("%d of 60 runs finished before they were killed\n", finished);
    fixture_add(f, "after-the-kills", "x", "1");
}

static void an_expired_repository_is_renewed_by_a_build(void **state)
{
    (void)state;
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *folder = NULL;
    assert_true(pq_make_temp_dir("pq-tuf-", &folder, &err));
    PQ_AUTO_FREE char *repo = pq_path_join(folder, "repo"), *keys_folder = pq_path_join(folder, "keys");
    PQ_AUTO_SECRET *passphrase = pq_secret_new("correct horse battery", 21);
    const pq_tuf_options long_ago = {.now = pq_now() - 400L * 86400};
    assert_true(pq_tuf_init(repo, keys_folder, passphrase, &long_ago, &err));
    PQ_AUTO_TUF_KEYS keys = {0};
    assert_true(pq_tuf_keys_open(keys_folder, passphrase, &keys, &err));
    PQ_AUTO_TUF *tuf = NULL;
    assert_true(pq_tuf_open(repo, keys_folder, true, &tuf, &err));
    assert_true(pq_tuf_current(tuf)->timestamp.expires < pq_now());
    const pq_tuf_new_target target = {.name = "x", .bytes = "x", .length = 1};
    const pq_tuf_options options = {.targets_expire_after = "1Y3M5D"};
    assert_true(pq_tuf_add_targets(tuf, &keys, &target, 1, &options, &err));
    assert_true(pq_tuf_current(tuf)->timestamp.expires > pq_now() + 365L * 86400);
    assert_true(pq_remove_tree(folder, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(init_makes_a_repository_that_can_be_served),
        cmocka_unit_test(init_refuses_what_would_do_harm),
        cmocka_unit_test(keys_open_with_their_passphrase_only),
        cmocka_unit_test(targets_are_added_without_the_root_key),
        cmocka_unit_test(keys_of_another_repository_are_refused),
        cmocka_unit_test(nothing_is_signed_on_top_of_a_tampered_repository),
        cmocka_unit_test(two_runs_at_once_lose_nothing),
        cmocka_unit_test(a_killed_run_leaves_a_valid_repository),
        cmocka_unit_test(an_expired_repository_is_renewed_by_a_build),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
