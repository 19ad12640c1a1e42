#include "pq_cmocka.h"

#include <string.h>

#include "auth/generic/docker_login.h"

/* base64 of ada:p:w, bob:q and 00000000-0000-0000-0000-000000000000: */
#define ADA "{\"auth\":\"YWRhOnA6dw==\"}"
#define BOB "{\"auth\":\"Ym9iOnE=\"}"
#define NOBODY "MDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAwOg=="

/* "user=secret", "!helper key" or "-", whichever the file says. Owned. */
static char *find(pq_login_file form, const char *text, const char *host, const char *repository)
{
    PQ_AUTO_DOCKER_LOGIN login = {0};
    PQ_AUTO_ERROR err = {0};
    bool found = false;
    if (!pq_docker_login_find(form, text, strlen(text), "config.json", host, repository, &login, &found, &err)) {
        assert_int_equal(err.code, PQ_EINPUT);
        assert_string_equal(err.where, "config.json");
        return pq_strdup(err.message);
    }
    if (!found)
        return pq_strdup("-");
    if (login.helper)
        return pq_asprintf("!%s %s", login.helper, login.key);
    return pq_asprintf("%s%s=%s", login.credential.identity_token ? "@" : "", login.credential.username,
                       pq_secret_bytes(login.credential.secret));
}

static void want(pq_login_file form, const char *text, const char *host, const char *repository, const char *expected)
{
    PQ_AUTO_FREE char *got = find(form, text, host, repository);
    if (!strstr(got, expected) || (strchr("-!@", *expected) && strcmp(got, expected) != 0))
        fail_msg("%s for %s/%s: %s, not %s", text, host, repository ? repository : "", got, expected);
}

static void the_longest_path_wins(void **state)
{
    (void)state;
    static const char text[] = "{\"auths\":{\"quay.io\":" ADA ",\"quay.io/acme\":" BOB ",\"quay.io/acme/secret\":{}}}";
    want(PQ_LOGIN_CONTAINERS, text, "quay.io", "other/app", "ada=p:w");
    want(PQ_LOGIN_CONTAINERS, text, "quay.io", "acme/app", "bob=q");
    want(PQ_LOGIN_CONTAINERS, text, "quay.io", "acme", "bob=q");
    want(PQ_LOGIN_CONTAINERS, text, "quay.io", "acmes/app", "ada=p:w");
    want(PQ_LOGIN_CONTAINERS, text, "quay.io", "acme/secret/x", "-");
    want(PQ_LOGIN_CONTAINERS, text, "quay.io", NULL, "ada=p:w");
    want(PQ_LOGIN_CONTAINERS, text, "quay.example", NULL, "-");
    want(PQ_LOGIN_CONTAINERS, text, "quay.io:5000", NULL, "-");
}

static void without_a_repository_a_lone_path_serves(void **state)
{
    (void)state;
    want(PQ_LOGIN_CONTAINERS, "{\"auths\":{\"quay.io/acme\":" BOB "}}", "quay.io", NULL, "bob=q");
    want(PQ_LOGIN_CONTAINERS, "{\"auths\":{\"quay.io/acme\":" BOB ",\"quay.io/b\":" ADA "}}", "quay.io", NULL,
         "several logins for parts of quay.io");
}

static void docker_hub_has_its_own_key(void **state)
{
    (void)state;
    static const char *const keys[] = {"https://index.docker.io/v1/", "index.docker.io", "docker.io",
                                       "https://registry-1.docker.io/v2/"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        PQ_AUTO_FREE char *text = pq_asprintf("{\"auths\":{\"%s\":" ADA "}}", keys[i]);
        want(PQ_LOGIN_DOCKER, text, "docker.io", "library/busybox", "ada=p:w");
    }
    want(PQ_LOGIN_DOCKER, "{\"credsStore\":\"desktop\"}", "docker.io", NULL, "!desktop https://index.docker.io/v1/");
    want(PQ_LOGIN_DOCKER, "{\"credHelpers\":{\"https://index.docker.io/v1/\":\"x\"}}", "docker.io", NULL,
         "!x https://index.docker.io/v1/");
}

