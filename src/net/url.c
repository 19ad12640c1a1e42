#include <arpa/inet.h>
#include <curl/curl.h>
#include <string.h>

#include "net/http.h"

static char *url_part(const char *url, CURLUPart part)
{
    CURLU *parsed = curl_url();
    char *value = NULL, *copy = NULL;
    if (parsed && curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(parsed, part, &value, 0) == CURLUE_OK)
        copy = pq_strdup(value);
    curl_free(value);
    curl_url_cleanup(parsed);
    return copy;
}

char *pq_url_host(const char *url)
{
    return url_part(url, CURLUPART_HOST);
}

bool pq_url_is_loopback(const char *url)
{
    PQ_AUTO_FREE char *host = url_part(url, CURLUPART_HOST);
    if (!host)
        return false;
    if (strcmp(host, "[::1]") == 0 || pq_ascii_equal_nocase(host, "localhost"))
        return true;
    /* Only an address proves it: a name such as 127.0.0.1.example.com can be anybody's. */
    struct in_addr address;
    return inet_pton(AF_INET, host, &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

bool pq_url_is_safe(const char *url)
{
    return pq_starts_with(url, "https://") || (pq_starts_with(url, "http://") && pq_url_is_loopback(url));
}

void pq_url_add_escaped(pq_buf *out, const void *bytes, size_t length)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < length; i++) {
        if (pq_ascii_alnum((char)at[i]) || (at[i] && strchr("-._~", at[i])))
            pq_buf_addc(out, (char)at[i]);
        else
            pq_buf_addf(out, "%%%02X", at[i]);
    }
}

char *pq_url_escape(const char *text)
{
    size_t length = strlen(text);
    PQ_AUTO_BUF escaped = PQ_BUF(length * 3);
    pq_url_add_escaped(&escaped, text, length);
    return pq_buf_steal(&escaped);
}

void pq_form_add(pq_buf *form, const char *name, const char *value)
{
    pq_buf_addf(form, "%s%s=", form->length ? "&" : "", name);
    pq_url_add_escaped(form, value, strlen(value));
}

void pq_form_add_secret(pq_buf *form, const char *name, const pq_secret *value)
{
    pq_buf_addf(form, "%s%s=", form->length ? "&" : "", name);
    pq_url_add_escaped(form, pq_secret_bytes(value), pq_secret_length(value));
}

char *pq_url_resolve(const char *base, const char *location)
{
    CURLU *parsed = curl_url();
    char *value = NULL, *copy = NULL;
    if (parsed && curl_url_set(parsed, CURLUPART_URL, base, 0) == CURLUE_OK &&
        curl_url_set(parsed, CURLUPART_URL, location, 0) == CURLUE_OK &&
        curl_url_get(parsed, CURLUPART_URL, &value, 0) == CURLUE_OK &&
        (pq_starts_with(value, "https://") || pq_starts_with(value, "http://")))
        copy = pq_strdup(value);
    curl_free(value);
    curl_url_cleanup(parsed);
    return copy;
}

bool pq_url_same_origin(const char *a, const char *b)
{
    bool same = false;
    CURLU *left = curl_url(), *right = curl_url();
    if (left && right && curl_url_set(left, CURLUPART_URL, a, 0) == CURLUE_OK &&
        curl_url_set(right, CURLUPART_URL, b, 0) == CURLUE_OK) {
        static const CURLUPart parts[] = {CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT};
        same = true;
        for (size_t i = 0; i < 3 && same; i++) {
            char *x = NULL, *y = NULL;
            same = curl_url_get(left, parts[i], &x, CURLU_DEFAULT_PORT) == CURLUE_OK &&
                   curl_url_get(right, parts[i], &y, CURLU_DEFAULT_PORT) == CURLUE_OK && pq_ascii_equal_nocase(x, y);
            curl_free(x);
            curl_free(y);
        }
    }
    curl_url_cleanup(left);
    curl_url_cleanup(right);
    return same;
}
