#include "auth/common/credential.h"

void pq_credential_clear(pq_credential *credential)
{
    free(credential->username);
    pq_secret_free(credential->secret);
    free(credential->source);
    *credential = (pq_credential){0};
}

void pq_credential_copy(const pq_credential *from, pq_credential *to)
{
    pq_credential copy = {.username = pq_strdup(from->username),
                          .secret = pq_secret_copy(from->secret),
                          .expires = from->expires,
                          .identity_token = from->identity_token,
                          .source = pq_strdup(from->source)};
    pq_credential_clear(to);
    *to = copy;
}
