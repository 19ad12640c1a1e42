#include "pq_cmocka.h"

#include <string.h>

#include "client/kubelet.h"

#define REQUEST(api, kind, image) "{\"apiVersion\":\"" api "\",\"kind\":\"" kind "\",\"image\":\"" image "\"}"
#define V1 "credentialprovider.kubelet.k8s.io/v1"

static void requests_name_a_host(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {REQUEST(V1, "CredentialProviderRequest", "ghcr.example.com/acme/redis:7"), "ghcr.example.com"},
        {REQUEST(V1, "CredentialProviderRequest", "busybox"), "docker.io"},
        {REQUEST(V1, "CredentialProviderRequest",
                 "localhost:5000/a@sha256:"
                 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
         "localhost:5000"},
        {"{\"image\":\"a.b/"
         "c\",\"serviceAccountToken\":\"x\",\"kind\":\"CredentialProviderRequest\",\"apiVersion\":\"" V1
         "\",\"new\":{}}",
         "a.b"},
        {REQUEST("credentialprovider.kubelet.k8s.io/v1beta1", "CredentialProviderRequest", "a.b/c"), NULL},
        {REQUEST(V1, "CredentialProviderResponse", "a.b/c"), NULL},
        {REQUEST(V1, "CredentialProviderRequest", ""), NULL},
        {REQUEST(V1, "CredentialProviderRequest", "A B"), NULL},
        {"{\"apiVersion\":\"" V1 "\",\"kind\":\"CredentialProviderRequest\",\"image\":7}", NULL},
        {"[]", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        PQ_AUTO_FREE char *host = NULL;
        PQ_AUTO_ERROR err = {0};
        bool good = pq_kubelet_read_request(cases[i][0], strlen(cases[i][0]), &host, &err);
        assert_int_equal(good, cases[i][1] != NULL);
        if (good)
            assert_string_equal(host, cases[i][1]);
        else
            assert_int_equal(err.code, PQ_EINPUT);
    }
}

static void the_answer_is_of_the_api(void **state)
{
    (void)state;
    PQ_AUTO_BUF out = PQ_BUF(1000), none = PQ_BUF(1000);
    pq_kubelet_write_answer(&out, "a.b", "u", "p\"", 2, 90);
    assert_string_equal(pq_buf_text(&out),
                        "{\"kind\":\"CredentialProviderResponse\",\"apiVersion\":\"" V1 "\",\"cacheKeyType\":"
                        "\"Registry\",\"cacheDuration\":\"90s\",\"auth\":{\"a.b\":{\"username\":\"u\",\"password\":"
                        "\"p\\\"\"}}}\n");
    pq_kubelet_write_answer(&none, "a.b", NULL, NULL, 0, 0);
    assert_non_null(strstr(pq_buf_text(&none), "\"auth\":{}"));
}

static void an_answer_is_kept_well_within_its_life(void **state)
{
    (void)state;
    assert_int_equal(pq_kubelet_keep(1000, 1000 + 12 * 3600), 4 * 3600);
    assert_int_equal(pq_kubelet_keep(1000, 1000 + 48 * 3600), 6 * 3600);
    assert_int_equal(pq_kubelet_keep(1000, 1000 + 60), 20);
    assert_int_equal(pq_kubelet_keep(1000, 999), 0);
    assert_int_equal(pq_kubelet_keep(1000, 0), 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_name_a_host),
        cmocka_unit_test(the_answer_is_of_the_api),
        cmocka_unit_test(an_answer_is_kept_well_within_its_life),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
