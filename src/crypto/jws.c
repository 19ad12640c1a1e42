#include "crypto/jws.h"

#include <string.h>

#include "base/limits.h"

const char *pq_jws_algorithm(pq_signature_form form)
{
    return form == PQ_RS256 ? "RS256" : form == PQ_PS256 ? "PS256" : "ES256";
}

bool pq_jws_sign(const pq_pkey *key, pq_signature_form form, const char *header, const char *payload, pq_secret **out,
                 pq_error *err)
{
    PQ_AUTO_BUF text = PQ_SENSITIVE_BUF(PQ_MAX_SECRET);
    PQ_AUTO_BUF signature = PQ_SENSITIVE_BUF(PQ_MAX_SECRET);
    pq_base64url_add(&text, header, strlen(header));
    pq_buf_addc(&text, '.');
    pq_base64url_add(&text, payload, strlen(payload));
    if (!pq_pkey_sign(key, form, pq_buf_text(&text), text.length, &signature, err))
        return false;
    pq_buf_addc(&text, '.');
    pq_base64url_add(&text, pq_buf_text(&signature), signature.length);
    if (text.overflow)
        return pq_fail(err, PQ_EINPUT, NULL, NULL, "too much to sign");
    *out = pq_secret_from_buf(&text);
    return true;
}
