#include "pq_cmocka.h"

#include <string.h>

#include "target/tuf_metadata.h"

#define KEY "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
#define HASH "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define HEAD(type)                                                                                                     \
    "{\"signatures\":[],\"signed\":{\"_type\":\"" type "\",\"spec_version\":\"1.0.31\",\"version\":3,"                 \
    "\"expires\":\"2030-01-02T03:04:05Z\","
#define ROLE "{\"keyids\":[\"k\"],\"threshold\":1}"
#define ROLES "\"roles\":{\"root\":" ROLE ",\"targets\":" ROLE ",\"snapshot\":" ROLE ",\"timestamp\":" ROLE "}"
#define KEYS                                                                                                           \
    "\"keys\":{\"k\":{\"keytype\":\"ed25519\",\"scheme\":\"ed25519\",\"keyval\":{\"public\":\"" KEY "\"}},"            \
    "\"r\":{\"keytype\":\"rsa\",\"scheme\":\"rsassa-pss-sha256\",\"keyval\":{\"public\":\"PEM\"}}}"

static void each_role_is_read(void **state)
{
    (void)state;
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_TUF_METADATA root = {0}, targets = {0}, timestamp = {0};
    const char *text = HEAD("root") "\"consistent_snapshot\":true," KEYS "," ROLES ",\"x-more\":[1]}}";
    assert_true(pq_tuf_parse(PQ_TUF_ROOT, text, strlen(text), "root.json", &root, &err));
    assert_int_equal(root.version, 3);
    assert_int_equal(root.expires, 1893553445); /* date -u -d 2030-01-02T03:04:05Z +%s */
    assert_true(root.consistent_snapshot);
    assert_int_equal(root.key_count, 2);
    assert_int_equal(root.threshold[PQ_TUF_TIMESTAMP], 1);

    text = HEAD("targets") "\"targets\":{\"a/b\":{\"length\":3,\"hashes\":{\"sha256\":\"" HASH "\"},\"custom\":{}}}}}";
    assert_true(pq_tuf_parse(PQ_TUF_TARGETS, text, strlen(text), "targets.json", &targets, &err));
    pq_tuf_file file;
    assert_true(pq_tuf_target(&targets, "a/b", &file, NULL));
    assert_true(pq_tuf_check_bytes(&file, "abc", 3, "targets.json", "a/b", &err));
    assert_false(pq_tuf_check_bytes(&file, "abd", 3, "targets.json", "a/b", &err));
    assert_string_equal(err.message, "its bytes do not have the SHA-256 that targets.json says");
    assert_false(pq_tuf_check_bytes(&file, "abcd", 4, "targets.json", "a/b", &err));
    assert_string_equal(err.message, "has 4 bytes, and targets.json says 3");
    assert_false(pq_tuf_target(&targets, "b", &file, NULL));

    text = HEAD("timestamp") "\"meta\":{\"snapshot.json\":{\"version\":7}}}}";
    assert_true(pq_tuf_parse(PQ_TUF_TIMESTAMP, text, strlen(text), "timestamp.json", &timestamp, &err));
    assert_int_equal(timestamp.names.version, 7);
    assert_false(timestamp.names.has_hash);
}

