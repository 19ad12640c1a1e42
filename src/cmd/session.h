/* What most commands need: the configuration, the secrets, and clients that know the identities. Opened step by step,
 * so that a command pays for no more than it uses. */
#pragma once

#include "auth/auth.h"
#include "cmd/cli.h"
#include "config/config.h"
#include "config/mirrors.h"
#include "registry/registry.h"
#include "secrets/source.h"

typedef struct pq_session {
    pq_config config;
    char *config_path; /* NULL: there is none, and `config` is empty */
    char *config_skipped;
    pq_mirrors mirrors; /* of this machine */
    pq_secrets *secrets;
    pq_http *http;
    pq_cache *cache; /* NULL where there is no folder in memory */
    pq_auth *auth;
    pq_registry *registry;  /* reads: with the identities of container_registries, and the hub's for the hub */
    bool for_builds;        /* the cache must be where no build can see it; set before pq_session_connect() */
    pq_cache_manner manner; /* what of the cache is good enough; set before */
    bool once;              /* a request is sent once; set before */
    bool elsewhere;         /* a device.yml is read where its device is not, and nothing done by it; set before */
    const char *hub_host, *hub_secret; /* of --hub and --hub-secret; borrowed, set before pq_session_connect() */
} pq_session;

#define PQ_AUTO_SESSION PQ_CLEANUP(pq_session_clear) pq_session

void pq_session_clear(pq_session *session);
/* Reads a device.yml: that of --device-config, else `path`, else the usual one. It must be there, and nobody else may
 * be able to change it, or a folder on the way to it (elsewhere than on the device: its own folder). Needs no secrets.
 */
bool pq_session_read_device(pq_session *session, pq_cli *cli, const char *path);
/* Finds and reads the configuration, or the device.yml of --device-config; `scanned` (or NULL) are folders in which
 * none is taken. Without one, and if it is not `required`, an empty one. Problems go to the run's errors. */
bool pq_session_read_config(pq_session *session, pq_cli *cli, const pq_strings *scanned, bool required);
/* Reads this machine's registries.conf, though none below `scanned` (or NULL). */
bool pq_session_read_mirrors(pq_session *session, pq_cli *cli, const pq_strings *scanned);
bool pq_session_open_secrets(pq_session *session, pq_cli *cli);
/* Opens the cache of tokens; `folder` names it, else it is looked for. Without one all works, and says so once. */
void pq_session_open_cache(pq_session *session, const char *folder);
/* After the two before: identities alone. The HTTP client is made when a cloud is asked, for libcurl takes longer to
 * load than all else together. */
void pq_session_open_auth(pq_session *session);
/* After the two before: HTTP client, identities, registry client. */
bool pq_session_connect(pq_session *session, pq_cli *cli);
/* "aws", "azure", "gar", "generic", "hub" or "anonymous": who serves a host. */
const char *pq_session_access(const pq_session *session, const char *host);
