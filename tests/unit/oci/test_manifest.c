#include "pq_cmocka.h"

#include <string.h>

#include "oci/manifest.h"

#define EMPTY "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a" /* of `{}`, image-spec */
#define ONES "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define TWOS "sha256:2222222222222222222222222222222222222222222222222222222222222222"
#define CONFIG "{\"mediaType\":\"" PQ_TYPE_OCI_EMPTY "\",\"digest\":\"" EMPTY "\",\"size\":2}"
#define LAYER(digest, size) "{\"mediaType\":\"application/octet-stream\",\"digest\":\"" digest "\",\"size\":" size "}"

static bool parse(const char *text, const char *type, pq_manifest *out, pq_error *err)
{
    return pq_manifest_parse(text, strlen(text), type, out, err);
}

static void an_artifact_manifest(void **state)
{
    (void)state;
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_MANIFEST got = {0};
    assert_true(parse("{\"schemaVersion\":2,\"mediaType\":\"" PQ_TYPE_OCI_MANIFEST "\","
                      "\"artifactType\":\"application/vnd.fio+compose-app\",\"config\":" CONFIG ",\"layers\":["
                      "{\"mediaType\":\"a/b\",\"digest\":\"" ONES
                      "\",\"size\":10,\"annotations\":{\"k\":\"v\"}}," LAYER(ONES, "10") "," LAYER(
                          TWOS, "100") "],\"annotations\":{\"compose-app\":\"v1\"}}",
                      PQ_TYPE_OCI_MANIFEST "; charset=utf-8", &got, &err));
    assert_false(got.is_index);
    assert_string_equal(got.media_type, PQ_TYPE_OCI_MANIFEST);
    assert_string_equal(got.artifact_type, "application/vnd.fio+compose-app");
    assert_string_equal(got.config.digest, EMPTY);
    assert_int_equal(got.layer_count, 3);
    assert_string_equal(pq_annotation_get(&got.layers[0].annotations, "k"), "v");
    assert_string_equal(pq_annotation_get(&got.annotations, "compose-app"), "v1");
    assert_null(pq_annotation_get(&got.annotations, "k"));
    assert_true(pq_manifest_transfer_size(&got) == 112); /* a blob named twice is transferred once */
}

static void an_index_is_searched_by_platform(void **state)
{
    (void)state;
#define ENTRY(digest, os, arch, variant)                                                                               \
    "{\"mediaType\":\"" PQ_TYPE_OCI_MANIFEST "\",\"digest\":\"" digest "\",\"size\":1,\"platform\":{\"os\":\"" os      \
    "\",\"architecture\":\"" arch "\"" variant "}}"
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_MANIFEST got = {0};
    assert_true(parse("{\"schemaVersion\":2,\"manifests\":[" ENTRY(EMPTY, "unknown", "unknown", "") "," ENTRY(
                          ONES, "linux", "arm", ",\"variant\":\"v6\"") "," ENTRY(TWOS, "linux", "amd64", "") "]}",
                      NULL, &got, &err));
    assert_true(got.is_index);
    static const struct {
        const char *platform, *digest;
    } cases[] = {{"arm", ONES}, {"amd64", TWOS}, {"linux/amd64/v2", TWOS}, {"arm64", NULL}, {"windows/amd64", NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        PQ_AUTO_PLATFORM platform = {0};
        assert_true(pq_platform_parse(cases[i].platform, &platform, &err));
        const pq_descriptor *found = pq_manifest_select(&got, &platform);
        assert_int_equal(found != NULL, cases[i].digest != NULL);
        if (found)
            assert_string_equal(found->digest, cases[i].digest);
    }
}

static void what_is_ambiguous_or_wrong_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *type, *message;
    } cases[] = {
        {"", NULL, "not JSON"},
        {"[]", NULL, "not a JSON object"},
        {"{}", NULL, "schemaVersion is missing"},
        {"{\"schemaVersion\":3}", NULL, "schemaVersion is not 2"},
        {"{\"schemaVersion\":1,\"fsLayers\":[]}", NULL, "schema 1"},
        {"{\"schemaVersion\":2}", "application/vnd.docker.distribution.manifest.v1+prettyjws", "schema 1"},
        {"{\"schemaVersion\":2}", NULL, "config is missing"},
        {"{\"schemaVersion\":2}", PQ_TYPE_OCI_INDEX, "manifests is missing"},
        {"{\"schemaVersion\":2,\"config\":" CONFIG ",\"manifests\":[]}", NULL, "both"},
        {"{\"schemaVersion\":2,\"mediaType\":\"" PQ_TYPE_OCI_MANIFEST "\",\"manifests\":[]}", NULL, "not those of"},
        {"{\"schemaVersion\":2,\"mediaType\":\"" PQ_TYPE_OCI_MANIFEST "\",\"config\":" CONFIG "}",
         PQ_TYPE_DOCKER_MANIFEST, "not the Content-Type"},
        {"{\"schemaVersion\":2,\"config\":" CONFIG "}", "application/vnd.oci.image.config.v1+json", "neither"},
        {"{\"schemaVersion\":2,\"schemaVersion\":2,\"config\":" CONFIG "}", NULL, "not JSON"},
        {"{\"schemaVersion\":2,\"config\":{\"mediaType\":\"a/b\",\"size\":2}}", NULL, "config.digest is missing"},
        {"{\"schemaVersion\":2,\"config\":" LAYER("sha256:12", "1") "}", NULL, "config.digest: invalid digest length"},
        {"{\"schemaVersion\":2,\"config\":" LAYER(ONES, "-1") "}", NULL, "config.size is not"},
        {"{\"schemaVersion\":2,\"config\":" LAYER(ONES, "1.5") "}", NULL, "config.size is not"},
        {"{\"schemaVersion\":2,\"config\":" LAYER(ONES, "99999999999999999999") "}", NULL, "not JSON"},
        {"{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[" LAYER(ONES, "1") ",7]}", NULL, "layers[1]"},
        {"{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":{}}", NULL, "layers is not an array"},
        {"{\"schemaVersion\":2,\"config\":" CONFIG ",\"annotations\":{\"a\":1}}", NULL, "annotations has a value"},
        {"{\"schemaVersion\":2,\"config\":" CONFIG "} x", NULL, "not JSON"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        PQ_AUTO_ERROR err = {0};
        PQ_AUTO_MANIFEST got = {0};
        if (parse(cases[i].text, cases[i].type, &got, &err))
            fail_msg("accepted: %s", cases[i].text);
        if (!strstr(err.message, cases[i].message))
            fail_msg("%s: %s", cases[i].text, err.message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_artifact_manifest),
        cmocka_unit_test(an_index_is_searched_by_platform),
        cmocka_unit_test(what_is_ambiguous_or_wrong_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
