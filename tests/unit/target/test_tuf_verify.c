#include "pq_cmocka.h"

#include "base/clock.h"
#include "tuf_fixture.h"

static const char *const name = "raspberrypi4-64-lmp-1";

static int setup(void **state)
{
    if (fixture_setup(state) != 0)
        return -1;
    fixture_add(*state, name, "{\"lock\": 1}", "1");
    return 0;
}

static bool verify(fixture *f, const char *state_dir, time_t now, pq_tuf_state *out, pq_error *err)
{
    const pq_tuf_source source = fixture_source(f);
    const pq_tuf_trust trust = {
        .root = f->root.data,
        .root_length = f->root.length,
        .root_name = "root.json",
        .state_dir = state_dir,
        .now = now ? now : pq_now(),
    };
    return pq_tuf_verify(&source, &trust, out, err);
}

static void refused(fixture *f, const char *state_dir, time_t now, const char *where, const char *message)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_TUF_STATE proven = {0};
    assert_false(verify(f, state_dir, now, &proven, &err));
    assert_int_equal(err.code, PQ_EUNTRUSTED);
    assert_string_equal(err.where, where);
    if (!strstr(err.message, message))
        fail_msg("\"%s\" does not say \"%s\"", err.message, message);
    fixture_restore(f);
}

/* The chain from targets to timestamp again, signed properly, around what was replaced. */
static void chain(fixture *f, const char *targets_path)
{
    const pq_sign_key *snapshot_key = f->keys.at[PQ_TUF_SNAPSHOT], *timestamp_key = f->keys.at[PQ_TUF_TIMESTAMP];
    PQ_AUTO_BUF targets = PQ_BUF(1u << 20), snapshot = PQ_BUF(1u << 20);
    MUST(fixture_read(f, targets_path, &targets, fixture_error()));
    PQ_AUTO_FREE char *digest = pq_sha256_digest(targets.data, targets.length);
    json_auto_t *snapshot_body = fixture_body(f, "metadata/2.snapshot.json");
    json_t *entry = json_object_get(json_object_get(snapshot_body, "meta"), "targets.json");
    json_object_set_new(entry, "length", json_integer((json_int_t)targets.length));
    json_object_set_new(entry, "hashes", json_pack("{s:s}", "sha256", digest + 7));
    fixture_sign(f, "metadata/2.snapshot.json", snapshot_body, &snapshot_key, 1);
    MUST(fixture_read(f, "metadata/2.snapshot.json", &snapshot, fixture_error()));
    PQ_AUTO_FREE char *snapshot_digest = pq_sha256_digest(snapshot.data, snapshot.length);
    json_auto_t *body = fixture_body(f, "metadata/timestamp.json");
    entry = json_object_get(json_object_get(body, "meta"), "snapshot.json");
    json_object_set_new(entry, "length", json_integer((json_int_t)snapshot.length));
    json_object_set_new(entry, "hashes", json_pack("{s:s}", "sha256", snapshot_digest + 7));
    fixture_sign(f, "metadata/timestamp.json", body, &timestamp_key, 1);
}

static void an_honest_repository_is_proven(void **state)
{
    fixture *f = *state;
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_TUF_STATE proven = {0};
    assert_true(verify(f, NULL, 0, &proven, &err));
    assert_int_equal(proven.targets.version, 2);
    const pq_tuf_source source = fixture_source(f);
    PQ_AUTO_BUF bytes = PQ_BUF(100);
    assert_true(pq_tuf_read_target(&source, &proven, name, &bytes, &err));
    assert_string_equal(pq_buf_text(&bytes), "{\"lock\": 1}");
    pq_buf_clear(&bytes);
    assert_false(pq_tuf_read_target(&source, &proven, "nothing", &bytes, &err));
    assert_int_equal(err.code, PQ_ENOTFOUND);
    size_t count;
    PQ_AUTO_FREE pq_tuf_listed *list = pq_tuf_list_targets(&proven, &count);
    assert_int_equal(count, 1);
    assert_string_equal(list[0].name, name);
    assert_int_equal(list[0].version, 1);
}

