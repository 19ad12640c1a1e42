#include "crypto/handshake.h"

#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <string.h>

#include "crypto/names.h"
#include "crypto/openssl_auto.h"

void pq_handshake_clear(pq_handshake *handshake)
{
    pq_handshake_facts *facts = &handshake->facts;
    free(facts->subject);
    free(facts->issuer);
    free(facts->version);
    free(facts->alpn);
    *facts = (pq_handshake_facts){.alert = -1};
}

static void note_session(pq_handshake_facts *facts, const SSL *ssl)
{
    const unsigned char *chosen = NULL;
    unsigned length = 0;
    free(facts->version);
    free(facts->alpn);
    facts->version = pq_strdup(SSL_get_version(ssl));
    SSL_get0_alpn_selected(ssl, &chosen, &length);
    facts->alpn = length ? pq_strndup((const char *)chosen, length) : NULL;
}

/* Both sides' messages pass here as they are, handshake messages after decryption (SSL_CTX_set_msg_callback(3)). */
static void on_message(int ours, int version, int type, const void *bytes, size_t length, SSL *ssl, void *context)
{
    enum { CLOSE_NOTIFY = 0 };
    pq_handshake_facts *facts = &((pq_handshake *)context)->facts;
    const unsigned char *at = bytes;
    (void)version;
    if (ours || length < 1)
        return;
    if (type == SSL3_RT_ALERT && length >= 2 && at[1] != CLOSE_NOTIFY)
        facts->alert = at[1];
    if (type != SSL3_RT_HANDSHAKE)
        return;
    facts->answered = true;
    facts->asked = facts->asked || at[0] == SSL3_MT_CERTIFICATE_REQUEST;
    facts->done = facts->done || at[0] == SSL3_MT_FINISHED;
    /* What comes after the first has both decided. */
    if (at[0] == SSL3_MT_CERTIFICATE_REQUEST || at[0] == SSL3_MT_FINISHED)
        note_session(facts, ssl);
}

static int context_index(void)
{
    static int index = -1;
    if (index < 0)
        index = CRYPTO_get_ex_new_index(CRYPTO_EX_INDEX_SSL_CTX, 0, NULL, NULL, NULL, NULL);
    return index;
}

/* Looks on; what is decided stays as it was. */
static int on_verify(int good, X509_STORE_CTX *store)
{
    const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    pq_handshake *handshake = ssl ? SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), context_index()) : NULL;
    const X509 *leaf = X509_STORE_CTX_get0_cert(store);
    if (!handshake)
        return good;
    pq_handshake_facts *facts = &handshake->facts;
    if (leaf && !facts->subject) {
        facts->subject = pq_x509_name_words(X509_get_subject_name(leaf));
        facts->issuer = pq_x509_name_words(X509_get_issuer_name(leaf));
        facts->ends = pq_x509_time(X509_get0_notAfter(leaf));
    }
    if (!good)
        facts->verify = X509_STORE_CTX_get_error(store);
    return good;
}

bool pq_handshake_arm(void *context, void *ssl_ctx, const char *host)
{
    pq_handshake *handshake = context;
    SSL_CTX *ctx = ssl_ctx;
    pq_handshake_clear(handshake);
    handshake->facts.begun = true;
    if (handshake->shown && !pq_identity_arm((void *)handshake->shown, ctx, host))
        return false;
    if (context_index() < 0 || SSL_CTX_set_ex_data(ctx, context_index(), handshake) != 1)
        return false;
    SSL_CTX_set_msg_callback(ctx, on_message);
    (void)SSL_CTX_set_msg_callback_arg(ctx, handshake);
    SSL_CTX_set_verify(ctx, SSL_CTX_get_verify_mode(ctx), on_verify);
    return !handshake->at_any_time ||
           X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx), X509_V_FLAG_NO_CHECK_TIME) == 1;
}

bool pq_handshake_dates_only(const pq_handshake_facts *facts)
{
    return facts->verify == X509_V_ERR_CERT_NOT_YET_VALID || facts->verify == X509_V_ERR_CERT_HAS_EXPIRED;
}

bool pq_handshake_stranger(const pq_handshake_facts *facts)
{
    return facts->verify == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT ||
           facts->verify == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
           facts->verify == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE ||
           facts->verify == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT ||
           facts->verify == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN;
}

const char *pq_alert_refusal(int alert, bool asked)
{
    switch (alert) { /* numbers of RFC 8446, section 6 */
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_CERTIFICATE_UNKNOWN:
        return "it is not one that it takes";
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
        return "it is of a kind that it does not take";
    case SSL_AD_CERTIFICATE_REVOKED:
        return "it is revoked";
    case SSL_AD_CERTIFICATE_EXPIRED:
        return "it has expired, by that machine's clock";
    case SSL_AD_UNKNOWN_CA:
        return "it does not know the authority that signed it";
    case SSL_AD_ACCESS_DENIED:
        return "it may not connect";
    case SSL_AD_CERTIFICATE_REQUIRED:
        return "it wants one, and none came that it could read";
    case SSL_AD_DECRYPT_ERROR:
        return asked ? "the key that signed is not the one in it" : NULL;
    case SSL_AD_HANDSHAKE_FAILURE:
        return asked ? "it does not say why" : NULL;
    default:
        return NULL;
    }
}
