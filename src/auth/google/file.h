/* A credentials file of Google: what `gcloud` and the consoles write as JSON, in a secret or in the caller's home.
 *
 * Four types are known (google-auth-library-python, google/auth/_default.py): a service account's key, an external
 * account (workload identity federation, Google's AIP-4117), the login of a person (`gcloud auth application-default
 * login`) and the impersonation of a service account on top of another one of these. Pure: no I/O. What the file says
 * is not believed here; endpoint.h says where it may send us. */
#pragma once

#include "base/error.h"
#include "base/secret.h"
#include "base/text.h"

typedef enum pq_google_type {
    PQ_GOOGLE_SERVICE_ACCOUNT = 0,
    PQ_GOOGLE_EXTERNAL_ACCOUNT,
    PQ_GOOGLE_AUTHORIZED_USER,
    PQ_GOOGLE_IMPERSONATED,
} pq_google_type;

/* Where the subject token of an external account comes from. */
typedef enum pq_google_source_type {
    PQ_GOOGLE_FROM_FILE = 0,
    PQ_GOOGLE_FROM_URL,
    PQ_GOOGLE_FROM_EXECUTABLE,
    PQ_GOOGLE_FROM_CERTIFICATE,
    PQ_GOOGLE_FROM_CI,     /* never in a file: the CI's own OIDC token (auth/common/oidc.h) */
    PQ_GOOGLE_FROM_DEVICE, /* nor this: the certificate of the device */
} pq_google_source_type;

typedef struct pq_google_source {
    pq_google_source_type type;
    char *place;        /* the file, URL or command line; NULL for a certificate */
    pq_strings headers; /* "Name: value", for a URL; they may hold a secret */
    char *json_field;   /* the token is in this field of JSON; NULL: it is all of the text */
    double timeout;     /* of the command, in seconds: 5 to 120 */
    char *config;       /* of a certificate: the file that names it and its key; NULL: gcloud's own */
    char *chain;        /* of a certificate: a PEM file of what stands between it and the pool's anchor; or NULL */
} pq_google_source;

typedef struct pq_google_file {
    pq_google_type type;
    char *token_url; /* token_uri, or token_url; never NULL but for the impersonated type */
    /* service_account */
    char *client_email, *private_key_id;
    pq_secret *private_key; /* PEM */
    /* authorized_user; an external account may have the first two */
    char *client_id;
    pq_secret *client_secret, *refresh_token;
    /* external_account */
    char *audience, *subject_token_type;
    char *user_project; /* workforce_pool_user_project, or NULL */
    pq_google_source source;
    /* external_account (or NULL) and impersonated_service_account */
    char *impersonation_url;
    unsigned impersonation_lifetime; /* seconds */
    pq_strings delegates;
    struct pq_google_file *base; /* impersonated_service_account: who impersonates */
} pq_google_file;

#define PQ_AUTO_GOOGLE_FILE PQ_CLEANUP(pq_google_file_clear) pq_google_file

/* Reads a file. All problems are added to `errors` (PQ_ECONFIG, WHERE being `where`); nothing of the file is quoted but
 * its `type`. False when there is one; `out` is the caller's to clear either way. */
bool pq_google_file_read(const void *bytes, size_t length, const char *where, pq_google_file *out,
                         pq_errors *errors) PQ_MUST_USE;
void pq_google_file_clear(pq_google_file *file);
/* "service account ci@acme.iam.gserviceaccount.com": who that is, for people. Owned. */
char *pq_google_file_who(const pq_google_file *file) PQ_MUST_USE;
/* The account of an impersonation URL, `…/serviceAccounts/EMAIL:generateAccessToken`; NULL when it has none. Owned. */
char *pq_google_impersonated_account(const char *url) PQ_MUST_USE;

/* The file that names a certificate and its key (Google's certificate_config.json; google-auth,
 * transport/_mtls_helper.py): `cert_configs.workload.{cert_path,key_path}`. */
bool pq_google_certificate_config_read(const void *bytes, size_t length, const char *where, char **out_certificate,
                                       char **out_key, pq_error *err) PQ_MUST_USE;
