#include "pq_cmocka.h"

#include <string.h>

#include "base/text.h"
#include "device/serve/catch.h"

static const pq_error none = {0};

static void it_comes_back_as_it_was(void **state)
{
    (void)state;
    PQ_AUTO_DEVICE_CATCH caught = {.fetched = 1700000000, .refresh = 1700001000, .retry_after = -1}, again = {0};
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_BUF text = PQ_SENSITIVE_BUF(4096);
    caught.credential = (pq_credential){.username = pq_strdup("AWS"),
                                        .secret = pq_secret_new("two\nlines", 9),
                                        .identity_token = true,
                                        .expires = 1700043200};
    pq_device_catch_write(&caught, &none, &text);
    assert_true(pq_device_catch_read(&text, &again, &err));
    assert_int_equal(err.code, PQ_OK);
    assert_int_equal(again.fetched, 1700000000);
    assert_int_equal(again.refresh, 1700001000);
    assert_int_equal(again.credential.expires, 1700043200);
    assert_string_equal(again.credential.username, "AWS");
    assert_int_equal(pq_secret_length(again.credential.secret), 9);
    assert_memory_equal(pq_secret_bytes(again.credential.secret), "two\nlines", 9);
    assert_true(again.credential.identity_token);
    /* A child that was killed while it wrote. */
    for (size_t length = 0; length < text.length; length++) {
        PQ_AUTO_DEVICE_CATCH part = {0};
        pq_buf cut = {.data = text.data, .length = length, .cap = text.cap};
        assert_false(pq_device_catch_read(&cut, &part, &err));
    }
}

static void so_does_a_failure(void **state)
{
    (void)state;
    PQ_AUTO_DEVICE_CATCH caught = {.retry_after = 120, .pin_refused = true}, again = {0};
    PQ_AUTO_ERROR err = {0}, same = {0};
    PQ_AUTO_BUF text = PQ_SENSITIVE_BUF(4096);
    (void)pq_fail(&err, PQ_EBUSY, "ghcr.io", "wait", "too many ask");
    pq_device_catch_write(&caught, &err, &text);
    assert_true(pq_device_catch_read(&text, &again, &same));
    assert_int_equal(same.code, PQ_EBUSY);
    assert_string_equal(same.where, "ghcr.io");
    assert_string_equal(same.message, "too many ask");
    assert_string_equal(same.hint, "wait");
    assert_true(again.retry_after >= 120 && again.retry_after <= 120);
    assert_true(again.pin_refused);
    assert_null(again.credential.secret);
}

static void what_does_not_expire_is_read_again_soon(void **state)
{
    (void)state;
    PQ_AUTO_DEVICE_CATCH caught = {.retry_after = -1}, again = {0};
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_BUF text = PQ_SENSITIVE_BUF(4096);
    caught.credential = (pq_credential){.username = pq_strdup("robot"), .secret = pq_secret_new("s", 1)};
    time_t before = pq_now();
    pq_device_catch_write(&caught, &none, &text);
    assert_true(pq_device_catch_read(&text, &again, &err));
    assert_in_range(again.fetched, before, before + 5);
    assert_int_equal(again.refresh, again.fetched);
    assert_int_equal(again.credential.expires, again.fetched + PQ_DEVICE_LEAST_LEFT);
}

static void other_words_are_no_result(void **state)
{
    (void)state;
    static const char *const fronts[] = {"", "x\n", "-1 \n", "-1 PINS\n", "-1 PI\n", "-1 PIN"};
    PQ_AUTO_DEVICE_CATCH caught = {.retry_after = -1};
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_BUF text = PQ_SENSITIVE_BUF(4096);
    caught.credential = (pq_credential){.username = pq_strdup("robot"), .secret = pq_secret_new("s", 1)};
    pq_device_catch_write(&caught, &none, &text);
    assert_true(pq_starts_with(pq_buf_text(&text), "-1\n"));
    for (size_t i = 0; i < sizeof fronts / sizeof *fronts; i++) {
        PQ_AUTO_DEVICE_CATCH got = {0};
        PQ_AUTO_BUF other = PQ_SENSITIVE_BUF(4096);
        pq_buf_addf(&other, "%s%s", fronts[i], strchr(pq_buf_text(&text), '\n') + 1);
        assert_false(pq_device_catch_read(&other, &got, &err));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_comes_back_as_it_was),
        cmocka_unit_test(so_does_a_failure),
        cmocka_unit_test(what_does_not_expire_is_read_again_soon),
        cmocka_unit_test(other_words_are_no_result),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
