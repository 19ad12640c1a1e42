#include "pq_cmocka.h"

#include <stdio.h>

#include "base/file.h"
#include "sigv4_case.h"

/* The case get-vanilla of AWS's Signature Version 4 test suite. */
static void get_vanilla_gives_the_published_signature(void **state)
{
    (void)state;
    PQ_AUTO_STRINGS headers = {0};
    pq_strings_add(&headers, "Host:example.amazonaws.com");
    static const char secret[] = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    PQ_AUTO_AWS_KEYS keys = {.access_key_id = pq_strdup("AKIDEXAMPLE"),
                             .secret_access_key = pq_secret_new(secret, strlen(secret))};
    time_t when;
    assert_true(pq_time_parse("2015-08-30T12:36:00Z", &when));
    const pq_sigv4_request request = {.method = "GET",
                                      .path = "/",
                                      .headers = &headers,
                                      .keys = &keys,
                                      .region = "us-east-1",
                                      .service = "service",
                                      .when = when};
    PQ_AUTO_SIGV4 signature = {0};
    pq_sigv4_sign(&request, &signature);
    assert_string_equal(pq_buf_text(&signature.canonical_request),
                        "GET\n/\n\nhost:example.amazonaws.com\nx-amz-date:20150830T123600Z\n\nhost;x-amz-date\n"
                        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_string_equal(pq_buf_text(&signature.string_to_sign),
                        "AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/service/aws4_request\n"
                        "bb579772317eb040ac9ed261061d46c1f17a8133879d6129b6e1c25292927e63");
    assert_string_equal(signature.signature, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
    assert_int_equal(signature.headers.count, 1);
    assert_string_equal(signature.headers.at[0], "X-Amz-Date: 20150830T123600Z");
    assert_string_equal(pq_secret_bytes(signature.authorization),
                        "AWS4-HMAC-SHA256 "
                        "Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
                        "SignedHeaders=host;x-amz-date, "
                        "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
}

static void nothing_that_signing_sets_is_taken_from_the_caller(void **state)
{
    (void)state;
    PQ_AUTO_STRINGS headers = {0};
    pq_strings_add(&headers, "host: example.amazonaws.com");
    pq_strings_add(&headers, "x-amz-date: 19990101T000000Z");
    pq_strings_add(&headers, "AUTHORIZATION: Basic AAAA");
    pq_strings_add(&headers, "User-Agent: any");
    PQ_AUTO_AWS_KEYS keys = {.access_key_id = pq_strdup("AKIDEXAMPLE"), .secret_access_key = pq_secret_new("s", 1)};
    const pq_sigv4_request request = {
        .method = "GET", .headers = &headers, .keys = &keys, .region = "r", .service = "s", .when = 0};
    PQ_AUTO_SIGV4 signature = {0};
    pq_sigv4_sign(&request, &signature);
    assert_string_equal(pq_buf_text(&signature.signed_headers), "host;x-amz-date");
    assert_non_null(strstr(pq_buf_text(&signature.canonical_request), "\nx-amz-date:19700101T000000Z\n"));
}

static const char *expected_text(json_t *json, const char *key)
{
    return json_string_value(json_object_get(json_object_get(json, "expected"), key));
}

static void compare_vector(json_t *json)
{
    sigv4_case item;
    assert_true(sigv4_case_read(json, &item));
    PQ_AUTO_SIGV4 signature = {0};
    pq_sigv4_sign(&item.request, &signature);
    assert_string_equal(pq_buf_text(&signature.canonical_request), expected_text(json, "canonical_request"));
    assert_string_equal(pq_buf_text(&signature.string_to_sign), expected_text(json, "string_to_sign"));
    assert_string_equal(pq_buf_text(&signature.signed_headers), expected_text(json, "signed_headers"));
    assert_string_equal(signature.signature, expected_text(json, "signature"));
    json_t *added = json_object_get(json_object_get(json, "expected"), "added_headers"), *pair;
    size_t index;
    assert_int_equal(json_array_size(added), signature.headers.count + 1);
    json_array_foreach(added, index, pair)
    {
        const char *name = json_string_value(json_array_get(pair, 0));
        const char *value = json_string_value(json_array_get(pair, 1));
        if (pq_streq(name, "Authorization")) {
            assert_string_equal(pq_secret_bytes(signature.authorization), value);
            continue;
        }
        bool found = false; /* the order in which they are added means nothing */
        PQ_AUTO_FREE char *line = pq_asprintf("%s: %s", name, value);
        for (size_t i = 0; i < signature.headers.count; i++)
            found = found || strcasecmp(signature.headers.at[i], line) == 0;
        if (!found)
            fail_msg("missing header: %s", line);
    }
    sigv4_case_clear(&item);
}

static size_t compare_file(const char *folder, const char *name)
{
    PQ_AUTO_FREE char *path = pq_path_join(folder, name);
    PQ_AUTO_BUF bytes = PQ_BUF(16u << 20);
    PQ_AUTO_ERROR err = {0};
    if (!pq_read_file(path, &bytes, &err)) {
        print_message("vectors not compared: %s (set PRATIQUE_VECTORS to their folder)\n", err.message);
        return 0;
    }
    size_t compared = 0;
    for (const char *at = pq_buf_text(&bytes); *at;) {
        size_t width = strcspn(at, "\n");
        json_t *json = json_loadb(at, width, 0, NULL);
        assert_non_null(json);
        if (pq_streq(json_string_value(json_object_get(json, "mode")), "header")) {
            compare_vector(json);
            compared++;
        }
        json_decref(json);
        at += width + (at[width] == '\n');
    }
    print_message("%s: %zu cases agree\n", name, compared);
    assert_true(compared > 0);
    return compared;
}

static void vectors_of_other_programs_agree(void **state)
{
    (void)state;
    const char *vectors = getenv("PRATIQUE_VECTORS");
    PQ_AUTO_FREE char *folder = pq_path_join(vectors && *vectors ? vectors : PQ_VECTORS, "sigv4");
    (void)compare_file(folder, "aws-c-auth-v4.jsonl");
    (void)compare_file(folder, "ecr-extra-botocore.jsonl");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(get_vanilla_gives_the_published_signature),
        cmocka_unit_test(nothing_that_signing_sets_is_taken_from_the_caller),
        cmocka_unit_test(vectors_of_other_programs_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
