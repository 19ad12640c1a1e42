/* Stand-ins for what we call of libssl (base/library.h): only on an SSL_CTX that libcurl has made with the same one. */
#include <openssl/ssl.h>

#include "base/library.h"

static pq_library ssl = {.files = {"libssl.so.3", "libssl.so"}, .hint = "apt-get install libssl3"};

PQ_STAND_IN(ssl, int, SSL_CTX_use_certificate, (SSL_CTX * context, X509 *certificate), (context, certificate))
PQ_STAND_IN(ssl, int, SSL_CTX_use_PrivateKey, (SSL_CTX * context, EVP_PKEY *key), (context, key))
PQ_STAND_IN(ssl, X509 *, SSL_get1_peer_certificate, (const SSL *connection), (connection))
PQ_STAND_IN(ssl, const char *, SSL_get_servername, (const SSL *connection, int type), (connection, type))
PQ_STAND_IN_VOID(ssl, SSL_certs_clear, (SSL * connection), (connection))
PQ_STAND_IN_VOID(ssl, SSL_CTX_set_cert_cb, (SSL_CTX * context, int (*callback)(SSL *, void *), void *argument),
                 (context, callback, argument))
PQ_STAND_IN(ssl, long, SSL_CTX_ctrl, (SSL_CTX * context, int command, long number, void *pointer),
            (context, command, number, pointer))
PQ_STAND_IN(ssl, const char *, SSL_get_version, (const SSL *connection), (connection))
PQ_STAND_IN(ssl, SSL_CTX *, SSL_get_SSL_CTX, (const SSL *connection), (connection))
PQ_STAND_IN(ssl, int, SSL_get_ex_data_X509_STORE_CTX_idx, (void), ())
PQ_STAND_IN(ssl, void *, SSL_CTX_get_ex_data, (const SSL_CTX *context, int index), (context, index))
PQ_STAND_IN(ssl, int, SSL_CTX_set_ex_data, (SSL_CTX * context, int index, void *data), (context, index, data))
PQ_STAND_IN(ssl, int, SSL_CTX_get_verify_mode, (const SSL_CTX *context), (context))
PQ_STAND_IN(ssl, X509_VERIFY_PARAM *, SSL_CTX_get0_param, (SSL_CTX * context), (context))
PQ_STAND_IN_VOID(ssl, SSL_get0_alpn_selected,
                 (const SSL *connection, const unsigned char **protocol, unsigned int *length),
                 (connection, protocol, length))
PQ_STAND_IN_VOID(ssl, SSL_CTX_set_verify, (SSL_CTX * context, int mode, SSL_verify_cb callback),
                 (context, mode, callback))
PQ_STAND_IN_VOID(ssl, SSL_CTX_set_msg_callback,
                 (SSL_CTX * context, void (*callback)(int, int, int, const void *, size_t, SSL *, void *)),
                 (context, callback))
