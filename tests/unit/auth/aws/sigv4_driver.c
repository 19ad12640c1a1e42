/* Signs the cases that stand on standard input, one JSON document a line, and prints what it came to, one a line: for
 * comparison with programs that are not ours.
 *
 *     sigv4-driver [CERTIFICATE KEY]     with these (PEM), as IAM Roles Anywhere wants it, else with the case's keys
 */
#include <stdio.h>

#include "base/file.h"
#include "base/limits.h"
#include "sigv4_case.h"

typedef struct signer {
    pq_certificate *certificate; /* NULL: the case's keys */
    pq_pkey *key;
} signer;

static void signer_clear(signer *by)
{
    pq_certificate_free(by->certificate);
    pq_pkey_free(by->key);
}

static bool read_signer(char **paths, signer *out, pq_error *err)
{
    PQ_AUTO_BUF certificate = PQ_BUF(PQ_MAX_SECRET), key = PQ_SENSITIVE_BUF(PQ_MAX_SECRET);
    return pq_read_file(paths[0], &certificate, err) && pq_read_file(paths[1], &key, err) &&
           pq_certificate_from_pem(pq_buf_text(&certificate), certificate.length, paths[0], &out->certificate, err) &&
           pq_pkey_from_pem(pq_buf_text(&key), key.length, paths[1], &out->key, err);
}

static bool print(const pq_sigv4 *signature)
{
    json_t *out = json_pack("{s:s,s:s,s:s,s:s}", "canonical_request", pq_buf_text(&signature->canonical_request),
                            "string_to_sign", pq_buf_text(&signature->string_to_sign), "signature",
                            signature->signature, "authorization", pq_secret_bytes(signature->authorization));
    json_t *headers = json_array();
    for (size_t i = 0; i < signature->headers.count; i++)
        (void)json_array_append_new(headers, json_string(signature->headers.at[i]));
    (void)json_object_set_new(out, "headers", headers);
    bool good = json_dumpf(out, stdout, JSON_COMPACT) == 0 && putchar('\n') != EOF;
    json_decref(out);
    return good;
}

static bool answer(const char *line, const signer *by)
{
    json_t *json = json_loads(line, 0, NULL);
    sigv4_case item;
    bool good = json && sigv4_case_read(json, &item);
    if (good) {
        PQ_AUTO_SIGV4 signature = {0};
        PQ_AUTO_ERROR err = {0};
        if (by->key) {
            item.request.keys = NULL;
            good = pq_sigv4_sign_x509(&item.request, by->certificate, by->key, &signature, &err);
        } else {
            pq_sigv4_sign(&item.request, &signature);
        }
        good = good && print(&signature);
        sigv4_case_clear(&item);
    }
    json_decref(json);
    return good;
}

int main(int argc, char **argv)
{
    PQ_AUTO_FREE char *line = NULL;
    PQ_CLEANUP(signer_clear) signer by = {0};
    PQ_AUTO_ERROR err = {0};
    size_t size = 0;
    if (argc == 3 && !read_signer(argv + 1, &by, &err)) {
        (void)fprintf(stderr, "%s\n", err.message);
        return 2;
    }
    while (getline(&line, &size, stdin) >= 0)
        if (!answer(line, &by)) {
            (void)fprintf(stderr, "not a signing case\n");
            return 2;
        }
    return 0;
}
