#include "pq_cmocka.h"

#include <string.h>

#include "auth/aws/process.h"
#include "base/file.h"

/* What Python 3's shlex.split gives for each. */
static void words_are_split_as_shlex_does(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *words[5];
    } cases[] = {
        {"/opt/bin/creds --user dave", {"/opt/bin/creds", "--user", "dave"}},
        {"  a\t b  ", {"a", "b"}},
        {"'a b' \"c d\" e\\ f", {"a b", "c d", "e f"}},
        {"x \"\" ''", {"x", "", ""}},
        {"\"a\\\"b\" 'c\\d' \"e\\f\" \"g\\\\h\"", {"a\"b", "c\\d", "e\\f", "g\\h"}},
        {"a'b'\"c\"", {"abc"}},
        {"$HOME `id` $(x) *", {"$HOME", "`id`", "$(x)", "*"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        PQ_AUTO_STRINGS words = {0};
        assert_true(pq_words_split(cases[i].text, &words));
        size_t count = 0;
        while (count < 5 && cases[i].words[count])
            count++;
        assert_int_equal(words.count, count);
        for (size_t j = 0; j < count; j++)
            assert_string_equal(words.at[j], cases[i].words[j]);
    }
    static const char *const wrong[] = {"", "  ", "a 'b", "\"", "a\\"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        PQ_AUTO_STRINGS words = {0};
        assert_false(pq_words_split(wrong[i], &words));
    }
}

static void its_keys_are_read(void **state)
{
    (void)state;
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_AWS_KEYS keys = {0};
    assert_int_equal(setenv("LIKE_A_LOGIN", "secret-of-the-environment", 1), 0);
    if (!pq_aws_process_keys(
            "/bin/sh -c 'echo noise >&2; printf %s "
            "\"{\\\"Version\\\":1,\\\"AccessKeyId\\\":\\\"ID\\\",\\\"SecretAccessKey\\\":\\\"$LIKE_A_LOGIN\\\"}\"'",
            "config:3", &keys, &err))
        fail_msg("%s", err.message);
    assert_string_equal(keys.access_key_id, "ID");
    assert_string_equal(pq_secret_bytes(keys.secret_access_key), "secret-of-the-environment");
}

static void its_failures_have_their_words(void **state)
{
    (void)state;
    static const struct {
        const char *command;
        pq_code code;
        const char *message;
    } wrong[] = {
        {"/bin/sh -c 'echo first >&2; echo \"no login: run x\" >&2; exit 3'", PQ_EDENIED,
         "credential_process failed with status 3: no login: run x"},
        {"/bin/sh -c 'exit 1'", PQ_EDENIED, "credential_process failed with status 1"},
        {"/bin/echo garbage", PQ_EFAILED, "credential_process does not answer with a JSON object"},
        {"no-such-program-here", PQ_ECONFIG, "not installed"},
        {"/bin/sh 'x", PQ_ECONFIG, "not a command"},
        {"/usr/bin/head -c 100000 /dev/zero", PQ_EFAILED, "prints more than 65536 bytes"},
        {"/bin/sh -c 'exec sleep 30'", PQ_EFAILED, "does not end within 1 seconds"},
        {"/bin/echo "
         "'{\"Version\":1,\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"b\",\"Expiration\":\"2020-01-01T00:00:00Z\"}'",
         PQ_EDENIED, "gives keys that have ended"},
    };
    assert_int_equal(setenv("PRATIQUE_TIMEOUT", "1", 1), 0);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        PQ_AUTO_ERROR err = {0};
        PQ_AUTO_AWS_KEYS keys = {0};
        assert_false(pq_aws_process_keys(wrong[i].command, "config:3", &keys, &err));
        if (err.code != wrong[i].code || !strstr(err.message, wrong[i].message) || !pq_streq(err.where, "config:3"))
            fail_msg("case %zu: %s: %s: %s", i, pq_code_name(err.code), err.where, err.message);
        assert_null(keys.access_key_id);
    }
    assert_int_equal(unsetenv("PRATIQUE_TIMEOUT"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_split_as_shlex_does),
        cmocka_unit_test(its_keys_are_read),
        cmocka_unit_test(its_failures_have_their_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
