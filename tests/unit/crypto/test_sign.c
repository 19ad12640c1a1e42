#include "pq_cmocka.h"

#include <string.h>

#include "crypto/sign.h"

static pq_sign_key *key_from_hex(const char *hex)
{
    PQ_AUTO_BUF bytes = PQ_SENSITIVE_BUF(64);
    assert_true(pq_hex_decode(hex, &bytes));
    PQ_AUTO_SECRET *seed = pq_secret_from_buf(&bytes);
    PQ_AUTO_ERROR err = {0};
    pq_sign_key *key = NULL;
    assert_true(pq_sign_key_from_seed(seed, NULL, &key, &err));
    return key;
}

static void assert_hex(const void *bytes, size_t length, const char *hex)
{
    PQ_AUTO_BUF text = PQ_BUF(1000);
    pq_hex_add(&text, bytes, length);
    assert_string_equal(pq_buf_text(&text), hex);
}

/* RFC 8032, section 7.1, tests 1 to 3. */
static const struct {
    const char *seed, *public_key, *message, *signature;
} vectors[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
     "d25bf5f0595bbe24655141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
     "387b2eaeb4302aeeb00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
     "4a7c15e9716ed28dc027beceea1ec40a"},
};

static void signatures_are_those_of_rfc_8032(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        PQ_AUTO_SIGN_KEY *key = key_from_hex(vectors[i].seed);
        PQ_AUTO_BUF message = PQ_BUF(100);
        PQ_AUTO_ERROR err = {0};
        unsigned char signature[PQ_SIGN_SIZE];
        assert_hex(pq_sign_key_public(key), PQ_SIGN_PUBLIC_SIZE, vectors[i].public_key);
        assert_true(pq_hex_decode(vectors[i].message, &message));
        const char *text = pq_buf_text(&message);
        assert_true(pq_sign(key, text, message.length, signature, &err));
        assert_hex(signature, sizeof signature, vectors[i].signature);
        assert_true(pq_sign_verify(pq_sign_key_public(key), text, message.length, signature));
        assert_false(pq_sign_verify(pq_sign_key_public(key), "x", 1, signature));
        signature[i] ^= 1;
        assert_false(pq_sign_verify(pq_sign_key_public(key), text, message.length, signature));
    }
}

static void a_generated_key_comes_back_from_its_seed(void **state)
{
    (void)state;
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_SIGN_KEY *one = NULL, *other = NULL, *again = NULL;
    assert_true(pq_sign_key_generate(&one, &err));
    assert_true(pq_sign_key_generate(&other, &err));
    assert_memory_not_equal(pq_sign_key_public(one), pq_sign_key_public(other), PQ_SIGN_PUBLIC_SIZE);
    assert_true(pq_sign_key_from_seed(pq_sign_key_seed(one), NULL, &again, &err));
    assert_memory_equal(pq_sign_key_public(one), pq_sign_key_public(again), PQ_SIGN_PUBLIC_SIZE);
}

static void a_seed_of_another_length_is_refused(void **state)
{
    (void)state;
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_SECRET *seed = pq_secret_new("0123456789abcdef", 16);
    pq_sign_key *key = NULL;
    assert_false(pq_sign_key_from_seed(seed, "keys/targets.key", &key, &err));
    assert_int_equal(err.code, PQ_EINPUT);
    assert_string_equal(err.where, "keys/targets.key");
}

static void the_key_id_is_that_of_securesystemslib(void **state)
{
    (void)state;
    PQ_AUTO_SIGN_KEY *key = key_from_hex(vectors[0].seed);
    char id[PQ_SHA256_HEX];
    pq_sign_tuf_key_id(pq_sign_key_public(key), id);
    /* sha256 of securesystemslib 0.26's encode_canonical({"keytype": "ed25519", "scheme": "ed25519", …}) */
    assert_string_equal(id, "74c181c7ad8a0855d4b55e44d2ba87aabdddb196832571f15f92fece332e4916");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signatures_are_those_of_rfc_8032),
        cmocka_unit_test(a_generated_key_comes_back_from_its_seed),
        cmocka_unit_test(a_seed_of_another_length_is_refused),
        cmocka_unit_test(the_key_id_is_that_of_securesystemslib),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
