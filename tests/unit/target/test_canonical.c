#include "pq_cmocka.h"

#include "target/canonical.h"

/* Expected texts: securesystemslib 0.26.0, formats.encode_canonical(json.loads(text)). */
static const struct {
    const char *json, *canonical;
} vectors[] = {
    {"{}", "{}"},
    {"[ ]", "[]"},
    {"{\"b\": 1, \"a\": [1, -2, 0, true, false, null]}", "{\"a\":[1,-2,0,true,false,null],\"b\":1}"},
    {"{\"\": {\"Z\": \"\", \"a\": 1}, \"\\u00e9\": 2, \"z\": 3, \"A\": 4}",
     "{\"\":{\"Z\":\"\",\"a\":1},\"A\":4,\"z\":3,\"\xc3\xa9\":2}"},
    {"[\"q\\\"b\\\\s/\\/\\n\\t\\u0001\\u007f\\u20ac\"]", "[\"q\\\"b\\\\s//\n\t\x01\x7f\xe2\x82\xac\"]"},
    {"{\"\\uffff\": 1, \"\\ud83d\\ude00\": 2}", "{\"\xef\xbf\xbf\":1,\"\xf0\x9f\x98\x80\":2}"},
    {"{\"k\\\"\": 9223372036854775807}", "{\"k\\\"\":9223372036854775807}"},
};

static void canonical_forms_are_those_of_securesystemslib(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        json_auto_t *value = json_loads(vectors[i].json, 0, NULL);
        PQ_AUTO_BUF out = PQ_BUF(1000);
        PQ_AUTO_ERROR err = {0};
        assert_non_null(value);
        assert_true(pq_canonical_add(value, &out, &err));
        assert_string_equal(pq_buf_text(&out), vectors[i].canonical);
    }
}

static void what_has_no_canonical_form_is_refused(void **state)
{
    (void)state;
    PQ_AUTO_BUF nested = PQ_BUF(1000), out = PQ_BUF(1000), small = PQ_BUF(3);
    PQ_AUTO_ERROR err = {0};
    json_auto_t *fraction = json_loads("[1.5]", 0, NULL);
    assert_false(pq_canonical_add(fraction, &out, &err));
    assert_int_equal(err.code, PQ_EINPUT);
    for (int i = 0; i < 65; i++)
        pq_buf_addc(&nested, '[');
    for (int i = 0; i < 65; i++)
        pq_buf_addc(&nested, ']');
    json_auto_t *deep = json_loads(pq_buf_text(&nested), 0, NULL);
    assert_false(pq_canonical_add(deep, &out, &err));
    json_auto_t *large = json_loads("[1,2,3]", 0, NULL);
    assert_false(pq_canonical_add(large, &small, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(canonical_forms_are_those_of_securesystemslib),
        cmocka_unit_test(what_has_no_canonical_form_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
