/* Stand-ins for what we call of libssl (base/library.h): only on an SSL_CTX that libcurl has made with the same one. */
#include <openssl/ssl.h>

#include "base/library.h"

static pq_library ssl = {.files = {"libssl.so.3", "libssl.so"}, .hint = "apt-get install libssl3"};

PQ_STAND_IN(ssl, int, SSL_CTX_use_certificate, (SSL_CTX * context, X509 *certificate), (context, certificate))
PQ_STAND_IN(ssl, int, SSL_CTX_use_PrivateKey, (SSL_CTX * context, EVP_PKEY *key), (context, key))
PQ_STAND_IN(ssl, long, SSL_CTX_ctrl, (SSL_CTX * context, int command, long number, void *pointer),
            (context, command, number, pointer))
