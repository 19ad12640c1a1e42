#include "pq_cmocka.h"

#include <string.h>

#include "target/pin.h"

#define REFERENCE "hub.example.com:5000/acme/web@sha256:12"

static void assert_pinned(const char *source, const char *expected)
{
    PQ_AUTO_ERRORS errors = {0};
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_YAML *yaml = NULL;
    PQ_AUTO_SPLICES splices = {0};
    PQ_AUTO_BUF out = PQ_BUF(10000);
    assert_true(pq_yaml_parse("docker-compose.yml", source, strlen(source), &yaml, &errors));
    pq_yaml_node service = pq_yaml_get(pq_yaml_get(pq_yaml_root(yaml, 0), "services"), "web");
    if (!pq_pin_image("docker-compose.yml", source, strlen(source), service, REFERENCE, &splices, &err)) {
        if (expected)
            fail_msg("%s: %s", err.where, err.message);
        return;
    }
    assert_non_null(expected);
    assert_true(pq_splices_apply(&splices, source, strlen(source), &out, &err));
    assert_string_equal(pq_buf_text(&out), expected);
}

static void only_the_image_changes(void **state)
{
    (void)state;
    assert_pinned("services: # all\n  web:\n    image: web:1 # old\n    command: [a]\n",
                  "services: # all\n  web:\n    image: " REFERENCE " # old\n    command: [a]\n");
    assert_pinned("services:\r\n  web:\r\n    'image':   \"${HUB}/web\"\r\n",
                  "services:\r\n  web:\r\n    'image':   \"" REFERENCE "\"\r\n");
    assert_pinned("services: {web: {image: 'web', x: 1}}", "services: {web: {image: '" REFERENCE "', x: 1}}");
    assert_pinned("x: &i web:1\nservices:\n  web:\n    image: *i\n    tty: true\n",
                  "x: &i web:1\nservices:\n  web:\n    image: " REFERENCE "\n    tty: true\n");
    assert_pinned("x: &i web\nservices: {web: {image: *i}}", "x: &i web\nservices: {web: {image: " REFERENCE "}}");
}

static void an_image_from_elsewhere_is_pinned_in_the_service(void **state)
{
    (void)state;
    assert_pinned("x: &b\n  image: web\nservices:\n  web:\n    <<: *b\n    tty: true\n",
                  "x: &b\n  image: web\nservices:\n  web:\n    <<: *b\n    image: " REFERENCE "\n    tty: true\n");
    assert_pinned("services:\n  web:\n    build: .\n", "services:\n  web:\n    image: " REFERENCE "\n    build: .\n");
    assert_pinned("services: {web: {\"build\": .}}", "services: {web: {image: " REFERENCE ", \"build\": .}}");
}

static void a_service_from_elsewhere_gets_an_image_of_its_own(void **state)
{
    (void)state;
    assert_pinned("x: &b {image: web}\nservices:\n  web:\n    <<: *b # c\n",
                  "x: &b {image: web}\nservices:\n  web:\n    image: " REFERENCE "\n    <<: *b # c\n");
    assert_pinned("x: &b {image: web}\nservices: {web: {<<: [*b, {tty: true}]}}",
                  "x: &b {image: web}\nservices: {web: {image: " REFERENCE ", <<: [*b, {tty: true}]}}");
    assert_pinned("x: &b {image: web}\nservices:\n  web: *b # c\n",
                  "x: &b {image: web}\nservices:\n  web: {<<: *b, image: " REFERENCE "} # c\n");
}

static void what_cannot_be_spliced_is_refused(void **state)
{
    (void)state;
    assert_pinned("services:\n  web:\n    image: >-\n      web\n", NULL);
    assert_pinned("services:\n  web:\n    image: [web]\n", NULL);
    assert_pinned("services:\n  web: {}\n", NULL);
    assert_pinned("x: &s {web: {image: web}}\nservices:\n  <<: *s\n", NULL);
    assert_pinned("y: &t {}\nx: &s {web: {image: web}}\nservices:\n  <<: [*t, *s]\n", NULL);
}

static void splices_are_sorted_and_checked(void **state)
{
    (void)state;
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_SPLICES good = {0}, overlapping = {0}, outside = {0};
    PQ_AUTO_BUF out = PQ_BUF(100), small = PQ_BUF(5);
    pq_splices_add(&good, 6, 9, "there");
    pq_splices_add(&good, 0, 0, "(");
    pq_splices_add(&good, 0, 0, "[");
    pq_splices_add(&good, 9, 9, "!");
    pq_splices_add(&good, 0, 1, "H");
    assert_true(pq_splices_apply(&good, "hello you", 9, &out, &err));
    assert_string_equal(pq_buf_text(&out), "([Hello there!");
    assert_false(pq_splices_apply(&good, "hello you", 9, &small, &err));
    pq_splices_add(&overlapping, 1, 4, "");
    pq_splices_add(&overlapping, 3, 5, "");
    assert_false(pq_splices_apply(&overlapping, "hello", 5, &out, &err));
    pq_splices_add(&outside, 4, 6, "");
    assert_false(pq_splices_apply(&outside, "hello", 5, &out, &err));
    assert_int_equal(err.code, PQ_EINPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_image_changes),
        cmocka_unit_test(an_image_from_elsewhere_is_pinned_in_the_service),
        cmocka_unit_test(a_service_from_elsewhere_gets_an_image_of_its_own),
        cmocka_unit_test(what_cannot_be_spliced_is_refused),
        cmocka_unit_test(splices_are_sorted_and_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
