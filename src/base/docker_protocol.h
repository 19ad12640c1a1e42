/* The protocol of docker's credential helpers: what a client and its helper say to each other over standard input and
 * output (docker-credential-helpers, credentials/credentials.go, credentials/error.go). */
#pragma once

#include "base/buf.h"

/* Words that clients compare: with the first, docker goes on without credentials, and the containers tools look in
 * their next file. Any other reason is fatal to them, and shown. */
#define PQ_DOCKER_NOT_FOUND "credentials not found in native keychain"
#define PQ_DOCKER_NO_URL "no credentials server URL"

/* Set for a helper that we ask: should it ask us in turn, it hears that there is nothing. */
#define PQ_DOCKER_ASKED "PRATIQUE_ASKED"

enum { PQ_DOCKER_URL_MAX = 1000 }; /* bytes of a server URL that are looked at */

/* The host that a client means by a server URL (`https://host/v2/`, `host:port`): lower case, without scheme, path and
 * `:443`, and `docker.io` for each of Docker Hub's names. Blanks around it are dropped. NULL when there is none, or
 * when there is what no host has (a user, a query, blanks, controls), so that no two readers see two hosts. Owned. */
char *pq_docker_host(const char *url) PQ_MUST_USE;
/* `docker.io` for each of Docker Hub's names, else the same. Borrowed. */
const char *pq_docker_hub_name(const char *host);
/* A JSON string. Bytes that are not UTF-8 pass as they are: a client that needs UTF-8 says so. */
void pq_docker_json_string(pq_buf *out, const char *bytes, size_t length);
/* `{"ServerURL":…,"Username":…,"Secret":…}` and a line end. */
void pq_docker_answer(pq_buf *out, const char *url, const char *user, size_t user_length, const char *secret,
                      size_t secret_length);
