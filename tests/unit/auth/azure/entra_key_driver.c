/* For test_entra_key_pyjwt.py: an assertion with the certificate on standard input, or with that of a device.
 *
 *     entra-key-driver CLIENT AUDIENCE NOW < key-and-certificate.pem
 *     entra-key-driver CLIENT AUDIENCE NOW CERTIFICATE KEY          two files, or PKCS#11 URIs
 */
#include <stdio.h>

#include "auth/azure/entra_key.h"
#include "base/file.h"
#include "base/limits.h"

static bool read_pem(pq_entra_key *out, pq_error *err)
{
    PQ_AUTO_BUF text = PQ_SENSITIVE_BUF(PQ_MAX_SECRET);
    if (!pq_read_fd(0, "stdin", &text, err))
        return false;
    PQ_AUTO_SECRET *pem = pq_secret_from_buf(&text);
    return pq_entra_key_read(pem, "secret azcert", out, err);
}

int main(int argc, char **argv)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_IDENTITY *identity = NULL;
    PQ_AUTO_ENTRA_KEY key = {0};
    PQ_AUTO_SECRET *assertion = NULL;
    uint64_t now;
    if ((argc != 4 && argc != 6) || !pq_parse_number(argv[3], UINT32_MAX, &now))
        return 2;
    const pq_identity_place place = {.certificate = argv[4], .key = argc == 6 ? argv[5] : NULL};
    bool good = argc == 4 ? read_pem(&key, &err)
                          : pq_identity_open(&place, &identity, &err) &&
                                pq_entra_key_borrow(identity, "device.yml:9", &key, &err);
    if (good && pq_entra_key_assert(&key, argv[1], argv[2], (time_t)now, &assertion, &err))
        return puts(pq_secret_bytes(assertion)) > 0 ? 0 : 2;
    (void)fprintf(stderr, "%s: %s: %s\n", pq_code_name(err.code), err.where ? err.where : "-", err.message);
    return 1;
}
