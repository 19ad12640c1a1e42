#include <stdlib.h>
#include <string.h>

#include "auth/aws/host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PQ_AUTO_FREE char *text = pq_strndup((const char *)data, size);
    PQ_AUTO_AWS_HOST host = {0};
    PQ_AUTO_ERROR err = {0};
    if (!pq_aws_host_parse(text, &host, &err))
        return 0;
    /* what was taken can be written again from its parts */
    PQ_AUTO_FREE char *again =
        pq_asprintf("%s.dkr%cecr%s.%s.%s", host.account, host.dual_stack ? '-' : '.', host.fips ? "-fips" : "",
                    host.region, host.dual_stack ? host.partition->registry_dual : host.partition->dns);
    PQ_AUTO_FREE char *api = pq_aws_ecr_api_host(&host, (pq_aws_reach){host.fips, host.dual_stack});
    if ((!host.gallery && strcmp(text, again) != 0) ||
        strspn(api, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") != strlen(api))
        abort();
    return 0;
}
