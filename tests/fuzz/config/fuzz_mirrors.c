/* Any bytes as registries.conf: either errors or rules that keep their promises. */
#include <stdlib.h>
#include <string.h>

#include "config/mirrors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void check_sources(const pq_mirrors *mirrors, const char *image)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_PULL_SOURCES sources = {0};
    bool good = pq_mirrors_sources(mirrors, image, &sources, &err);
    must(good ? sources.count > 0 : err.code == PQ_EDENIED && sources.count == 0);
    for (size_t i = 0; i < sources.count; i++) {
        must(!strstr(sources.at[i].image, "://") && !pq_starts_with(sources.at[i].image, "/"));
        must(sources.at[i].rewritten == (strcmp(sources.at[i].image, image) != 0));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PQ_AUTO_ERRORS errs = {0};
    PQ_AUTO_MIRRORS mirrors = {0};
    bool good = pq_mirrors_parse(data, size, "f", &mirrors, &errs);
    must(good == (errs.count == 0) && (good || mirrors.rule_count == 0));
    for (size_t i = 0; i < errs.count; i++)
        must(errs.at[i].code == PQ_ECONFIG && pq_starts_with(errs.at[i].where, "f:"));
    check_sources(&mirrors, "docker.io/library/busybox:1");
    check_sources(&mirrors, "a.example.com/x/y@sha256:0");
    return 0;
}
