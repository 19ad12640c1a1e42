#include "pq_cmocka.h"

#include <string.h>

#include "device/serve/view.h"

static void it_comes_back_as_it_was(void **state)
{
    (void)state;
    PQ_AUTO_DEVICE_VIEW view = {.google = true, .token = true, .begins = 1700000000}, again = {0};
    PQ_AUTO_BUF text = PQ_BUF(4096);
    pq_strings_add(&view.hosts, "ghcr.io");
    pq_strings_add(&view.hosts, "acme.azurecr.io");
    pq_strings_add(&view.copied, "ghcr.io");
    pq_strings_add(&view.files, "/etc/a file\nof two lines");
    pq_device_view_write(&view, &text);
    assert_true(pq_device_view_read(&text, &again));
    assert_int_equal(again.hosts.count, 2);
    assert_string_equal(again.hosts.at[1], "acme.azurecr.io");
    assert_true(pq_strings_have(&again.copied, "ghcr.io"));
    assert_string_equal(again.files.at[0], "/etc/a file\nof two lines");
    assert_true(again.google && again.token);
    assert_int_equal(again.begins, 1700000000);
    assert_true(pq_device_view_serves(&again, "ghcr.io"));
    assert_true(pq_device_view_serves(&again, "europe-docker.pkg.dev"));
    assert_false(pq_device_view_serves(&again, "quay.io"));
    /* A child that was killed while it wrote. */
    for (size_t length = 0; length < text.length; length++) {
        PQ_AUTO_DEVICE_VIEW part = {0};
        pq_buf cut = {.data = text.data, .length = length, .cap = text.cap};
        assert_false(pq_device_view_read(&cut, &part));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(it_comes_back_as_it_was)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
