/* The first byte says what is read: a process's keys, SSO's, AWS IoT's, those of IAM Roles Anywhere, a metadata
 * service's, or a cached SSO token. */
#include <stdlib.h>

#include "auth/aws/keys_json.h"
#include "auth/aws/sso.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PQ_AUTO_ERROR err = {0};
    if (size == 0)
        return 0;
    if (data[0] == 't') {
        PQ_AUTO_SECRET *token = NULL;
        time_t expires = 0;
        if (pq_aws_sso_token_read(data + 1, size - 1, "cache", &token, &expires, &err) != (token != NULL))
            abort();
        return 0;
    }
    pq_aws_keys_form form = data[0] == 'p'   ? PQ_AWS_FORM_PROCESS
                            : data[0] == 's' ? PQ_AWS_FORM_SSO
                            : data[0] == 'i' ? PQ_AWS_FORM_IOT
                            : data[0] == 'r' ? PQ_AWS_FORM_ROLES_ANYWHERE
                                             : PQ_AWS_FORM_METADATA;
    PQ_AUTO_AWS_KEYS keys = {0};
    bool good = pq_aws_keys_read_json(data + 1, size - 1, form, "it", &keys, &err);
    if (good != (keys.access_key_id && keys.secret_access_key))
        abort();
    if (good && form != PQ_AWS_FORM_PROCESS && !(keys.session_token && (keys.expires || form == PQ_AWS_FORM_IOT)))
        abort();
    PQ_AUTO_FREE char *arn = pq_aws_session_arn_read(data + 1, size - 1);
    for (const char *at = arn ? arn : ""; *at; at++)
        if (*at <= ' ' || *at > '~')
            abort();
    return 0;
}
