/* Basic and bearer authorization: what is sent, where it may be sent, and what comes back. */
#pragma once

#include "auth/common/credential.h"
#include "net/http.h"

/* "Basic …" (RFC 7617). Owned. */
pq_secret *pq_basic_authorization(const pq_credential *credential) PQ_MUST_USE;

/* May the credential of the registry at `base` go to `realm`? Only over TLS (or loopback), and only to the registry's
 * own host or one of the same registrable domain (public suffix list): registry.example.com may name auth.example.com,
 * but not a stranger. */
bool pq_realm_allowed(const char *base, const char *realm, const char *host, pq_error *err) PQ_MUST_USE;

/* realm?service=…&scope=…&client_id=pratique. `service` may be NULL, `scope` empty. Owned. */
char *pq_token_url(const char *realm, const char *service, const char *scope) PQ_MUST_USE;

/* The form that asks with an identity token (`grant_type=refresh_token`; distribution spec, "Docker Registry v2
 * authentication using OAuth2"), for a POST to the realm. Owned. */
pq_secret *pq_token_form(const pq_credential *identity, const char *service, const char *scope) PQ_MUST_USE;

typedef struct pq_token {
    pq_secret *header; /* "Bearer …" */
    double lifetime;   /* seconds in which it is safely good */
} pq_token;

/* Reads a token answer: `token` or `access_token`; `expires_in`, else the life that the token itself tells when it is a
 * JWT, else 60 s (distribution spec). An answer that is not 200 becomes the error of a failed login; where the
 * credential is `known_good`, of a repository that is not for it. */
bool pq_token_read(const pq_http_answer *answer, const char *host, const pq_credential *credential, bool known_good,
                   pq_token *out, pq_error *err) PQ_MUST_USE;

/* What to do about a refusal that means one of two things, since registries do not tell strangers what they have. */
extern const char pq_hint_no_login[], pq_hint_no_login_or_name[], pq_hint_no_right_or_name[];

/* The reason in an error answer, made fit for one line: the first of `errors`, or OAuth's error_description. NULL when
 * there is none. Owned. */
char *pq_registry_reason(const pq_http_answer *answer) PQ_MUST_USE;

/* What to do about a 429 or 5xx: "try again later", or in how many seconds it asks to. Owned. */
char *pq_registry_later(const pq_http_answer *answer) PQ_MUST_USE;

/* Not HTML in place of what was asked for, as captive portals and login pages of proxies answer. */
bool pq_registry_no_web_page(const pq_http_answer *answer, const char *where, pq_error *err) PQ_MUST_USE;
