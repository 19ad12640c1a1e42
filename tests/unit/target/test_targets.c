#include "pq_cmocka.h"

#include <string.h>

#include "base/file.h"
#include "target/targets.h"

typedef struct place {
    char *folder, *repo, *keys;
    pq_secret *passphrase;
    pq_tuf_keys opened;
} place;

static int make_place(void **state)
{
    pq_error err = {0};
    place *p = pq_alloc(1, sizeof *p);
    if (!pq_make_temp_dir("pq-test-", &p->folder, &err))
        return -1;
    p->repo = pq_path_join(p->folder, "repo");
    p->keys = pq_path_join(p->folder, "keys");
    p->passphrase = pq_secret_new("passphrase", 10);
    *state = p;
    return pq_tuf_init(p->repo, p->keys, p->passphrase, &(pq_tuf_options){0}, &err) &&
                   pq_tuf_keys_open(p->keys, p->passphrase, &p->opened, &err)
               ? 0
               : -1;
}

static int remove_place(void **state)
{
    pq_error err = {0};
    place *p = *state;
    pq_tuf_keys_clear(&p->opened);
    pq_secret_free(p->passphrase);
    bool good = pq_remove_tree(p->folder, &err);
    free(p->folder);
    free(p->repo);
    free(p->keys);
    free(p);
    return good ? 0 : -1;
}

/* One run of a build: makes Targets and signs what is new. */
static void build(place *p, const char *tag, const char *machine, const char *app_uri, const char *revision,
                  pq_new_targets *out)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_TUF *tuf = NULL;
    assert_true(pq_tuf_open(p->repo, p->keys, true, &tuf, &err));
    PQ_AUTO_STRINGS machines = {0};
    pq_strings_add(&machines, machine);
    PQ_AUTO_BUF release = PQ_BUF(100);
    pq_buf_adds(&release, "{}");
    pq_target_app app = {.name = "shop", .uri = app_uri};
    pq_targets_options options = {.tag = tag,
                                  .version = pq_targets_next_version(pq_tuf_current(tuf)),
                                  .machines = &machines,
                                  .apps = &app,
                                  .app_count = 1,
                                  .revision = revision,
                                  .release = &release,
                                  .now = 1795442700};
    assert_true(pq_targets_make(pq_tuf_current(tuf), &options, out, &err));
    if (out->count)
        assert_true(pq_tuf_add_targets(tuf, &p->opened, out->at, out->count, &(pq_tuf_options){0}, &err));
}

static const char *custom_text(const pq_new_targets *list, const char *key)
{
    return json_string_value(json_object_get(list->at[0].custom, key));
}

static void what_is_the_same_adds_nothing(void **state)
{
    PQ_AUTO_NEW_TARGETS first = {0}, same = {0}, changed = {0}, other_tag = {0};
    build(*state, "main", "pi", "hub/a/shop@sha256:1", "r1", &first);
    assert_int_equal(first.count, 1);
    assert_string_equal(first.at[0].name, "pi-lmp-1");
    assert_string_equal(custom_text(&first, "version"), "1");
    assert_string_equal(custom_text(&first, "name"), "pi-lmp");
    assert_string_equal(custom_text(&first, "targetFormat"), "BINARY");
    assert_string_equal(custom_text(&first, "containers-sha"), "r1");
    assert_string_equal(custom_text(&first, "createdAt"), "2026-11-23T14:05:00Z");
    build(*state, "main", "pi", "hub/a/shop@sha256:1", "r1", &same);
    assert_int_equal(same.count, 0);
    assert_int_equal(same.unchanged, 1);
    assert_string_equal(same.unchanged_names.at[0], "pi-lmp-1");
    build(*state, "main", "pi", "hub/a/shop@sha256:1", "r2", &changed);
    assert_string_equal(changed.at[0].name, "pi-lmp-2");
    build(*state, "devel", "pi", "hub/a/shop@sha256:1", "r2", &other_tag);
    assert_string_equal(other_tag.at[0].name, "pi-lmp-3");
}

static void a_used_version_is_refused(void **state)
{
    place *p = *state;
    PQ_AUTO_NEW_TARGETS first = {0};
    build(p, "main", "pi", "hub/a/shop@sha256:1", "r1", &first);
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_TUF *tuf = NULL;
    assert_true(pq_tuf_open(p->repo, p->keys, false, &tuf, &err));
    assert_false(pq_targets_check_version(pq_tuf_current(tuf), 1, &err));
    assert_int_equal(err.code, PQ_EUSAGE);
    assert_true(pq_targets_check_version(pq_tuf_current(tuf), 2, &err));
}

/* A container build keeps the newest OSTREE Target's operating system (protocols: ci-scripts, target_manager.py). */
static void an_ostree_target_is_carried_on(void **state)
{
    place *p = *state;
    PQ_AUTO_ERROR err = {0};
    json_t *custom = json_pack("{s:s, s:s, s:[s], s:[s], s:s, s:s, s:{}, s:s, s:s}", "name", "pi-lmp", "version", "41",
                               "hardwareIds", "pi", "tags", "main", "targetFormat", "OSTREE", "uri", "https://ci/41",
                               "docker_apps", "arch", "aarch64", "origUriApps", "x");
    pq_tuf_new_target base = {.name = "pi-lmp-41", .hash = pq_sha256_of("commit", 6), .length = 0, .custom = custom};
    {
        PQ_AUTO_TUF *tuf = NULL;
        assert_true(pq_tuf_open(p->repo, p->keys, true, &tuf, &err));
        assert_true(pq_tuf_add_targets(tuf, &p->opened, &base, 1, &(pq_tuf_options){0}, &err));
    }
    json_decref(custom);
    PQ_AUTO_NEW_TARGETS built = {0};
    build(p, "main", "pi", "hub/a/shop@sha256:1", "r1", &built);
    assert_int_equal(built.count, 1);
    assert_string_equal(built.at[0].name, "pi-lmp-42");
    assert_memory_equal(built.at[0].hash.bytes, base.hash.bytes, PQ_SHA256_SIZE);
    assert_null(built.at[0].bytes);
    assert_string_equal(custom_text(&built, "targetFormat"), "OSTREE");
    assert_string_equal(custom_text(&built, "arch"), "aarch64");
    assert_string_equal(custom_text(&built, "origUri"), "https://ci/41");
    assert_null(json_object_get(built.at[0].custom, "docker_apps"));
    assert_null(json_object_get(built.at[0].custom, "origUriApps"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_the_same_adds_nothing, make_place, remove_place),
        cmocka_unit_test_setup_teardown(a_used_version_is_refused, make_place, remove_place),
        cmocka_unit_test_setup_teardown(an_ostree_target_is_carried_on, make_place, remove_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
