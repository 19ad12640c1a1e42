/* For test_entra_key_pyjwt.py: an assertion with the certificate on standard input.
 *
 *     entra-key-driver CLIENT AUDIENCE NOW < key-and-certificate.pem
 */
#include <stdio.h>

#include "auth/entra_key.h"
#include "base/file.h"
#include "base/limits.h"

static int fail(const pq_error *err)
{
    (void)fprintf(stderr, "%s: %s: %s\n", pq_code_name(err->code), err->where ? err->where : "-", err->message);
    return 1;
}

int main(int argc, char **argv)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_BUF text = PQ_SENSITIVE_BUF(PQ_MAX_SECRET);
    PQ_AUTO_ENTRA_KEY key = {0};
    PQ_AUTO_SECRET *assertion = NULL;
    uint64_t now;
    if (argc != 4 || !pq_parse_number(argv[3], UINT32_MAX, &now) || !pq_read_fd(0, "stdin", &text, &err))
        return 2;
    PQ_AUTO_SECRET *pem = pq_secret_from_buf(&text);
    if (!pq_entra_key_read(pem, "secret azcert", &key, &err) ||
        !pq_entra_key_assert(&key, argv[1], argv[2], (time_t)now, &assertion, &err))
        return fail(&err);
    return puts(pq_secret_bytes(assertion)) > 0 ? 0 : 2;
}
