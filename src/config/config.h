/* factory-config.yml: where it is found, and what it says (interface: "Where the configuration is found",
 * "factory-config.yml"). Offline; nothing here looks at a secret. */
#pragma once

#include "base/error.h"
#include "base/text.h"

#include <sys/types.h>

/* --- where it is found -------------------------------------------------------------------------------------------- */

typedef struct pq_config_search {
    const char *option;         /* --config, or NULL */
    const char *environment;    /* the value of $PRATIQUE_CONFIG, or NULL; "" counts as NULL */
    const char *working_folder; /* where the search upward begins */
    const pq_strings *scanned;  /* what is scanned or built: nothing inside these is taken; or NULL */
    uid_t user;                 /* the effective user; folders and files of others are not taken */
} pq_config_search;

/* Sets `*out` to the absolute path of the configuration (owned). A file that --config or $PRATIQUE_CONFIG names must
 * exist (PQ_EUSAGE, PQ_ECONFIG). Otherwise `factory-config.yml` or `ci-scripts/factory-config.yml` is looked for from
 * the working folder upward to the git root; outside of any git work tree, in the working folder only. Nothing found is
 * no error: `*out` is NULL then, and `*skipped` says in words what was passed over and why, or is NULL (owned). */
bool pq_config_find(const pq_config_search *search, char **out, char **skipped, pq_error *err) PQ_MUST_USE;
/* The error of a command that cannot do without a configuration. `skipped` as given by pq_config_find, or NULL. */
bool pq_config_missing(const char *skipped, pq_error *err);

/* Whether a path, or what it leads to, lies inside one of these folders, or beside one of these files. Also true where
 * that cannot be found out. `scanned` may be NULL. */
bool pq_config_is_scanned(const char *path, const pq_strings *scanned);

/* --- what it says ------------------------------------------------------------------------------------------------- */

/* A value and its line, which is 0 when it was not given. */
typedef struct pq_setting {
    char *text; /* owned; NULL when not given and without a default */
    unsigned line;
} pq_setting;

typedef enum pq_registry_type {
    PQ_REGISTRY_AWS = 0,
    PQ_REGISTRY_AZURE,
    PQ_REGISTRY_GAR,
    PQ_REGISTRY_GENERIC,
    PQ_REGISTRY_GATEWAY, /* device.yml only */
} pq_registry_type;

/* Where an identity comes from. */
typedef enum pq_config_auth {
    PQ_AUTH_SECRET = 0,  /* a named secret */
    PQ_AUTH_OIDC,        /* the OIDC token of the CI */
    PQ_AUTH_ENVIRONMENT, /* the cloud's own default chain */
    /* device.yml: the device's certificate, by */
    PQ_AUTH_IOT,            /* the AWS IoT credentials provider */
    PQ_AUTH_ROLES_ANYWHERE, /* IAM Roles Anywhere */
    PQ_AUTH_ENTRA,          /* an assertion for Entra ID */
    PQ_AUTH_FEDERATION,     /* workload identity federation of Google */
    PQ_AUTH_GATEWAY,        /* a device gateway */
    PQ_AUTH_FILE,           /* or no certificate, but a file that was copied here */
} pq_config_auth;

/* One entry of container_registries, or of the `registries` of device.yml. */
typedef struct pq_config_registry {
    size_t number; /* from 1, as errors count them */
    unsigned line; /* of its first key */
    pq_registry_type type;
    pq_config_auth auth;
    unsigned auth_line;
    pq_setting host;    /* `url`, normal (host.h); NULL for a gar entry that serves all of Google's */
    pq_setting secret;  /* aws_creds_, azure_principal_, gar_creds_ or generic_secret_name */
    pq_setting region;  /* aws; never NULL there: read from the host when not given */
    pq_setting profile; /* aws; NULL is "default" */
    pq_setting role_arn, external_id, role_session_name;         /* aws */
    pq_setting azure_tenant, azure_client_id, azure_cert_secret; /* azure */
    pq_setting workload_identity_provider, service_account;      /* gar */
    pq_setting oidc_audience, oidc_token_env, oidc_token_file;   /* with PQ_AUTH_OIDC */
    /* Of device.yml; azure_tenant, azure_client_id and service_account count there too. `auth_line` is the line of the
     * key that says how: `iot`, `entra`, … */
    pq_setting iot_endpoint, iot_role_alias;                     /* host; alias */
    pq_setting iot_thing_name;                                   /* NULL: the certificate's common name */
    pq_setting profile_arn, anywhere_role_arn, trust_anchor_arn; /* with PQ_AUTH_ROLES_ANYWHERE */
    pq_setting audience;         /* with PQ_AUTH_FEDERATION: //iam.googleapis.com/projects/… */
    pq_setting gateway;          /* https URL without a slash at its end */
    pq_setting credentials_file; /* absolute path */
} pq_config_registry;

