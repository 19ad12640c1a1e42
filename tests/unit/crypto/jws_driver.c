/* For test_jws_cryptography.py: signs with the key on standard input, or says what its certificate is.
 *
 *     jws-driver RS256|PS256|ES256 HEADER PAYLOAD < key.pem
 *     jws-driver certificate < key-and-certificates.pem     prints begin, end, how many, 1 when key and certificate
 * match
 */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/limits.h"
#include "crypto/jws.h"

static int fail(const pq_error *err)
{
    (void)fprintf(stderr, "%s: %s\n", pq_code_name(err->code), err->message);
    return 1;
}

static int describe(const pq_buf *pem, const pq_pkey *key)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_CERTIFICATE *certificate = NULL;
    if (!pq_certificate_from_pem(pq_buf_text(pem), pem->length, "stdin", &certificate, &err))
        return fail(&err);
    (void)printf("%lld %lld %zu %d\n", (long long)pq_certificate_begins(certificate),
                 (long long)pq_certificate_ends(certificate), pq_certificate_count(certificate),
                 pq_certificate_matches(certificate, key));
    for (size_t i = 0; i < pq_certificate_count(certificate); i++) {
        PQ_AUTO_BUF der = PQ_BUF(PQ_MAX_SECRET), hex = PQ_BUF(PQ_MAX_SECRET);
        pq_certificate_der(certificate, i, &der);
        pq_hex_add(&hex, pq_buf_text(&der), der.length);
        (void)puts(pq_buf_text(&hex));
    }
    return 0;
}

int main(int argc, char **argv)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_BUF pem = PQ_SENSITIVE_BUF(PQ_MAX_SECRET);
    PQ_AUTO_PKEY *key = NULL;
    if (!pq_read_fd(0, "stdin", &pem, &err) || !pq_pkey_from_pem(pq_buf_text(&pem), pem.length, "stdin", &key, &err))
        return fail(&err);
    if (argc == 2)
        return describe(&pem, key);
    PQ_AUTO_SECRET *token = NULL;
    for (pq_signature_form form = PQ_RS256; argc == 4 && form <= PQ_ES256; form++)
        if (strcmp(argv[1], pq_jws_algorithm(form)) == 0 && !pq_jws_sign(key, form, argv[2], argv[3], &token, &err))
            return fail(&err);
    return token && puts(pq_secret_bytes(token)) > 0 ? 0 : 2;
}