static void a_changed_artifact_is_refused(void **state)
{
    fixture *f = *state;
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_TUF_STATE proven = {0};
    assert_true(verify(f, NULL, 0, &proven, &err));
    pq_tuf_file file;
    assert_true(pq_tuf_target(&proven.targets, name, &file, NULL));
    PQ_AUTO_FREE char *path = pq_tuf_target_path(&proven, name, &file.hash);
    const pq_tuf_source source = fixture_source(f);
    PQ_AUTO_BUF bytes = PQ_BUF(100);
    fixture_replace(f, path, "{\"lock\": 2}", 11);
    assert_false(pq_tuf_read_target(&source, &proven, name, &bytes, &err));
    assert_int_equal(err.code, PQ_EUNTRUSTED);
    assert_string_equal(err.message, "its bytes do not have the SHA-256 that targets.json says");
    fixture_restore(f);
}

static void changed_metadata_is_refused(void **state)
{
    fixture *f = *state;
    json_auto_t *body = fixture_body(f, "metadata/timestamp.json");
    json_object_set_new(body, "version", json_integer(9));
    /* Signed by a key that the root does not name for it. */
    fixture_sign(f, "metadata/timestamp.json", body, (const pq_sign_key *const *)&f->keys.at[PQ_TUF_TARGETS], 1);
    refused(f, NULL, 0, "repo/metadata/timestamp.json", "has 0 signatures of timestamp keys");
    /* The signature of the right key over other bytes. */
    PQ_AUTO_BUF bytes = PQ_BUF(1u << 20);
    MUST(fixture_read(f, "metadata/timestamp.json", &bytes, fixture_error()));
    char *place = strstr(bytes.data, "\"version\": 2");
    assert_non_null(place);
    place[11] = '3';
    fixture_replace(f, "metadata/timestamp.json", bytes.data, bytes.length);
    refused(f, NULL, 0, "repo/metadata/timestamp.json", "does not fit the contents");
    /* A byte of a file that another names. */
    pq_buf_clear(&bytes);
    MUST(fixture_read(f, "metadata/2.targets.json", &bytes, fixture_error()));
    bytes.data[20] ^= 1;
    fixture_replace(f, "metadata/2.targets.json", bytes.data, bytes.length);
    refused(f, NULL, 0, "repo/metadata/2.targets.json", "do not have the SHA-256 that snapshot.json says");
    fixture_replace(f, "metadata/2.targets.json", bytes.data, bytes.length - 1);
    refused(f, NULL, 0, "repo/metadata/2.targets.json", "snapshot.json says");
}

static void a_version_that_is_not_the_named_one_is_refused(void **state)
{
    fixture *f = *state;
    json_auto_t *body = fixture_body(f, "metadata/2.targets.json");
    json_object_set_new(body, "version", json_integer(1));
    fixture_sign(f, "metadata/2.targets.json", body, (const pq_sign_key *const *)&f->keys.at[PQ_TUF_TARGETS], 1);
    chain(f, "metadata/2.targets.json");
    refused(f, NULL, 0, "repo/metadata/2.targets.json", "has version 1, and snapshot.json says 2");
}

static void expired_metadata_is_refused(void **state)
{
    fixture *f = *state;
    time_t later;
    assert_true(pq_time_add_period(pq_now(), "1Y2D", &later));
    refused(f, NULL, later, "repo/metadata/timestamp.json", "timestamp metadata expired on ");
    assert_true(pq_time_add_period(pq_now(), "11Y", &later));
    refused(f, NULL, later, "root.json", "root metadata expired on ");
    json_auto_t *body = fixture_body(f, "metadata/2.targets.json");
    json_object_set_new(body, "expires", json_string("2020-01-01T00:00:00Z"));
    fixture_sign(f, "metadata/2.targets.json", body, (const pq_sign_key *const *)&f->keys.at[PQ_TUF_TARGETS], 1);
    chain(f, "metadata/2.targets.json");
    refused(f, NULL, 0, "repo/metadata/2.targets.json", "targets metadata expired on 2020-01-01T00:00:00Z");
}

