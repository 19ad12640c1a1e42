#include "client/google_hosts.h"

void pq_google_hosts(pq_strings *out)
{
    static const char *const gcr[] = {"gcr.io", "us.gcr.io", "eu.gcr.io", "asia.gcr.io"};
    static const char *const locations[] = {
        "africa-south1",
        "asia",
        "asia-east1",
        "asia-east2",
        "asia-northeast1",
        "asia-northeast2",
        "asia-northeast3",
        "asia-south1",
        "asia-south2",
        "asia-southeast1",
        "asia-southeast2",
        "australia-southeast1",
        "australia-southeast2",
        "europe",
        "europe-central2",
        "europe-north1",
        "europe-north2",
        "europe-southwest1",
        "europe-west1",
        "europe-west2",
        "europe-west3",
        "europe-west4",
        "europe-west5",
        "europe-west6",
        "europe-west8",
        "europe-west9",
        "europe-west10",
        "europe-west12",
        "me-central1",
        "me-central2",
        "me-west1",
        "northamerica-northeast1",
        "northamerica-northeast2",
        "northamerica-south1",
        "southamerica-east1",
        "southamerica-west1",
        "us",
        "us-central1",
        "us-east1",
        "us-east4",
        "us-east5",
        "us-south1",
        "us-west1",
        "us-west2",
        "us-west3",
        "us-west4",
    };
    for (size_t i = 0; i < sizeof gcr / sizeof *gcr; i++)
        pq_strings_add(out, gcr[i]);
    for (size_t i = 0; i < sizeof locations / sizeof *locations; i++)
        pq_strings_take(out, pq_asprintf("%s-docker.pkg.dev", locations[i]));
}