static void wrong_forms_are_refused(void **state)
{
    (void)state;
    static const struct {
        pq_tuf_role role;
        const char *text;
    } wrong[] = {
        {PQ_TUF_ROOT, ""},
        {PQ_TUF_ROOT, "[]"},
        {PQ_TUF_ROOT, "{\"signed\":1,\"signatures\":[]}"},
        {PQ_TUF_ROOT, HEAD("targets") KEYS "," ROLES "}}"},
        {PQ_TUF_ROOT, HEAD("root") KEYS "}}"},
        {PQ_TUF_ROOT, HEAD("root") "\"keys\":{}," ROLES "}}"},
        {PQ_TUF_ROOT, HEAD("root") KEYS ",\"roles\":{\"root\":{\"keyids\":[\"k\",\"k\"],\"threshold\":1}}}}"},
        {PQ_TUF_ROOT, HEAD("root") KEYS ",\"roles\":{\"root\":{\"keyids\":[\"k\"],\"threshold\":0}}}}"},
        {PQ_TUF_ROOT, HEAD("root") KEYS "," KEYS "," ROLES "}}"}, /* duplicate key */
        {PQ_TUF_ROOT, HEAD("root") "\"consistent_snapshot\":1," KEYS "," ROLES "}}"},
        {PQ_TUF_ROOT, HEAD("root") "\"x\":1.5," KEYS "," ROLES "}}"},
        {PQ_TUF_TARGETS, HEAD("targets") "\"targets\":[]}}"},
        {PQ_TUF_TARGETS, HEAD("targets") "\"targets\":{\"a\":{\"length\":1}}}}"},
        {PQ_TUF_TARGETS, HEAD("targets") "\"targets\":{\"a\":{\"length\":-1,\"hashes\":{\"sha256\":\"" HASH "\"}}}}}"},
        {PQ_TUF_TARGETS, HEAD("targets") "\"targets\":{\"a\":{\"length\":1,\"hashes\":{\"md5\":\"00\"}}}}}"},
        {PQ_TUF_TARGETS,
         HEAD("targets") "\"targets\":{\"../a\":{\"length\":1,\"hashes\":{\"sha256\":\"" HASH "\"}}}}}"},
        {PQ_TUF_SNAPSHOT, HEAD("snapshot") "\"meta\":{}}}"},
        {PQ_TUF_SNAPSHOT, HEAD("snapshot") "\"meta\":{\"targets.json\":{\"version\":0}}}}"},
        {PQ_TUF_TIMESTAMP, HEAD("timestamp") "\"meta\":{\"snapshot.json\":{\"version\":\"1\"}}}}"},
        {PQ_TUF_TIMESTAMP,
         "{\"signatures\":[],\"signed\":{\"_type\":\"timestamp\",\"spec_version\":\"2.0\",\"version\":1,"
         "\"expires\":\"2030-01-02T03:04:05Z\",\"meta\":{\"snapshot.json\":{\"version\":1}}}}"},
        {PQ_TUF_TIMESTAMP,
         "{\"signatures\":[],\"signed\":{\"_type\":\"timestamp\",\"spec_version\":\"1.0\",\"version\":1,"
         "\"expires\":\"2030-01-02T03:04:05+01:00\",\"meta\":{\"snapshot.json\":{\"version\":1}}}}"},
        {PQ_TUF_TIMESTAMP,
         "{\"signatures\":[{\"keyid\":\"a\",\"sig\":\"\"},{\"keyid\":\"a\",\"sig\":\"\"}],\"signed\":{"
         "\"_type\":\"timestamp\",\"spec_version\":\"1.0\",\"version\":1,\"expires\":"
         "\"2030-01-02T03:04:05Z\",\"meta\":{\"snapshot.json\":{\"version\":1}}}}"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        PQ_AUTO_TUF_METADATA metadata = {0};
        PQ_AUTO_ERROR err = {0};
        if (pq_tuf_parse(wrong[i].role, wrong[i].text, strlen(wrong[i].text), "f.json", &metadata, &err))
            fail_msg("accepted: %s", wrong[i].text);
        assert_int_equal(err.code, PQ_EUNTRUSTED);
        assert_string_equal(err.where, "f.json");
        assert_null(metadata.document);
    }
}

static void target_names_stay_below_their_folder(void **state)
{
    (void)state;
    assert_true(pq_tuf_target_name_valid("raspberrypi4-64-lmp-12"));
    assert_true(pq_tuf_target_name_valid("a/b.c/d"));
    static const char *const wrong[] = {"", "/a", "a/", "a//b", ".", "..", "a/../b", "a/.", "a\\b", "a\nb", "a\xff"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(pq_tuf_target_name_valid(wrong[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_role_is_read),
        cmocka_unit_test(wrong_forms_are_refused),
        cmocka_unit_test(target_names_stay_below_their_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