static void an_older_state_is_refused_when_a_newer_was_seen(void **state)
{
    fixture *f = *state;
    PQ_AUTO_FREE char *seen = pq_path_join(f->folder, "seen");
    PQ_AUTO_BUF old = PQ_BUF(1u << 20);
    PQ_AUTO_ERROR err = {0};
    MUST(fixture_read(f, "metadata/timestamp.json", &old, fixture_error()));
    fixture_add(f, "raspberrypi4-64-lmp-2", "{\"lock\": 2}", "2");
    {
        PQ_AUTO_TUF_STATE proven = {0};
        assert_true(verify(f, seen, 0, &proven, &err));
    }
    {
        PQ_AUTO_TUF_STATE again = {0};
        assert_true(verify(f, seen, 0, &again, &err));
    }
    fixture_replace(f, "metadata/timestamp.json", old.data, old.length);
    refused(f, seen, 0, "repo/metadata/timestamp.json", "timestamp version 2 is older than 3");
    /* The same version with other contents. */
    json_auto_t *body = fixture_body(f, "metadata/timestamp.json");
    json_object_set_new(body, "x-other", json_true());
    fixture_sign(f, "metadata/timestamp.json", body, (const pq_sign_key *const *)&f->keys.at[PQ_TUF_TIMESTAMP], 1);
    refused(f, seen, 0, "repo/metadata/timestamp.json", "timestamp version 3 was seen before with other contents");
    /* A newer timestamp that names an older snapshot. */
    json_object_set_new(body, "version", json_integer(4));
    json_object_set_new(json_object_get(json_object_get(body, "meta"), "snapshot.json"), "version", json_integer(2));
    fixture_sign(f, "metadata/timestamp.json", body, (const pq_sign_key *const *)&f->keys.at[PQ_TUF_TIMESTAMP], 1);
    refused(f, seen, 0, "repo/metadata/timestamp.json", "it names a snapshot whose version 2 is older than 3");
    /* What is kept is never silently passed over. */
    PQ_AUTO_FREE char *kept = pq_path_join(seen, "timestamp.json");
    assert_true(pq_write_file(kept, 0644, "{", 1, &err));
    PQ_AUTO_TUF_STATE proven = {0};
    assert_false(verify(f, seen, 0, &proven, &err));
    assert_int_equal(err.code, PQ_EINPUT);
    assert_string_equal(err.where, kept);
}

/* Roots of our own making, for what init does not make: thresholds and rotation. */

static json_t *root_of(fixture *f, int version, const pq_sign_key *one, const pq_sign_key *other, int threshold)
{
    const char *const path = "metadata/1.root.json";
    json_t *body = fixture_body(f, path);
    char one_id[PQ_SHA256_HEX], other_id[PQ_SHA256_HEX];
    const pq_sign_key *const both[] = {one, other};
    for (size_t i = 0; i < 2; i++) {
        PQ_AUTO_BUF hex = PQ_BUF(100);
        char *id = i ? other_id : one_id;
        pq_sign_tuf_key_id(pq_sign_key_public(both[i]), id);
        pq_hex_add(&hex, pq_sign_key_public(both[i]), PQ_SIGN_PUBLIC_SIZE);
        json_object_set_new(json_object_get(body, "keys"), id,
                            json_pack("{s:s,s:s,s:{s:s}}", "keytype", "ed25519", "scheme", "ed25519", "keyval",
                                      "public", pq_buf_text(&hex)));
    }
    json_object_set_new(json_object_get(body, "roles"), "root",
                        json_pack("{s:[s,s],s:i}", "keyids", one_id, other_id, "threshold", threshold));
    json_object_set_new(body, "version", json_integer(version));
    return body;
}

static void trust_replacement(fixture *f, const char *path)
{
    pq_buf_clear(&f->root);
    MUST(fixture_read(f, path, &f->root, fixture_error()));
}

