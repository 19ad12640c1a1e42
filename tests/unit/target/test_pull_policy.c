#include "pq_cmocka.h"

#include <jansson.h>
#include <string.h>

#include "target/pull_policy.h"

#define BASE "quay.example.com/team/base@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define TOOL "ghcr.example.com/tool@sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static json_t *make(const char *system, const char *const *pulls)
{
    PQ_AUTO_STRINGS list = {0};
    for (; *pulls; pulls++)
        pq_strings_add(&list, *pulls);
    PQ_AUTO_FREE char *text = NULL;
    PQ_AUTO_ERROR err = {0};
    if (!pq_pull_policy_make(system, system ? strlen(system) : 0, "policy.json", &list, &text, &err))
        return NULL;
    return json_loads(text, 0, NULL);
}

/* The type of the first requirement that containers-policy.json(5) finds for an image of the docker transport. */
static const char *type_of(const json_t *policy, const char *image)
{
    const json_t *docker = json_object_get(json_object_get(policy, "transports"), "docker");
    const json_t *found = json_object_get(docker, image);
    if (!found)
        found = json_object_get(policy, "default");
    return json_string_value(json_object_get(json_array_get(found, 0), "type"));
}

static void only_what_is_listed_may_be_pulled(void **state)
{
    (void)state;
    json_auto_t *policy = make(NULL, (const char *const[]){BASE, NULL});
    assert_string_equal(type_of(policy, BASE), "insecureAcceptAnything");
    assert_string_equal(type_of(policy, "quay.example.com/team/base:latest"), "reject");
    assert_string_equal(type_of(policy, TOOL), "reject");
    const json_t *docker = json_object_get(json_object_get(policy, "transports"), "docker");
    assert_int_equal(json_object_size(docker), 1);
}

/* A machine whose policy asks for signatures goes on asking for them. */
static void what_the_system_asks_is_asked_still(void **state)
{
    (void)state;
    static const char system[] =
        "{\"default\": [{\"type\": \"reject\"}], \"transports\": {\"docker\": {"
        "\"quay.example.com/team\": [{\"type\": \"signedBy\", \"keyType\": \"GPGKeys\", \"keyPath\": \"/k\"}],"
        "\"quay.example.com\": [{\"type\": \"insecureAcceptAnything\"}],"
        "\"*.example.com\": [{\"type\": \"sigstoreSigned\", \"keyPath\": \"/s\"}],"
        "\"\": [{\"type\": \"insecureAcceptAnything\"}]}}}";
    json_auto_t *policy = make(system, (const char *const[]){BASE, TOOL, "other.example.net/x@sha256:cc",
                                                             "quay.example.com/b@sha256:d", NULL});
    assert_string_equal(type_of(policy, BASE), "signedBy");
    assert_string_equal(type_of(policy, TOOL), "sigstoreSigned");
    assert_string_equal(type_of(policy, "other.example.net/x@sha256:cc"), "insecureAcceptAnything");
    assert_string_equal(type_of(policy, "quay.example.com/b@sha256:d"), "insecureAcceptAnything");
    json_auto_t *closed = make("{\"default\": [{\"type\": \"reject\"}]}", (const char *const[]){BASE, NULL});
    assert_string_equal(type_of(closed, BASE), "reject");
}

static void what_is_no_policy_is_refused(void **state)
{
    (void)state;
    assert_null(make("[]", (const char *const[]){BASE, NULL}));
    assert_null(make("{", (const char *const[]){BASE, NULL}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_is_listed_may_be_pulled),
        cmocka_unit_test(what_the_system_asks_is_asked_still),
        cmocka_unit_test(what_is_no_policy_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
