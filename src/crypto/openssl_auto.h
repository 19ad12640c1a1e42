/* Cleanup attributes for the types of OpenSSL: the only place that defines them. For files of this folder only. */
#pragma once

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "base/mem.h"

static inline void pq_evp_pkey_cleanup(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}
static inline void pq_evp_md_ctx_cleanup(EVP_MD_CTX **context)
{
    EVP_MD_CTX_free(*context);
}
static inline void pq_bio_cleanup(BIO **bio)
{
    (void)BIO_free(*bio);
}
static inline void pq_ecdsa_sig_cleanup(ECDSA_SIG **signature)
{
    ECDSA_SIG_free(*signature);
}

#define PQ_AUTO_EVP_PKEY PQ_CLEANUP(pq_evp_pkey_cleanup) EVP_PKEY
#define PQ_AUTO_EVP_MD_CTX PQ_CLEANUP(pq_evp_md_ctx_cleanup) EVP_MD_CTX
#define PQ_AUTO_BIO PQ_CLEANUP(pq_bio_cleanup) BIO
#define PQ_AUTO_ECDSA_SIG PQ_CLEANUP(pq_ecdsa_sig_cleanup) ECDSA_SIG

/* OpenSSL's queue of errors is read by libcurl too, which would take ours for its own. */
static inline void pq_crypto_forget_errors(void)
{
    ERR_clear_error();
}