static void roots_follow_one_another_by_their_thresholds(void **state)
{
    fixture *f = *state;
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_SIGN_KEY *a = NULL, *b = NULL, *c = NULL;
    assert_true(pq_sign_key_generate(&a, &err) && pq_sign_key_generate(&b, &err) && pq_sign_key_generate(&c, &err));
    const pq_sign_key *const ab[] = {a, b}, *const bc[] = {b, c}, *const abc[] = {a, b, c};
    PQ_AUTO_BUF honest = PQ_BUF(1u << 20);
    pq_buf_add(&honest, f->root.data, f->root.length);

    json_auto_t *first = root_of(f, 1, a, b, 2);
    fixture_sign(f, "metadata/1.root.json", first, ab, 2);
    trust_replacement(f, "metadata/1.root.json");
    {
        PQ_AUTO_TUF_STATE proven = {0};
        assert_true(verify(f, NULL, 0, &proven, &err));
    }
    json_auto_t *second = root_of(f, 2, b, c, 2);
    /* Its own keys alone: the root before demands two of a and b. */
    fixture_sign(f, "metadata/2.root.json", second, bc, 2);
    refused(f, NULL, 0, "repo/metadata/2.root.json", "has 1 signatures of root keys, and version 1 of root demands 2");
    /* The keys before alone: itself it demands b and c. */
    fixture_sign(f, "metadata/2.root.json", second, ab, 2);
    refused(f, NULL, 0, "repo/metadata/2.root.json", "has 1 signatures of root keys, and version 2 of root demands 2");
    fixture_sign(f, "metadata/2.root.json", second, abc, 3);
    {
        PQ_AUTO_TUF_STATE proven = {0};
        assert_true(verify(f, NULL, 0, &proven, &err));
        assert_int_equal(proven.root.version, 2);
    }
    fixture_restore(f);
    json_auto_t *skipping = root_of(f, 3, a, b, 2);
    fixture_sign(f, "metadata/2.root.json", skipping, ab, 2);
    refused(f, NULL, 0, "repo/metadata/2.root.json", "root version 3 stands where 2 should");
    pq_buf_clear(&f->root);
    pq_buf_add(&f->root, honest.data, honest.length);
}

/* Two ids of one key must not count as two signatures. */
static void one_key_under_two_ids_counts_once(void **state)
{
    fixture *f = *state;
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_SIGN_KEY *a = NULL;
    assert_true(pq_sign_key_generate(&a, &err));
    PQ_AUTO_BUF hex = PQ_BUF(100), canonical = PQ_BUF(1u << 20), signature_hex = PQ_BUF(200);
    pq_hex_add(&hex, pq_sign_key_public(a), PQ_SIGN_PUBLIC_SIZE);
    json_auto_t *key = json_pack("{s:s,s:s,s:{s:s}}", "keytype", "ed25519", "scheme", "ed25519", "keyval", "public",
                                 pq_buf_text(&hex));
    json_auto_t *role = json_pack("{s:[s,s],s:i}", "keyids", "one", "two", "threshold", 2);
    json_auto_t *body = json_pack("{s:s,s:s,s:i,s:s,s:{s:O,s:O},s:{s:O,s:O,s:O,s:O}}", "_type", "root", "spec_version",
                                  "1.0.31", "version", 1, "expires", "2099-01-01T00:00:00Z", "keys", "one", key, "two",
                                  key, "roles", "root", role, "targets", role, "snapshot", role, "timestamp", role);
    unsigned char signature[PQ_SIGN_SIZE];
    assert_true(pq_canonical_add(body, &canonical, &err));
    assert_true(pq_sign(a, canonical.data, canonical.length, signature, &err));
    pq_hex_add(&signature_hex, signature, sizeof signature);
    json_auto_t *whole =
        json_pack("{s:[{s:s,s:s},{s:s,s:s}],s:O}", "signatures", "keyid", "one", "sig", pq_buf_text(&signature_hex),
                  "keyid", "two", "sig", pq_buf_text(&signature_hex), "signed", body);
    PQ_AUTO_FREE char *text = json_dumps(whole, 0);
    PQ_AUTO_TUF_METADATA root = {0};
    assert_true(pq_tuf_parse(PQ_TUF_ROOT, text, strlen(text), "root.json", &root, &err));
    assert_false(pq_tuf_check_signatures(&root, &root, "root.json", &err));
    assert_string_equal(err.message, "has 1 signatures of root keys, and version 1 of root demands 2");
    (void)f;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_honest_repository_is_proven),
        cmocka_unit_test(a_changed_artifact_is_refused),
        cmocka_unit_test(changed_metadata_is_refused),
        cmocka_unit_test(a_version_that_is_not_the_named_one_is_refused),
        cmocka_unit_test(expired_metadata_is_refused),
        cmocka_unit_test(roots_follow_one_another_by_their_thresholds),
        cmocka_unit_test(one_key_under_two_ids_counts_once),
        cmocka_unit_test(an_older_state_is_refused_when_a_newer_was_seen), /* last: adds a Target */
    };
    return cmocka_run_group_tests(tests, setup, fixture_teardown);
}
