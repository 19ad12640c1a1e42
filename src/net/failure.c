#include "net/failure.h"

#include <string.h>

#include "base/limits.h"
#include "base/text.h"

static const char is_it_up[] = "is it up, and does a firewall or proxy stand between?";

/* HOST[:PORT] of a URL, without a user and password before it. Owned. */
static char *name_of(const char *url)
{
    const char *start = strstr(url, "://");
    start = start ? start + 3 : url;
    size_t length = strcspn(start, "/?#");
    const char *at = memrchr(start, '@', length);
    if (at) {
        length -= (size_t)(at + 1 - start);
        start = at + 1;
    }
    return pq_strndup(start, length);
}

/* libcurl's words end in a blank here and there. Owned. */
static char *trimmed(const char *text)
{
    size_t length = strlen(text);
    while (length && pq_ascii_space(text[length - 1]))
        length--;
    return pq_strndup(text, length);
}

/* "Failed to connect to HOST port …" names the machine that libcurl spoke to: a proxy, when that is not the one of the
 * URL. Owned; NULL when it is. */
static char *proxy_that_failed(const char *detail, const char *name)
{
    static const char words[] = "Failed to connect to ";
    const char *start = strstr(detail, words);
    const char *end = start ? strstr(start, " port ") : NULL;
    if (!end)
        return NULL;
    start += sizeof words - 1;
    size_t length = (size_t)(end - start);
    bool brackets = *name == '[';
    const char *host = name + brackets;
    if (strncasecmp(host, start, length) == 0 && strchr(brackets ? "]" : ":", host[length]))
        return NULL;
    const char *port = end + strlen(" port ");
    return pq_asprintf("%.*s:%.*s", (int)length, start, (int)strspn(port, "0123456789"), port);
}

static void describe_connect(CURL *easy, const char *detail, const char *name, pq_error *err)
{
    long number = 0;
    (void)curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &number);
    const char *reason = number ? strerror((int)number) : detail;
    PQ_AUTO_FREE char *proxy = proxy_that_failed(detail, name);
    if (proxy)
        (void)pq_fail(err, PQ_ETRANSPORT, NULL, "check HTTPS_PROXY", "cannot connect to the proxy %s: %s", proxy,
                      reason);
    else
        (void)pq_fail(err, PQ_ETRANSPORT, NULL, is_it_up, "cannot connect to %s: %s", name, reason);
}

/* A peer that does not want our certificate says so in an alert of TLS (RFC 8446, section 6.2; RFC 5246,
 * section 7.2.2), in TLS 1.3 only after the handshake. The words are OpenSSL's. */
static bool describe_alert(const char *detail, const char *name, pq_error *err)
{
    static const struct {
        const char *alert, *words, *hint;
    } known[] = {
        {"alert certificate expired", "it has expired, by that machine's clock", "have a new one issued"},
        {"alert certificate revoked", "it is revoked", "have a new one issued, if the device is still trusted"},
        {"alert unknown ca", "it does not know the authority that signed it",
         "is it of the right authority, and are the certificates in between in the same file?"},
        {"alert bad certificate", "it is not one that it takes",
         "is it registered and active there, within its dates, and not revoked?"},
        {"alert certificate unknown", "it is not one that it takes",
         "is it registered and active there, within its dates, and not revoked?"},
        {"alert unsupported certificate", "it is of a kind that it does not take",
         "its extended key usage must allow TLS client authentication"},
        {"alert access denied", "it may not connect", "is it registered and active there?"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strstr(detail, known[i].alert))
            return !pq_fail(err, PQ_EDENIED, NULL, known[i].hint, "%s refuses the certificate that was shown to it: %s",
                            name, known[i].words);
    if (strstr(detail, "alert certificate required"))
        return !pq_fail(err, PQ_EDENIED, NULL, "is it the right address? Registries ask for one by certs.d",
                        "%s wants a client certificate, and none was shown", name);
    if (strstr(detail, "alert handshake failure"))
        return !pq_fail(err, PQ_EDENIED, NULL, "does it want a client certificate, or another one?",
                        "%s broke off the TLS handshake (handshake failure)", name);
    return false;
}

static void describe_certificate(CURL *easy, const char *detail, const char *name, pq_error *err)
{
    /* The latter is of crypto/identity.c, which looks at the name before it shows our own. */
    bool other_name = strstr(detail, "subject name") || strstr(detail, "callback failed");
    long verify = 0;
    (void)curl_easy_getinfo(easy, CURLINFO_SSL_VERIFYRESULT, &verify);
    /* X509_V_ERR_*: 10 expired, 9 not yet valid, 18 to 21 unknown issuer. The name is compared by libcurl itself. */
    /* What libcurl makes of a peer's alert that our certificate has expired: theirs is fine. */
    if (verify == 0 && strstr(detail, "certificate verification failed"))
        (void)describe_alert("alert certificate expired", name, err);
    else if (verify == 10)
        (void)pq_fail(err, PQ_EFAILED, NULL, "its owner must renew it; or this machine's clock is wrong",
                      "the certificate of %s has expired", name);
    else if (verify == 9)
        (void)pq_fail(err, PQ_EFAILED, NULL, "check this machine's clock", "the certificate of %s is not valid yet",
                      name);
    else if (verify >= 18 && verify <= 21)
        (void)pq_fail(err, PQ_EFAILED, NULL,
                      "put its CA at /etc/docker/certs.d/HOST/ca.crt, or name it with SSL_CERT_FILE",
                      "the certificate of %s is signed by a CA that is not trusted here", name);
    else if (other_name)
        (void)pq_fail(err, PQ_EFAILED, NULL, "check the name; DNS or a proxy may lead to another machine",
                      "the machine that answers for %s has a certificate for another name", name);
    else
        (void)pq_fail(err, PQ_EFAILED, NULL, NULL, "the certificate of %s is refused: %s", name, detail);
}

static void describe_timeout(CURL *easy, const char *name, double seconds, pq_error *err)
{
    double connected = 0;
    (void)curl_easy_getinfo(easy, CURLINFO_APPCONNECT_TIME, &connected);
    if (connected > 0)
        (void)pq_fail(err, PQ_ETRANSPORT, NULL, "try again later, or wait longer with PRATIQUE_TIMEOUT=SECONDS",
                      "%s did not answer for %.0f s", name, seconds);
    else
        (void)pq_fail(err, PQ_ETRANSPORT, NULL, is_it_up, "no connection to %s in %.0f s", name, seconds);
}

/* What a broken connection was before it broke; false when there is no more to say. */
static bool describe_break(CURL *easy, const char *detail, const char *name, pq_error *err)
{
    long connect_status = 0;
    (void)curl_easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &connect_status);
    if (strstr(detail, "Too large response headers"))
        return !pq_fail(err, PQ_EFAILED, NULL, NULL, "the answer of %s has too many or too large headers", name);
    if (connect_status == 407)
        return !pq_fail(err, PQ_EDENIED, NULL, "put them into HTTPS_PROXY, as http://USER:PASSWORD@HOST:PORT",
                        "the proxy wants a user and a password, or refuses those given");
    if (connect_status >= 300)
        return !pq_fail(err, PQ_ETRANSPORT, NULL, "check HTTPS_PROXY and NO_PROXY",
                        "the proxy refuses to connect to %s (status %ld)", name, connect_status);
    return false;
}

