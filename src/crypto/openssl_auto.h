/* Cleanup attributes for the types of OpenSSL: the only place that defines them. For files of this folder only. */
#pragma once

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

#define PQ_AUTO_EVP_PKEY PQ_CLEANUP(pq_evp_pkey_cleanup) EVP_PKEY
#define PQ_AUTO_EVP_MD_CTX PQ_CLEANUP(pq_evp_md_ctx_cleanup) EVP_MD_CTX
