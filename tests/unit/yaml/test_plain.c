#include "pq_cmocka.h"

#include <string.h>

#include "yaml/builder.h"

/* That it means the same as to libfyaml is for tests/fuzz/yaml/fuzz_yaml_plain.c; here: what it takes at all. */
static bool accepted(const char *text)
{
    pq_yaml *yaml = NULL;
    bool good = pq_yaml_parse_plain(text, strlen(text), &yaml);
    assert_true(good == (yaml != NULL));
    pq_yaml_free(yaml);
    return good;
}

static void usual_files_are_taken(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "a:",
        "a: b\n",
        "---\n# c\n\na: b # d\n",
        "services:\n  web:\n    image: \"nginx:${TAG:-1}\"\n    ports: ['80:80', 81]\n",
        "a:\n- b: c\n  d:\n  - e\n- f\n",
        "x: &x\n  a: b\ny:\n  <<: *x\n",
        "a: {b: c, d: [e, {}]}\n",
        "a: |\n  b\n   c\nd: >-\n  e\n  f\n",
        "a: b\n# \xc3\xa9\n",
        "command: --a b\n",
        "a: b\n  c # d\ne: f\n",
        "a:\n- b\n --c\n",
        "a: [\n  b, \"c\",\n  {d: e,\n   f: [g]}\n]\nh: i\n",
        "a: b\r\nc: 'd'\r\n\r\n",
        "a: \xc3\xa9 # e\nb: [\"\xc3\xa9\"]\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (!accepted(texts[i]))
            fail_msg("%s", texts[i]);
}

static void all_else_is_left_to_the_other(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "# a\n",
        "a\n",
        "- a\n",
        " a: b\n",
        "a: b: c\n",
        "a: b\n\n  c\n",
        "a: b\n  c: d\n",
        "a: b # c\n  d\n",
        "a: b\n  - c\n",
        "a: 'b''c'\n",
        "a: \"b\\tc\"\n",
        "a: \"b\n  c\"\n",
        "a: [b,\nc]\n",
        "a: [b,\n\n  c]\n",
        "a: [b, # c\n  d]\n",
        "a: [b\n  c]\n",
        "a: [b,\n",
        "a: [b, ]\n",
        "a: [b: c]\n",
        "a: {b}\n",
        "a: !t b\n",
        "a: @b\n",
        "a: b\na: c\n",
        "a: *b\n",
        "a: &b\n",
        "a:\tb\n",
        "a: b\r",
        "a: b\rc: d\n",
        "a: |\r\n  b\r\n",
        "a: b\n---\nc: d\n",
        "a: b\n...\n",
        "%YAML 1.1\n---\na: b\n",
        "? a\n: b\n",
        "\"a\": b\n",
        "a: |+\n  b\n",
        "a: >\n  b\n\n  c\n",
        "a:\n  b: c\n d: e\n",
        "a:\n  - b\n c: d\n",
        "\xc3\xa9: a\n",
        "\xe2\x80\xa8: a\n",
        "a: b # \xc2\x85\n",
        "a: b # \xff\n",
        "\xef\xbb\xbf\x61: b\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (accepted(texts[i]))
            fail_msg("%s", texts[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(usual_files_are_taken),
        cmocka_unit_test(all_else_is_left_to_the_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
