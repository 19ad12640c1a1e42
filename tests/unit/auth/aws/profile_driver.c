/* Reads credentials files that stand on standard input, one JSON document {"text", "profile"} a line, and prints the
 * keys or the first error, one a line: for comparison with botocore. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "plan_keys.h"

static bool answer(const char *line)
{
    const char *text = NULL, *profile = NULL;
    size_t length = 0;
    json_t *json = json_loads(line, JSON_ALLOW_NUL, NULL);
    bool good = json && json_unpack(json, "{s:s%,s:s}", "text", &text, &length, "profile", &profile) == 0;
    if (good) {
        PQ_AUTO_SECRET *secret = pq_secret_new(text, length);
        PQ_AUTO_AWS_KEYS keys = {0};
        PQ_AUTO_ERRORS errors = {0};
        json_t *out;
        if (plan_keys(secret, "file", profile, &keys, &errors))
            out = json_pack("[s,s,s?]", keys.access_key_id, pq_secret_bytes(keys.secret_access_key),
                            keys.session_token ? pq_secret_bytes(keys.session_token) : NULL);
        else
            out = json_pack("{s:s,s:s}", "where", errors.at[0].where, "message", errors.at[0].message);
        good = json_dumpf(out, stdout, JSON_COMPACT) == 0 && putchar('\n') != EOF;
        json_decref(out);
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
            (void)fprintf(stderr, "not a case\n");
            return 2;
        }
    return 0;
}
