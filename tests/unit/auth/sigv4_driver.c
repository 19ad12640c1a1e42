/* Signs the cases that stand on standard input, one JSON document a line, and prints what it came to, one a line: for
 * comparison with programs that are not ours. */
#include <stdio.h>

#include "sigv4_case.h"

static bool answer(const char *line)
{
    json_t *json = json_loads(line, 0, NULL);
    sigv4_case item;
    bool good = json && sigv4_case_read(json, &item);
    if (good) {
        PQ_AUTO_SIGV4 signature = {0};
        pq_sigv4_sign(&item.request, &signature);
        json_t *out = json_pack("{s:s,s:s,s:s,s:s}", "canonical_request", pq_buf_text(&signature.canonical_request),
                                "string_to_sign", pq_buf_text(&signature.string_to_sign), "signature",
                                signature.signature, "authorization", pq_secret_bytes(signature.authorization));
        json_t *headers = json_array();
        for (size_t i = 0; i < signature.headers.count; i++)
            (void)json_array_append_new(headers, json_string(signature.headers.at[i]));
        (void)json_object_set_new(out, "headers", headers);
        good = json_dumpf(out, stdout, JSON_COMPACT) == 0 && putchar('\n') != EOF;
        json_decref(out);
        sigv4_case_clear(&item);
    }
    json_decref(json);
    return good;
}

int main(void)
{
    PQ_AUTO_FREE char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, stdin) >= 0)
        if (!answer(line)) {
            (void)fprintf(stderr, "not a signing case\n");
            return 2;
        }
    return 0;
}
