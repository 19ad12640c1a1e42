#include "pq_cmocka.h"

#include <string.h>

#include "base/limits.h"
#include "client/client_config.h"

static pq_client_config config_of(const char *text)
{
    pq_client_config config = {0};
    PQ_AUTO_ERROR err = {0};
    if (!pq_client_config_read("config.json", text, strlen(text), &config, &err))
        fail_msg("%s", err.message);
    return config;
}

/* What docker itself would write: the style, order and every other byte stay. */
static const struct {
    const char *before, *after; /* a.b set to pratique */
} sets[] = {
    {"", "{\n\t\"credHelpers\": {\n\t\t\"a.b\": \"pratique\"\n\t}\n}"},
    {"{}", "{\n\t\"credHelpers\": {\n\t\t\"a.b\": \"pratique\"\n\t}\n}"},
    {"{\n\t\"psFormat\": \"x\"\n}",
     "{\n\t\"psFormat\": \"x\",\n\t\"credHelpers\": {\n\t\t\"a.b\": \"pratique\"\n\t}\n}"},
    {"{\n  \"n\": 1.0e+2,\n  \"s\": \"\\u003c/\"\n}\n",
     "{\n  \"n\": 1.0e+2,\n  \"s\": \"\\u003c/\",\n  \"credHelpers\": {\n    \"a.b\": \"pratique\"\n  }\n}\n"},
    {"{\n\t\"credHelpers\": {\n\t\t\"c.d\": \"gcr\"\n\t},\n\t\"z\": []\n}",
     "{\n\t\"credHelpers\": {\n\t\t\"c.d\": \"gcr\",\n\t\t\"a.b\": \"pratique\"\n\t},\n\t\"z\": []\n}"},
    {"{\n\t\"credHelpers\": {},\n\t\"z\": 1\n}",
     "{\n\t\"credHelpers\": {\n\t\t\"a.b\": \"pratique\"\n\t},\n\t\"z\": 1\n}"},
    {"{\"credHelpers\":{\"a.b\":\"ecr-login\",\"c\":\"d\"}}", "{\"credHelpers\":{\"a.b\":\"pratique\",\"c\":\"d\"}}"},
    {"{\"credHelpers\":{\"a.b\":\"pratique\"} }", "{\"credHelpers\":{\"a.b\":\"pratique\"} }"},
    {"{\"credHelpers\": {\"c\": \"d\", \"e\": \"f\"}}",
     "{\"credHelpers\": {\"c\": \"d\", \"e\": \"f\", \"a.b\": \"pratique\"}}"},
    {"{\"x\":1}", "{\"x\":1,\"credHelpers\":{\"a.b\":\"pratique\"}}"},
    {"{\"credHelpers\":{\"a\\u002eb\":\"x\"}}", "{\"credHelpers\":{\"a\\u002eb\":\"pratique\"}}"},
    {"{\"y\":\"\\\"credHelpers\\\":{\",\"x\":{\"credHelpers\":{}}}",
     "{\"y\":\"\\\"credHelpers\\\":{\",\"x\":{\"credHelpers\":{}},\"credHelpers\":{\"a.b\":\"pratique\"}}"},
};

static void a_helper_is_set_and_all_else_stays(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        PQ_AUTO_CLIENT_CONFIG config = config_of(sets[i].before);
        pq_client_config_set(&config, "a.b", "pratique");
        assert_string_equal(pq_buf_text(&config.text), sets[i].after);
        PQ_AUTO_FREE char *helper = pq_client_config_helper(&config, "a.b");
        assert_string_equal(helper, "pratique");
    }
}

static void what_was_set_is_taken_away_to_the_byte(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}",
        "{\n\t\"psFormat\": \"x\"\n}",
        "{\n  \"n\": 1.0e+2\n}\n",
        "{\n\t\"credHelpers\": {\n\t\t\"c.d\": \"gcr\"\n\t},\n\t\"z\": []\n}",
        "{\n\t\"credHelpers\": {},\n\t\"z\": 1\n}",
        "{\"x\":1}",
        "{\r\n  \"x\": 1\r\n}\r\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        PQ_AUTO_CLIENT_CONFIG config = config_of(texts[i]);
        pq_client_config_set(&config, "a.b", "pratique");
        pq_client_config_set(&config, "e.f:5000", "pratique");
        assert_string_not_equal(pq_buf_text(&config.text), texts[i]);
        pq_client_config_remove(&config, "a.b", config.made_helpers);
        pq_client_config_remove(&config, "e.f:5000", config.made_helpers);
        assert_string_equal(pq_buf_text(&config.text), texts[i]);
    }
}

