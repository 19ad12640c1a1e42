#include "cmd/scan_options.h"

static bool read_pairs(pq_cli *cli, const pq_arguments *arguments, const char *name, pq_vars *out)
{
    PQ_AUTO_STRINGS pairs = {0};
    bool good = true;
    pq_arguments_values(arguments, name, &pairs);
    for (size_t i = 0; i < pairs.count; i++)
        if (!pq_vars_set_pair(out, pairs.at[i]))
            good = pq_errors_add(&cli->errors, PQ_EUSAGE, NULL, "write NAME=value", "--%s wants NAME=value", name);
    return good;
}

bool pq_scan_arguments_read(pq_cli *cli, const pq_arguments *arguments, pq_scan_arguments *out)
{
    bool good = read_pairs(cli, arguments, "build-arg", &out->build_args);
    good = read_pairs(cli, arguments, "env", &out->variables) && good;
    out->options = (pq_scan_options){.build_args = &out->build_args,
                                     .variables = &out->variables,
                                     .use_environment = pq_arguments_have(arguments, "use-environment")};
    return good;
}

void pq_scan_arguments_define(pq_scan_arguments *arguments, const pq_config *config)
{
    if (config->hub.line && !pq_vars_get(&arguments->variables, "FACTORY"))
        pq_vars_set(&arguments->variables, "FACTORY", config->hub.factory.text, NULL);
}

void pq_scan_arguments_clear(pq_scan_arguments *arguments)
{
    pq_vars_clear(&arguments->build_args);
    pq_vars_clear(&arguments->variables);
}
