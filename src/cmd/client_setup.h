/* What `login`, `logout` and `device setup` have in common: options, hosts, and what is said of a client's
 * configuration. */
#pragma once

#include "client/client_binding.h"
#include "cmd/session.h"

/* The value of --client (NULL: docker). */
bool pq_client_option(pq_cli *cli, const char *name, pq_client *out) PQ_MUST_USE;
/* The folder of --into, which is made only when something is written into it; resolved, where it is there. Owned. */
bool pq_client_into(const char *into, char **out, pq_error *err) PQ_MUST_USE;
/* The hosts that the command's words name; each must be served by the configuration. */
bool pq_client_named_hosts(pq_cli *cli, const pq_session *session, const pq_arguments *arguments,
                           pq_strings *out) PQ_MUST_USE;
/* Host, program, configuration and type of a new block. */
void pq_client_describe(const pq_session *session, const char *host, const char *program, pq_bound *out);
/* Lets hosts go, forgets their last answers, and says which of those that were named were not bound. */
bool pq_client_let_go(pq_cli *cli, pq_client_binding *client, const pq_client_unbind_options *options) PQ_MUST_USE;
/* Prints the change. Returns it as a JSON object: client, file, binding, registries (taken; left out if NULL), changes.
 * A new reference. */
json_t *pq_client_report(pq_cli *cli, const pq_client_binding *client, json_t *registries) PQ_MUST_USE;
/* Clients find their helper by PATH: warns when that is not `helper`. */
void pq_client_warn_of_path(const char *helper);
/* Which variable points a client to a configuration that lies elsewhere. */
void pq_client_tell_environment(const pq_client_binding *client);
