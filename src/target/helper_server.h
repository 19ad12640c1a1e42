/* Credentials for a running build: the engine's credential helper asks this process over a socket.
 *
 * Nothing secret lies on any disk: a private folder (0700) holds a client configuration whose credHelpers name the
 * helper for just the hosts of this build, a link to the helper, and the socket that it asks. It answers `get` for
 * those hosts and nothing else, and goes with the build.
 *
 * The helper is src/cmd/helper.c; what it says is one line `get HOST`, what it hears is a byte ('0' done, '1' failed)
 * and the text for its own standard output. */
#pragma once

#include "auth/common/credential.h"
#include "base/text.h"

typedef struct pq_helper_server pq_helper_server;

/* A credential for one of the hosts. False with an error, whose text the engine shows. */
typedef bool pq_helper_answer(void *context, const char *host, pq_credential *out, pq_error *err);

#define PQ_AUTO_HELPER_SERVER PQ_CLEANUP(pq_helper_server_cleanup) pq_helper_server

/* `hosts`: as references name them. `helper`: absolute path of docker-credential-pratique. */
bool pq_helper_server_new(const pq_strings *hosts, const char *helper, pq_helper_answer *answer, void *context,
                          pq_helper_server **out, pq_error *err) PQ_MUST_USE;
void pq_helper_server_free(pq_helper_server *server); /* removes the folder */
void pq_helper_server_cleanup(pq_helper_server **server);
const char *pq_helper_server_folder(const pq_helper_server *server);   /* private; for other short-lived files */
const char *pq_helper_server_authfile(const pq_helper_server *server); /* for --authfile */
const pq_strings *pq_helper_server_hosts(const pq_helper_server *server);
int pq_helper_server_fd(const pq_helper_server *server); /* to be polled */
void pq_helper_server_serve(void *server);               /* when it can be read: answers one question */
/* Adds PATH (the helper first) and the variable that names the socket. */
void pq_helper_server_environment(const pq_helper_server *server, pq_strings *out);
