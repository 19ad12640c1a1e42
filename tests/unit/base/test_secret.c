#include "pq_cmocka.h"

#include <string.h>

#include "base/secret.h"

static void living_secrets_are_blotted_out(void **state)
{
    (void)state;
    PQ_AUTO_BUF line = PQ_BUF(1024);
    pq_secret *secret = pq_secret_new("hunter2-hunter2", 15);
    pq_buf_adds(&line, "hunter2-hunter2 and hunter2-hunter2hunter2-hunter2, hunter2");
    assert_true(pq_secret_found_in(line.data, line.length));
    pq_secret_redact(&line);
    assert_string_equal(pq_buf_text(&line), "*** and ******, hunter2");
    pq_secret_free(secret);
    assert_false(pq_secret_found_in("hunter2-hunter2", 15));
}

static void a_buffer_gives_its_bytes_up(void **state)
{
    (void)state;
    pq_buf buffer = PQ_BUF(100);
    pq_buf_add(&buffer, "with\0nul", 8);
    PQ_AUTO_SECRET *secret = pq_secret_from_buf(&buffer);
    assert_null(buffer.data);
    assert_int_equal(pq_secret_length(secret), 8);
    assert_memory_equal(pq_secret_bytes(secret), "with\0nul", 9);
    PQ_AUTO_SECRET *copy = pq_secret_copy(secret);
    assert_true(pq_secret_equal(secret, copy));
    PQ_AUTO_SECRET *other = pq_secret_new("with\0nuL", 8);
    assert_false(pq_secret_equal(secret, other));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(living_secrets_are_blotted_out),
        cmocka_unit_test(a_buffer_gives_its_bytes_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