void pq_http_describe(CURL *easy, CURLcode code, const char *said, const char *url, double seconds, pq_error *err)
{
    PQ_AUTO_FREE char *name = name_of(url);
    PQ_AUTO_FREE char *detail = trimmed(*said ? said : curl_easy_strerror(code));
    if ((code == CURLE_SSL_CONNECT_ERROR || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR) &&
        describe_alert(detail, name, err))
        return;
    switch (code) {
    case CURLE_ABORTED_BY_CALLBACK:
        (void)pq_fail(err, PQ_EINTERRUPTED, NULL, NULL, "interrupted");
        return;
    case CURLE_COULDNT_RESOLVE_HOST:
        (void)pq_fail(err, PQ_ETRANSPORT, NULL, "check the name and this machine's DNS",
                      "the address of %s cannot be found", name);
        return;
    case CURLE_COULDNT_RESOLVE_PROXY:
        (void)pq_fail(err, PQ_ETRANSPORT, NULL, "check HTTPS_PROXY", "the address of the proxy cannot be found");
        return;
    case CURLE_COULDNT_CONNECT:
        describe_connect(easy, detail, name, err);
        return;
    case CURLE_OPERATION_TIMEDOUT:
        describe_timeout(easy, name, seconds, err);
        return;
    case CURLE_SSL_CACERT_BADFILE:
        (void)pq_fail(err, PQ_ESYSTEM, NULL, "check SSL_CERT_FILE and certs.d",
                      "the file of trusted certificates cannot be read");
        return;
    case CURLE_PEER_FAILED_VERIFICATION:
        describe_certificate(easy, detail, name, err);
        return;
    case CURLE_OUT_OF_MEMORY: /* libcurl's word for a header that passes its own cap */
        (void)pq_fail(err, PQ_EFAILED, NULL, NULL, "the answer of %s has too many or too large headers", name);
        return;
    case CURLE_SSL_CONNECT_ERROR:
        if (strstr(detail, "callback failed")) {
            describe_certificate(easy, detail, name, err);
            return;
        }
        if (!strstr(detail, "SYSCALL") && !strstr(detail, "reset"))
            break;
        (void)pq_fail(err, PQ_ETRANSPORT, NULL, "does it speak TLS there, and does a firewall or proxy stand between?",
                      "the connection to %s was cut off before it was secured", name);
        return;
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
        if (describe_break(easy, detail, name, err))
            return;
        break;
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        (void)pq_fail(err, PQ_ETRANSPORT, NULL, "try again later", "%s cut the connection off in the middle", name);
        return;
    default:
        break;
    }
    (void)pq_fail(err, PQ_ETRANSPORT, NULL, NULL, "the connection to %s failed: %s", name, detail);
}
