/* Where the private keys of a TUF repository lie, and the passphrase that they are sealed with. */
#pragma once

#include "cmd/cli.h"
#include "secrets/source.h"

/* --keys, else $XDG_CONFIG_HOME/pratique/tuf/<name of REPO>. Owned. */
bool pq_tuf_keys_folder(const char *option, const char *repo, char **out, pq_error *err) PQ_MUST_USE;
/* Secret `tuf_passphrase`, else $CREDENTIALS_DIRECTORY/tuf_passphrase, else asked for on the terminal; `twice` when it
 * is a new one. One final line end of a file is not part of it. */
bool pq_tuf_passphrase(pq_secrets *secrets, bool twice, pq_secret **out, pq_error *err) PQ_MUST_USE;
