/* What a configuration says, once it is read: factory-config.yml, or device.yml. */
#pragma once

#include "base/text.h"

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

void pq_config_clear(pq_config *config);
void pq_setting_clear(pq_setting *setting);

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
bool pq_config_session_valid(const char *name);
/* A name that a secret may have: 1 to 128 of A-Z a-z 0-9 _ - ., beginning with none of the last two. */
bool pq_config_secret_name_valid(const char *name);
