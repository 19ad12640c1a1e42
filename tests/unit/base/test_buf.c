#include "pq_cmocka.h"

#include <string.h>

#include "base/buf.h"

static void a_buffer_keeps_its_cap(void **state)
{
    (void)state;
    PQ_AUTO_BUF buffer = PQ_BUF(4);
    pq_buf_adds(&buffer, "abc");
    assert_false(buffer.overflow);
    pq_buf_adds(&buffer, "de");
    assert_true(buffer.overflow);
    assert_string_equal(pq_buf_text(&buffer), "abc");
    pq_buf_adds(&buffer, "d"); /* would fit, but the overflow stays */
    assert_string_equal(pq_buf_text(&buffer), "abc");
}

static void printable_escapes_what_moves_a_cursor(void **state)
{
    (void)state;
    PQ_AUTO_BUF buffer = PQ_BUF(1024);
    static const char text[] = "a\033[2J\xc2\x9b\xc3\xa4\xff\r";
    pq_buf_add_printable(&buffer, text, sizeof text - 1);
    assert_string_equal(pq_buf_text(&buffer), "a\\x1b[2J\\xc2\\x9b\xc3\xa4\\xff\\x0d");
    pq_buf_clear(&buffer);
    static const char turned[] = "\xe2\x80\xaetxt.\xe2\x81\xa6\xe2\x82\xac"; /* U+202E, U+2066, the euro sign */
    pq_buf_add_printable(&buffer, turned, sizeof turned - 1);
    assert_string_equal(pq_buf_text(&buffer), "\\xe2\\x80\\xaetxt.\\xe2\\x81\\xa6\xe2\x82\xac");
}

static void bytes_survive_growth(void **state)
{
    (void)state;
    PQ_AUTO_BUF buffer = PQ_SENSITIVE_BUF(1 << 20);
    for (int i = 0; i < 10000; i++)
        pq_buf_addf(&buffer, "%04d", i);
    assert_int_equal(buffer.length, 40000);
    assert_memory_equal(buffer.data + 4 * 1234, "1234", 4);
    PQ_AUTO_FREE char *taken = pq_buf_steal(&buffer);
    assert_int_equal(strlen(taken), 40000);
    assert_string_equal(pq_buf_text(&buffer), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buffer_keeps_its_cap),
        cmocka_unit_test(printable_escapes_what_moves_a_cursor),
        cmocka_unit_test(bytes_survive_growth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
