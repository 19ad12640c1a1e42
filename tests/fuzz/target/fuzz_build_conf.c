#include "base/log.h"
#include "target/layout.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pq_log_setup(PQ_QUIET, false);
    /* Warnings are kept for the run, each once: short inputs keep the list short. */
    if (size > 4096)
        return 0;
    pq_build_conf conf = {0};
    PQ_AUTO_STRINGS arguments = {0};
    PQ_AUTO_ERRORS errors = {0};
    pq_build_conf_parse((const char *)data, size, "f", &conf);
    (void)pq_build_args_parse((const char *)data, size, "f", &arguments, &errors);
    pq_build_conf_clear(&conf);
    return 0;
}
