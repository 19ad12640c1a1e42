/* Where secrets are looked up: each source in turn, the first that has the name wins.
 *
 *     --secrets DIR, $PRATIQUE_SECRETS_DIR, /secrets where it exists, the store
 *
 * A folder holds one file a secret, named after it. Symbolic links are followed within the folder only (a Kubernetes
 * secret is a link to `..data/NAME`); only regular files are read. The store is opened when it is first needed, so that
 * a job whose secrets all lie in a folder needs neither store nor key. */
#pragma once

#include "secrets/store.h"

/* What the command line and the environment say, each NULL or "" when not set. Borrowed. */
typedef struct pq_secret_environment {
    const char *secrets_option;        /* --secrets DIR */
    const char *secrets_dir;           /* $PRATIQUE_SECRETS_DIR */
    const char *system_dir;            /* /secrets, skipped where it does not exist; tests name another */
    const char *store;                 /* $PRATIQUE_STORE */
    const char *store_key_file;        /* $PRATIQUE_STORE_KEY_FILE */
    const char *credentials_directory; /* $CREDENTIALS_DIRECTORY */
    const char *xdg_data_home;         /* $XDG_DATA_HOME */
    const char *xdg_config_home;       /* $XDG_CONFIG_HOME */
    const char *home;                  /* $HOME, for the defaults of the two before */
} pq_secret_environment;

/* All of it from the environment; `secrets_option` may be NULL. */
pq_secret_environment pq_secret_environment_read(const char *secrets_option);

/* The paths of the store and of its key file. */
typedef struct pq_store_place {
    char *path;
    char *key_path;
    bool key_is_credential;
} pq_store_place;

#define PQ_AUTO_STORE_PLACE PQ_CLEANUP(pq_store_place_clear) pq_store_place

/* Store: $PRATIQUE_STORE, else $XDG_DATA_HOME/pratique/secrets.db. Key: $PRATIQUE_STORE_KEY_FILE, else
 * $CREDENTIALS_DIRECTORY/pratique.key where there is one, else $XDG_CONFIG_HOME/pratique/store.key. PQ_ECONFIG where
 * nothing says where. */
bool pq_store_place_find(const pq_secret_environment *environment, pq_store_place *out, pq_error *err) PQ_MUST_USE;
void pq_store_place_clear(pq_store_place *place);
/* Finds the place and opens the store there; for the commands that change it (`create`) or list it. */
bool pq_store_open_default(const pq_secret_environment *environment, bool create, pq_store **out,
                           pq_error *err) PQ_MUST_USE;

typedef struct pq_secrets pq_secrets;
#define PQ_AUTO_SECRETS PQ_CLEANUP(pq_secrets_cleanup) pq_secrets

/* PQ_EUSAGE when --secrets, PQ_ECONFIG when $PRATIQUE_SECRETS_DIR names no folder. Nothing of `environment` is kept. */
bool pq_secrets_open(const pq_secret_environment *environment, pq_secrets **out, pq_error *err) PQ_MUST_USE;
void pq_secrets_close(pq_secrets *secrets); /* NULL is fine */
void pq_secrets_cleanup(pq_secrets **secrets);

/* A secret that was found. */
typedef struct pq_secret_found {
    pq_secret *value;
    char *where;      /* the file, or the store and the name in it; for messages */
    pq_strings hosts; /* what it is bound to; empty for any. A folder binds nothing. */
} pq_secret_found;

#define PQ_AUTO_SECRET_FOUND PQ_CLEANUP(pq_secret_found_clear) pq_secret_found

void pq_secret_found_clear(pq_secret_found *found);

/* Looks a name up. `host` is where the secret is going to be sent, as pq_secret_host() writes it: a secret that is
 * bound to other hosts is refused with PQ_ECONFIG. NULL when it goes nowhere (`config check`, a passphrase).
 * `*out_found` false with true returned: no source has it. PQ_ECONFIG for a name that cannot be one. A source that has
 * the name but cannot give it (a folder of that name, a FIFO, too large, a changed row) is an error, not a miss. */
bool pq_secrets_find(pq_secrets *secrets, const char *name, const char *host, pq_secret_found *out, bool *out_found,
                     pq_error *err) PQ_MUST_USE;
/* The same, and PQ_ECONFIG that names the sources tried when no source has it. WHERE is not set then, so that the
 * caller can say where it was asked for. `*out` is owned by the caller. */
bool pq_secrets_get(pq_secrets *secrets, const char *name, const char *host, pq_secret **out,
                    pq_error *err) PQ_MUST_USE;
/* The files that decide what a look-up of the name finds, whether they are there or not: one in each folder, the store,
 * its key. */
void pq_secrets_files(const pq_secrets *secrets, const char *name, pq_strings *out);
