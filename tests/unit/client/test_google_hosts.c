#include "pq_cmocka.h"

#include "client/google_hosts.h"

/* docker-credential-gcr, config/const.go (DefaultGCRRegistries without the marketplace, DefaultARRegistries). */
static const char *const published[] = {
    "gcr.io",
    "us.gcr.io",
    "eu.gcr.io",
    "asia.gcr.io",
    "asia-docker.pkg.dev",
    "asia-east1-docker.pkg.dev",
    "asia-east2-docker.pkg.dev",
    "asia-northeast1-docker.pkg.dev",
    "asia-northeast2-docker.pkg.dev",
    "asia-northeast3-docker.pkg.dev",
    "asia-south1-docker.pkg.dev",
    "asia-south2-docker.pkg.dev",
    "asia-southeast1-docker.pkg.dev",
    "asia-southeast2-docker.pkg.dev",
    "australia-southeast1-docker.pkg.dev",
    "australia-southeast2-docker.pkg.dev",
    "europe-docker.pkg.dev",
    "europe-central2-docker.pkg.dev",
    "europe-north1-docker.pkg.dev",
    "europe-west1-docker.pkg.dev",
    "europe-west2-docker.pkg.dev",
    "europe-west3-docker.pkg.dev",
    "europe-west4-docker.pkg.dev",
    "europe-west5-docker.pkg.dev",
    "europe-west6-docker.pkg.dev",
    "northamerica-northeast1-docker.pkg.dev",
    "northamerica-northeast2-docker.pkg.dev",
    "southamerica-east1-docker.pkg.dev",
    "southamerica-west1-docker.pkg.dev",
    "us-docker.pkg.dev",
    "us-central1-docker.pkg.dev",
    "us-east1-docker.pkg.dev",
    "us-east4-docker.pkg.dev",
    "us-west1-docker.pkg.dev",
    "us-west2-docker.pkg.dev",
    "us-west3-docker.pkg.dev",
    "us-west4-docker.pkg.dev",
};

static void every_published_host_is_there_once(void **state)
{
    (void)state;
    PQ_AUTO_STRINGS hosts = {0}, once = {0};
    pq_google_hosts(&hosts);
    for (size_t i = 0; i < sizeof published / sizeof *published; i++)
        assert_true(pq_strings_have(&hosts, published[i]));
    for (size_t i = 0; i < hosts.count; i++)
        assert_true(pq_strings_add_once(&once, hosts.at[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_published_host_is_there_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
