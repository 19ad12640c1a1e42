#include "pq_cmocka.h"

#include <string.h>

#include "crypto/seal.h"

/* Made by Python: AESGCM of `cryptography` and hashlib.scrypt, over key 00 01 … 1f, nonce a0 a1 … ab, salt 10 11 … 1f,
 * passphrase "pass phrase", text "correct horse", associated data "name". */
static const unsigned char sealed_by_python[] =
    "\x70\x71\x73\x01\x00\x00\x00\x0d\xa0\xa1\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xab\x85\x77\x0e\x5f\x20\xa8\x76"
    "\x9f\x0a\x0a\xf5\xa0\x62\x44\xbe\x4f\x11\x8d\x9c\xe8\x6d\xb1\xbe\x52\x2a\xad\xdd\x32\x85";
static const unsigned char passphrase_sealed_by_python[] =
    "\x70\x71\x70\x01\x0f\x08\x01\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\x70\x71\x73\x01"
    "\x00\x00\x00\x0d\xa0\xa1\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xab\x85\x46\x3f\x9b\xf1\x53\xd3\x79\x45\xdf\x26"
    "\xc3\xff\x15\x98\x57\xd6\xda\x99\x76\xd9\xa5\x57\xd9\xbc\x56\xef\x84\x96";
enum { SEALED = sizeof sealed_by_python - 1, PASSPHRASE_SEALED = sizeof passphrase_sealed_by_python - 1 };

static pq_secret *counting_key(void)
{
    unsigned char bytes[PQ_SEAL_KEY_SIZE];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)i;
    return pq_secret_new(bytes, sizeof bytes);
}

static void assert_opens_not(const pq_secret *key, const char *associated, const void *sealed, size_t length,
                             pq_code code, const char *message)
{
    PQ_AUTO_ERROR err = {0};
    pq_secret *plain = NULL;
    assert_false(pq_open(key, associated, strlen(associated), sealed, length, "here", &plain, &err));
    assert_null(plain);
    assert_string_equal(err.message, message);
    assert_int_equal(err.code, code);
    assert_string_equal(err.where, "here");
}

static void what_python_sealed_opens(void **state)
{
    (void)state;
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_SECRET *key = counting_key();
    PQ_AUTO_SECRET *plain = NULL;
    assert_true(pq_open(key, "name", 4, sealed_by_python, SEALED, "here", &plain, &err));
    assert_string_equal(pq_secret_bytes(plain), "correct horse");

    PQ_AUTO_SECRET *passphrase = pq_secret_new("pass phrase", 11);
    PQ_AUTO_SECRET *other = NULL;
    assert_true(pq_is_passphrase_sealed(passphrase_sealed_by_python, PASSPHRASE_SEALED));
    assert_false(pq_is_passphrase_sealed(sealed_by_python, SEALED));
    assert_true(pq_open_with_passphrase(passphrase_sealed_by_python, PASSPHRASE_SEALED, passphrase, "name", 4, "here",
                                        &other, &err));
    assert_string_equal(pq_secret_bytes(other), "correct horse");
}

static void each_change_is_noticed(void **state)
{
    (void)state;
    PQ_AUTO_SECRET *key = counting_key();
    for (size_t at = 0; at < SEALED; at++) {
        unsigned char changed[SEALED];
        memcpy(changed, sealed_by_python, SEALED);
        changed[at] ^= 0x80;
        PQ_AUTO_ERROR err = {0};
        pq_secret *plain = NULL;
        assert_false(pq_open(key, "name", 4, changed, SEALED, "here", &plain, &err));
        assert_int_equal(err.code, at < 8 ? PQ_EINPUT : PQ_EUNTRUSTED);
    }
    for (size_t length = 1; length < SEALED; length++) {
        static const char truncated[] = "is truncated";
        assert_opens_not(key, "name", sealed_by_python, length, PQ_EINPUT, truncated);
    }
    unsigned char longer[SEALED + 1] = {0};
    memcpy(longer, sealed_by_python, SEALED);
    assert_opens_not(key, "name", longer, sizeof longer, PQ_EINPUT, "has bytes after its end");
    assert_opens_not(key, "name", "", 0, PQ_EINPUT, "is empty");
    assert_opens_not(key, "name", "SQLite format 3", 15, PQ_EINPUT, "is not a sealed secret");
    assert_opens_not(key, "eman", sealed_by_python, SEALED, PQ_EUNTRUSTED,
                     "was sealed with another key, or was changed since");
    longer[3] = 2;
    assert_opens_not(key, "name", longer, SEALED, PQ_EINPUT,
                     "was sealed in format 2; this program knows formats up to 1");
    PQ_AUTO_SECRET *other = pq_seal_new_key();
    assert_opens_not(other, "name", sealed_by_python, SEALED, PQ_EUNTRUSTED,
                     "was sealed with another key, or was changed since");
    PQ_AUTO_SECRET *brief = pq_secret_new("0123456789abcdef", 16);
    assert_opens_not(brief, "name", sealed_by_python, SEALED, PQ_EINPUT, "the key has 16 bytes, not 32");
}

