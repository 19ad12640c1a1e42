#include "pq_cmocka.h"

#include "base/text.h"

static void utf8_follows_rfc_3629(void **state)
{
    (void)state;
    assert_true(pq_utf8_valid("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x9a\xa2", 10));
    assert_false(pq_utf8_valid("\xc0\xaf", 2));         /* overlong */
    assert_false(pq_utf8_valid("\xed\xa0\x80", 3));     /* surrogate */
    assert_false(pq_utf8_valid("\xf4\x90\x80\x80", 4)); /* beyond U+10FFFF */
    assert_false(pq_utf8_valid("\xe2\x82", 2));         /* cut short */
}

static void nearest_offers_only_what_is_near(void **state)
{
    (void)state;
    static const char *const keys[] = {"region", "url", "aws_creds_secret_name"};
    assert_string_equal(pq_nearest("regoin", keys, 3), "region");
    assert_string_equal(pq_nearest("aws_cred_secret_name", keys, 3), "aws_creds_secret_name");
    assert_null(pq_nearest("platforms", keys, 3));
}

static void numbers_do_not_wrap(void **state)
{
    (void)state;
    uint64_t value;
    assert_true(pq_parse_number("18446744073709551615", UINT64_MAX, &value));
    assert_true(value == UINT64_MAX);
    assert_false(pq_parse_number("18446744073709551616", UINT64_MAX, &value));
    assert_false(pq_parse_number("101", 100, &value));
    assert_false(pq_parse_number("+1", 100, &value));
    assert_false(pq_parse_number("", 100, &value));
    assert_false(pq_parse_number("1 ", 100, &value));
}

static void strings_sort_by_bytes(void **state)
{
    (void)state;
    PQ_AUTO_STRINGS list = {0};
    pq_strings_add(&list, "b");
    pq_strings_add(&list, "B");
    assert_false(pq_strings_add_once(&list, "b"));
    pq_strings_sort(&list);
    assert_string_equal(list.at[0], "B");
    assert_int_equal(list.count, 2);
}

/* Each byte at each place of 20 that are plain: in the middle of eight, and in what is left over. */
static void a_run_ends_at_what_is_not_plain(void **state)
{
    (void)state;
    char text[] = "abcdefgh ijklmnop ~!";
    const size_t length = sizeof text - 1;
    assert_int_equal(pq_ascii_run(text, length), length);
    assert_int_equal(pq_ascii_run(text, 0), 0);
    for (size_t at = 0; at < length; at++) {
        char kept = text[at];
        for (int byte = 0; byte < 256; byte++) {
            text[at] = (char)byte;
            assert_int_equal(pq_ascii_run(text, length), byte >= 0x20 && byte <= 0x7e ? length : at);
        }
        text[at] = kept;
    }
}

static void texts_are_joined(void **state)
{
    (void)state;
    PQ_AUTO_FREE char *joined = pq_joined("a", "", "/", "bc"), *empty = pq_joined("");
    assert_string_equal(joined, "a/bc");
    assert_string_equal(empty, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8_follows_rfc_3629), cmocka_unit_test(a_run_ends_at_what_is_not_plain),
        cmocka_unit_test(texts_are_joined),      cmocka_unit_test(nearest_offers_only_what_is_near),
        cmocka_unit_test(numbers_do_not_wrap),   cmocka_unit_test(strings_sort_by_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