typedef struct pq_config {
    char *name; /* as errors call the file */
    /* Of device.yml: who the device is. Each is an absolute path or a `pkcs11:` URI without a PIN in it. */
    struct {
        bool is_device;              /* it is a device.yml at all */
        unsigned line;               /* 0: there is no `identity`, and no entry that needs one */
        pq_setting certificate, key; /* both, or neither */
        pq_setting ca;               /* trust for the gateway; a path, or NULL for the system's */
    } device;
    pq_config_registry *registries;
    size_t registry_count, registry_capacity;
    struct {
        unsigned line;      /* 0: there is no hub */
        pq_setting host;    /* normal */
        pq_setting factory; /* the one path component after it */
        pq_setting secret;  /* hub_secret_name, or NULL */
    } hub;
    pq_setting targets_expire_after; /* "1Y" unless given; pq_time_add_period takes it */
    pq_strings machines;             /* lmp.machines */
    pq_strings platforms;            /* containers.platforms: "arm", "arm64", "amd64" */
    unsigned machines_line, platforms_line;
    bool docker_build_secrets;
} pq_config;

#define PQ_AUTO_CONFIG PQ_CLEANUP(pq_config_clear) pq_config

/* Reads a configuration, or a bare JSON list of registry entries. All problems are added to `errs`, in the order of
 * their lines (PQ_ECONFIG, or PQ_EINPUT where it is not YAML at all). On failure `out` is empty. `name` is for errors.
 */
bool pq_config_parse(const void *bytes, size_t length, const char *name, pq_config *out, pq_errors *errs) PQ_MUST_USE;
/* Reads a device.yml in the same way: what it says goes into `device` and `registries`. */
bool pq_config_parse_device(const void *bytes, size_t length, const char *name, pq_config *out,
                            pq_errors *errs) PQ_MUST_USE;
bool pq_config_load_device(const char *path, const char *name, pq_config *out, pq_errors *errs) PQ_MUST_USE;
/* Where a device.yml is unless somebody names another. */
#define PQ_DEVICE_CONFIG "/etc/pratique/device.yml"
/* The same for a file; `name` NULL names it by its path. */
bool pq_config_load(const char *path, const char *name, pq_config *out, pq_errors *errs) PQ_MUST_USE;
void pq_config_clear(pq_config *config);

/* The entry that serves a registry host (`host[:port]`, in any case), or NULL: an exact one, else a gar entry without
 * url for the hosts of Google. Borrowed. */
const pq_config_registry *pq_config_registry_for_host(const pq_config *config, const char *host);
/* "aws", "azure", "gar", "generic", "gateway". */
const char *pq_registry_type_name(pq_registry_type type);
/* The key that names the secret of such a registry, "aws_creds_secret_name", …; NULL for a gateway. */
const char *pq_registry_secret_key(pq_registry_type type);
/* `name:line` for errors about a value found later. Owned. */
char *pq_config_where(const pq_config *config, unsigned line) PQ_MUST_USE;
/* arn:PARTITION:iam::ACCOUNT:role/NAME, and what may name a session of a role. */
bool pq_config_role_valid(const char *arn);
/* The key of device.yml by which an entry says where its identity comes from, "iot"; NULL for those of a factory. */
const char *pq_config_device_way(pq_config_auth auth);
bool pq_config_session_valid(const char *name);
/* A name that a secret may have: 1 to 128 of A-Z a-z 0-9 _ - ., beginning with none of the last two. */
bool pq_config_secret_name_valid(const char *name);