static void a_round_trip_keeps_every_byte(void **state)
{
    (void)state;
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_SECRET *key = pq_seal_new_key();
    static const size_t lengths[] = {0, 1, 15, 16, 17, 4096, 1u << 20};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        PQ_AUTO_BUF bytes = PQ_SENSITIVE_BUF(1u << 20);
        for (size_t at = 0; at < lengths[i]; at++)
            pq_buf_addc(&bytes, (char)(at * 7 % 251));
        PQ_AUTO_SECRET *plain = pq_secret_from_buf(&bytes);
        PQ_AUTO_BUF first = PQ_BUF(2u << 20), second = PQ_BUF(2u << 20);
        assert_true(pq_seal(key, NULL, 0, plain, &first, &err));
        assert_true(pq_seal(key, NULL, 0, plain, &second, &err));
        assert_int_equal(first.length, lengths[i] + PQ_SEAL_OVERHEAD);
        assert_memory_not_equal(first.data, second.data, first.length);
        PQ_AUTO_SECRET *back = NULL;
        assert_true(pq_open(key, NULL, 0, first.data, first.length, NULL, &back, &err));
        assert_true(pq_secret_equal(plain, back));
    }
    PQ_AUTO_BUF small = PQ_BUF(PQ_SEAL_OVERHEAD + 31);
    assert_false(pq_seal(key, NULL, 0, key, &small, &err));
    assert_int_equal(err.code, PQ_EINPUT);
}

static void a_passphrase_is_asked_the_same(void **state)
{
    (void)state;
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_SECRET *plain = pq_secret_new("a private key", 13);
    PQ_AUTO_SECRET *right = pq_secret_new("right \xc3\xa9", 8);
    PQ_AUTO_SECRET *wrong = pq_secret_new("wrong", 5);
    PQ_AUTO_SECRET *empty = pq_secret_new("", 0);
    PQ_AUTO_BUF sealed = PQ_BUF(1000);
    assert_true(pq_seal_with_passphrase(plain, right, "x", 1, &sealed, &err));
    assert_int_equal(sealed.length, 13 + PQ_SEAL_PASSPHRASE_OVERHEAD);
    PQ_AUTO_SECRET *back = NULL;
    assert_true(pq_open_with_passphrase(sealed.data, sealed.length, right, "x", 1, "k", &back, &err));
    assert_true(pq_secret_equal(plain, back));

    pq_secret *none = NULL;
    assert_false(pq_open_with_passphrase(sealed.data, sealed.length, wrong, "x", 1, "k", &none, &err));
    assert_string_equal(err.message, "the passphrase is wrong, or the file was changed since");
    assert_int_equal(err.code, PQ_EUNTRUSTED);
    assert_false(pq_open_with_passphrase(sealed.data, sealed.length, right, "y", 1, "k", &none, &err));
    assert_int_equal(err.code, PQ_EUNTRUSTED);
    assert_false(pq_open_with_passphrase(sealed.data, sealed.length, empty, "x", 1, "k", &none, &err));
    assert_int_equal(err.code, PQ_EUSAGE);
    assert_false(pq_seal_with_passphrase(plain, empty, "x", 1, &sealed, &err));
    assert_int_equal(err.code, PQ_EUSAGE);
    assert_int_equal(sealed.length, 13 + PQ_SEAL_PASSPHRASE_OVERHEAD);
    for (size_t length = 1; length < sealed.length; length++) {
        assert_false(pq_open_with_passphrase(sealed.data, length, right, "x", 1, "k", &none, &err));
        assert_string_equal(err.message, "is truncated");
    }
    sealed.data[4] = 14; /* a weaker N: the key differs, and the header is bound */
    assert_false(pq_open_with_passphrase(sealed.data, sealed.length, right, "x", 1, "k", &none, &err));
    assert_int_equal(err.code, PQ_EUNTRUSTED);
    sealed.data[4] = 30;
    assert_false(pq_open_with_passphrase(sealed.data, sealed.length, right, "x", 1, "k", &none, &err));
    assert_string_equal(err.message, "asks scrypt for more than 128 MiB of memory, which is refused");
    sealed.data[4] = (char)200;
    assert_false(pq_open_with_passphrase(sealed.data, sealed.length, right, "x", 1, "k", &none, &err));
    assert_int_equal(err.code, PQ_EINPUT);
    sealed.data[4] = 15;
    sealed.data[6] = 0;
    assert_false(pq_open_with_passphrase(sealed.data, sealed.length, right, "x", 1, "k", &none, &err));
    assert_string_equal(err.message, "has parameters that scrypt does not take");
    sealed.data[3] = 9;
    assert_false(pq_open_with_passphrase(sealed.data, sealed.length, right, "x", 1, "k", &none, &err));
    assert_string_equal(err.message, "was sealed in format 9; this program knows formats up to 1");
    assert_null(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_python_sealed_opens),
        cmocka_unit_test(each_change_is_noticed),
        cmocka_unit_test(a_round_trip_keeps_every_byte),
        cmocka_unit_test(a_passphrase_is_asked_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
