#include "crypto/chain.h"

#include <openssl/x509v3.h>
#include <string.h>

#include "base/limits.h"
#include "crypto/names.h"
#include "crypto/openssl_auto.h"
#include "crypto/pkey_parts.h"

enum { DAY = 86400 };

char *pq_x509_name_words(const X509_NAME *name)
{
    PQ_AUTO_BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    long length = 0;
    /* Control characters and what is no ASCII come escaped. */
    if (bio && name && X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) >= 0)
        length = BIO_get_mem_data(bio, &text);
    pq_crypto_forget_errors();
    return length > 0 ? pq_strndup(text, (size_t)length) : pq_strdup("");
}

time_t pq_x509_time(const ASN1_TIME *from)
{
    struct tm parts = {0};
    bool good = from && ASN1_TIME_to_tm(from, &parts) == 1;
    pq_crypto_forget_errors();
    return good ? timegm(&parts) : 0;
}

char *pq_certificate_issuer(const pq_certificate *certificate)
{
    return pq_x509_name_words(X509_get_issuer_name(certificate->at[0]));
}

unsigned pq_certificate_days(const pq_certificate *certificate)
{
    time_t seconds = certificate->ends - certificate->begins;
    return seconds > 0 ? (unsigned)((seconds + DAY - 1) / DAY) : 0;
}

static bool signed_by(X509 *certificate, X509 *signer)
{
    EVP_PKEY *key = X509_get0_pubkey(signer);
    bool good = X509_NAME_cmp(X509_get_issuer_name(certificate), X509_get_subject_name(signer)) == 0 && key &&
                X509_verify(certificate, key) == 1;
    pq_crypto_forget_errors();
    return good;
}

bool pq_certificate_signs_itself(const pq_certificate *certificate)
{
    return signed_by(certificate->at[0], certificate->at[0]);
}

/* Why the one at `index` does not stand where it must: right behind the one that it signed. */
static bool fail_order(const pq_certificate *certificate, size_t index, const char *where, pq_error *err)
{
    PQ_AUTO_FREE char *name = pq_x509_name_words(X509_get_subject_name(certificate->at[index]));
    PQ_AUTO_FREE char *wanted = pq_x509_name_words(X509_get_issuer_name(certificate->at[index - 1]));
    PQ_AUTO_FREE char *hint = pq_asprintf(
        "put the device's own certificate first, then the one of %s, and so on up; the root is not needed", wanted);
    return pq_fail(err, PQ_ECONFIG, where, hint, "certificate %zu of the file, %s, did not sign the one before it",
                   index + 1, name);
}

bool pq_certificate_judge_chain(const pq_certificate *certificate, time_t now, const char *where, pq_error *err)
{
    for (size_t i = 1; i < certificate->count; i++) {
        X509 *one = certificate->at[i];
        PQ_AUTO_FREE char *name = pq_x509_name_words(X509_get_subject_name(one));
        time_t begins = pq_x509_time(X509_get0_notBefore(one)), ends = pq_x509_time(X509_get0_notAfter(one));
        char when[PQ_TIME_TEXT], today[PQ_TIME_TEXT];
        if (!signed_by(certificate->at[i - 1], one))
            return fail_order(certificate, i, where, err);
        if (X509_check_ca(one) == 0)
            return pq_fail(err, PQ_ECONFIG, where, "have the authority renew its certificate",
                           "certificate %zu of the file, %s, is not one of an authority", i + 1, name);
        pq_time_text(now, today);
        pq_time_text(begins > now ? begins : ends, when);
        if (begins > now)
            return pq_fail(err, PQ_EDENIED, where, "is this machine's clock right?",
                           "the authority's certificate, %s, is not valid before %s, and this machine's clock says %s",
                           name, when, today);
        if (ends <= now)
            return pq_fail(err, PQ_EDENIED, where, "put the authority's new one into the file",
                           "the authority's certificate, %s, ended at %s, and this machine's clock says %s", name, when,
                           today);
    }
    pq_crypto_forget_errors();
    return true;
}
