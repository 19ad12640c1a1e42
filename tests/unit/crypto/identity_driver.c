/* For test_identity_softhsm.py: opens an identity and signs standard input with its key.
 *
 *     identity-driver CERTIFICATE KEY RS256|PS256|ES256|DER     the signature, in hexadecimal
 *     identity-driver CERTIFICATE KEY describe                  name, serial, client or not, key, in a token or not
 */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/limits.h"
#include "crypto/identity.h"

static int fail(const pq_error *err)
{
    PQ_AUTO_BUF text = PQ_BUF(PQ_MAX_MESSAGE);
    pq_error_format(err, &text);
    (void)fprintf(stderr, "%s: %s\n", pq_code_name(err->code), pq_buf_text(&text));
    return 1;
}

static int describe(const pq_identity *identity)
{
    const pq_certificate *certificate = pq_identity_certificate(identity);
    PQ_AUTO_FREE char *serial = pq_certificate_serial(certificate);
    PQ_AUTO_FREE char *key = pq_certificate_key_words(certificate);
    (void)printf("%s\n%s\n%s\n%s\n%s\n", pq_certificate_name(certificate), serial,
                 pq_certificate_may_be_client(certificate) ? "client" : "no client", key,
                 pq_identity_in_token(identity) ? "token" : "file");
    return 0;
}

int main(int argc, char **argv)
{
    static const char *const names[] = {
        [PQ_RS256] = "RS256", [PQ_PS256] = "PS256", [PQ_ES256] = "ES256", [PQ_ECDSA_DER] = "DER"};
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_IDENTITY *identity = NULL;
    PQ_AUTO_BUF bytes = PQ_BUF(PQ_MAX_TEXT), signature = PQ_BUF(PQ_MAX_SECRET), hex = PQ_BUF(PQ_MAX_SECRET);
    if (argc != 4)
        return 2;
    const pq_identity_place place = {
        .certificate = argv[1], .certificate_where = "device.yml:2", .key = argv[2], .key_where = "device.yml:3"};
    if (!pq_identity_open(&place, &identity, &err))
        return fail(&err);
    if (strcmp(argv[3], "describe") == 0)
        return describe(identity);
    if (!pq_read_fd(0, "stdin", &bytes, &err))
        return fail(&err);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(argv[3], names[i]) == 0 && !pq_pkey_sign(pq_identity_key(identity), (pq_signature_form)i,
                                                            pq_buf_text(&bytes), bytes.length, &signature, &err))
            return fail(&err);
    pq_hex_add(&hex, pq_buf_text(&signature), signature.length);
    return puts(pq_buf_text(&hex)) < 0;
}