static void helpers_come_before_logins(void **state)
{
    (void)state;
    static const char text[] =
        "{\"credHelpers\":{\"a.io\":\"one\"},\"credsStore\":\"two\",\"auths\":{\"a.io\":" ADA ",\"b.io\":" BOB "}}";
    want(PQ_LOGIN_DOCKER, text, "a.io", NULL, "!one a.io");
    want(PQ_LOGIN_DOCKER, text, "b.io", NULL, "!two b.io");
    want(PQ_LOGIN_CONTAINERS, text, "a.io", NULL, "!one a.io");
    want(PQ_LOGIN_CONTAINERS, text, "b.io", NULL, "bob=q"); /* credsStore means nothing there */
    /* Ours would ask us. */
    want(PQ_LOGIN_DOCKER, "{\"credHelpers\":{\"a.io\":\"pratique\"},\"auths\":{\"a.io\":" ADA "}}", "a.io", NULL,
         "ada=p:w");
    want(PQ_LOGIN_DOCKER, "{\"credsStore\":\"pratique\"}", "a.io", NULL, "-");
    want(PQ_LOGIN_DOCKER, "{\"credHelpers\":{\"a.io\":\"../x\"}}", "a.io", NULL, "no name that a program can have");
    want(PQ_LOGIN_DOCKER, "{\"credHelpers\":{\"a.io\":7}}", "a.io", NULL, "no name that a program can have");
}

static void forms_of_an_entry(void **state)
{
    (void)state;
    static const struct {
        const char *entry, *expected;
    } cases[] = {
        {"{}", "-"},
        {"7", "-"},
        {"{\"auth\":\"\"}", "-"},
        {"{\"username\":\"u\",\"password\":\"p:w\"}", "u=p:w"},
        {"{\"auth\":\"YWRhOnB3AAA=\"}", "ada=pw"}, /* docker cuts NULs */
        {"{\"auth\":\"" NOBODY "\",\"identitytoken\":\"tok\"}", "@00000000-0000-0000-0000-000000000000=tok"},
        {"{\"identitytoken\":\"tok\"}", "@<token>=tok"},
        {"{\"auth\":\"" NOBODY "\"}", "-"},
        {"{\"auth\":\"*\"}", "is not in base64"},
        {"{\"auth\":\"YWRh\"}", "is not <user>:<password>"},
        {"{\"auth\":\"YQpiOmM=\"}", "is not <user>:<password>"},
        {"{\"registrytoken\":\"x\"}", "is not supported"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        PQ_AUTO_FREE char *text = pq_asprintf("{\"auths\":{\"a.io\":%s}}", cases[i].entry);
        want(PQ_LOGIN_DOCKER, text, "a.io", NULL, cases[i].expected);
    }
    want(PQ_LOGIN_DOCKER, "[]", "a.io", NULL, "is not JSON");
    want(PQ_LOGIN_DOCKER, "{\"auths\":[]}", "a.io", NULL, "-");
}

static void what_a_helper_prints(void **state)
{
    (void)state;
    static const char good[] = "{\"ServerURL\":\"a.io\",\"Username\":\"u\",\"Secret\":\"s\"}\n";
    static const char token[] = "{\"Username\":\"<token>\",\"Secret\":\"s\"}";
    static const char *const bad[] = {"",
                                      "[]",
                                      "{}",
                                      "{\"Username\":\"u\"}",
                                      "{\"Username\":\"u\",\"Secret\":\"\"}",
                                      "{\"Username\":\"u\\n\",\"Secret\":\"s\"}",
                                      "{\"Username\":1,\"Secret\":\"s\"}"};
    PQ_AUTO_CREDENTIAL first = {0}, second = {0};
    PQ_AUTO_ERROR err = {0};
    assert_true(pq_docker_helper_read(good, strlen(good), "helper", &first, &err));
    assert_string_equal(first.username, "u");
    assert_string_equal(pq_secret_bytes(first.secret), "s");
    assert_false(first.identity_token);
    assert_true(pq_docker_helper_read(token, strlen(token), "helper", &second, &err));
    assert_true(second.identity_token);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        PQ_AUTO_CREDENTIAL none = {0};
        assert_false(pq_docker_helper_read(bad[i], strlen(bad[i]), "helper", &none, &err));
        assert_string_equal(err.where, "helper");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_path_wins),      cmocka_unit_test(without_a_repository_a_lone_path_serves),
        cmocka_unit_test(docker_hub_has_its_own_key), cmocka_unit_test(helpers_come_before_logins),
        cmocka_unit_test(forms_of_an_entry),          cmocka_unit_test(what_a_helper_prints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