static void the_first_the_middle_and_the_last_go(void **state)
{
    (void)state;
    static const char text[] = "{\"credHelpers\": {\n \"a\": \"x\",\n \"b\": \"x\",\n \"c\": \"x\"\n}, \"z\": 1}";
    static const char *const cases[][2] = {
        {"a", "{\"credHelpers\": {\n \"b\": \"x\",\n \"c\": \"x\"\n}, \"z\": 1}"},
        {"b", "{\"credHelpers\": {\n \"a\": \"x\",\n \"c\": \"x\"\n}, \"z\": 1}"},
        {"c", "{\"credHelpers\": {\n \"a\": \"x\",\n \"b\": \"x\"\n}, \"z\": 1}"},
        {"d", text},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        PQ_AUTO_CLIENT_CONFIG config = config_of(text);
        pq_client_config_remove(&config, cases[i][0], true);
        assert_string_equal(pq_buf_text(&config.text), cases[i][1]);
    }
    PQ_AUTO_CLIENT_CONFIG only = config_of("{\"credHelpers\": {\"a\": \"x\"}, \"z\": 1}");
    pq_client_config_remove(&only, "a", true);
    assert_string_equal(pq_buf_text(&only.text), "{\"z\": 1}");
    assert_false(pq_client_config_is_empty(&only));
}

static void what_is_no_configuration_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *where;
    } cases[] = {
        {"{\n\t\"a\": 1,\n}", "config.json:3:1"}, {"{\"a\": 1} x", "config.json:1:10"}, {"[]", "config.json"},
        {"{\"credHelpers\": []}", "config.json"}, {"{\"password\": \"hunter2", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        PQ_AUTO_ERROR err = {0};
        pq_client_config config = {0};
        assert_false(pq_client_config_read("config.json", cases[i].text, strlen(cases[i].text), &config, &err));
        assert_int_equal(err.code, PQ_EINPUT);
        if (cases[i].where)
            assert_string_equal(err.where, cases[i].where);
        assert_null(strstr(err.message, "hunter2"));
    }
}

static void a_login_in_the_file_is_seen(void **state)
{
    (void)state;
    PQ_AUTO_CLIENT_CONFIG config = config_of("{\"auths\": {\"a\": {\"auth\": \"YTpi\"}, \"b\": {}, \"c\": "
                                             "{\"identitytoken\": \"x\"}, \"d\": {\"auth\": \"\"}}}");
    assert_true(pq_client_config_has_login(&config, "a") && pq_client_config_has_login(&config, "c"));
    assert_false(pq_client_config_has_login(&config, "b") || pq_client_config_has_login(&config, "d") ||
                 pq_client_config_has_login(&config, "e"));
}

static void keys_are_what_clients_look_for(void **state)
{
    (void)state;
    PQ_AUTO_STRINGS docker = {0}, podman = {0}, other = {0};
    pq_client_keys(PQ_CLIENT_DOCKER, "docker.io", &docker);
    pq_client_keys(PQ_CLIENT_PODMAN, "docker.io", &podman);
    pq_client_keys(PQ_CLIENT_DOCKER, "ghcr.io", &other);
    assert_true(pq_strings_have(&docker, "https://index.docker.io/v1/") && docker.count == 2);
    assert_true(pq_strings_have(&podman, "docker.io") && podman.count == 1);
    assert_true(pq_strings_have(&other, "ghcr.io") && other.count == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_helper_is_set_and_all_else_stays),
        cmocka_unit_test(what_was_set_is_taken_away_to_the_byte),
        cmocka_unit_test(the_first_the_middle_and_the_last_go),
        cmocka_unit_test(what_is_no_configuration_is_refused),
        cmocka_unit_test(a_login_in_the_file_is_seen),
        cmocka_unit_test(keys_are_what_clients_look_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
