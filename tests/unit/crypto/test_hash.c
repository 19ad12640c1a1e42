#include "pq_cmocka.h"

#include <string.h>

#include "crypto/hash.h"

static void sha256_gives_published_values(void **state)
{
    (void)state;
    PQ_AUTO_FREE char *abc = pq_sha256_digest("abc", 3); /* FIPS 180-4, example 1 */
    assert_string_equal(abc, "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    /* RFC 4231, test case 2 */
    pq_sha256 mac = pq_hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28);
    char hex[PQ_SHA256_HEX];
    pq_sha256_hex(&mac, hex);
    assert_string_equal(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

static void base64_gives_the_vectors_of_rfc_4648(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    for (size_t i = 0; i < 7; i++) {
        PQ_AUTO_BUF text = PQ_BUF(100), bytes = PQ_BUF(100);
        pq_base64_add(&text, "foobar", i);
        assert_string_equal(pq_buf_text(&text), texts[i]);
        assert_true(pq_base64_decode(texts[i], strlen(texts[i]), &bytes));
        assert_int_equal(bytes.length, i);
        assert_memory_equal(pq_buf_text(&bytes), "foobar", i);
    }
}

static void base64_refuses_what_is_not(void **state)
{
    (void)state;
    static const char *const wrong[] = {"Z", "Zg=", "Zg===", "Zh==", "Zm 9v", "Zm9v=", "=", "Zm9v\n"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        PQ_AUTO_BUF bytes = PQ_BUF(100);
        assert_false(pq_base64_decode(wrong[i], strlen(wrong[i]), &bytes));
    }
    PQ_AUTO_BUF bytes = PQ_BUF(100), text = PQ_BUF(100);
    assert_true(pq_base64_decode("-_-_", 4, &bytes));
    assert_memory_equal(bytes.data, "\xfb\xff\xbf", 3);
    pq_base64url_add(&text, "\xfb\xff\xbf\x01", 4);
    assert_string_equal(pq_buf_text(&text), "-_-_AQ");
}

static void hex_is_exact(void **state)
{
    (void)state;
    PQ_AUTO_BUF bytes = PQ_BUF(100);
    assert_true(pq_hex_decode("00fFa5", &bytes));
    assert_memory_equal(bytes.data, "\x00\xff\xa5", 3);
    assert_false(pq_hex_decode("0", &bytes));
    assert_false(pq_hex_decode("0g", &bytes));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_gives_published_values),
        cmocka_unit_test(base64_gives_the_vectors_of_rfc_4648),
        cmocka_unit_test(base64_refuses_what_is_not),
        cmocka_unit_test(hex_is_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
