#include "base/docker_protocol.h"

#include <string.h>

#include "base/text.h"

const char *pq_docker_hub_name(const char *host)
{
    static const char *const names[] = {"docker.io", "index.docker.io", "registry-1.docker.io"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(host, names[i]) == 0)
            return names[0];
    return host;
}

/* The length of `scheme://` at the start (RFC 3986, section 3.1), 0 when there is none: behind a host it is no scheme.
 */
static size_t scheme_length(const char *url)
{
    size_t length = 0;
    while (pq_ascii_alnum(url[length]) || (length && url[length] && strchr("+.-", url[length])))
        length++;
    return length && pq_ascii_alpha(*url) && pq_starts_with(url + length, "://") ? length + 3 : 0;
}

/* A name or an IPv6 address in brackets, and a port or none (RFC 3986, section 3.2.2). In anything else somebody may
 * read another host than we do. */
static bool has_host_form(const char *host)
{
    size_t width = *host == '[' ? strcspn(host, "]") : 0;
    for (size_t i = 1; i < width; i++)
        if (!pq_ascii_alnum(host[i]) && host[i] != ':' && host[i] != '.')
            return false;
    if (width) {
        if (!host[width++])
            return false;
    } else {
        while (pq_ascii_alnum(host[width]) || (host[width] && strchr(".-_", host[width])))
            width++;
    }
    const char *port = host + width;
    return width > 0 && (!*port || (*port == ':' && port[1] && !port[1 + strspn(port + 1, "0123456789")]));
}

char *pq_docker_host(const char *url)
{
    url += strspn(url, " \t\r\n");
    size_t whole = strcspn(url, " \t\r\n");
    if (url[whole + strspn(url + whole, " \t\r\n")])
        return NULL;
    url += scheme_length(url);
    PQ_AUTO_FREE char *host = pq_strndup(url, strcspn(url, "/ \t\r\n"));
    if (!has_host_form(host))
        return NULL;
    pq_ascii_lower_in_place(host);
    if (pq_ends_with(host, ":443"))
        host[strlen(host) - strlen(":443")] = '\0';
    return pq_strdup(pq_docker_hub_name(host));
}

void pq_docker_json_string(pq_buf *out, const char *bytes, size_t length)
{
    pq_buf_addc(out, '"');
    size_t plain = 0; /* where the bytes begin that pass as they are */
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        if (byte >= 0x20 && byte != '"' && byte != '\\')
            continue;
        pq_buf_add(out, bytes + plain, i - plain);
        plain = i + 1;
        if (byte < 0x20)
            pq_buf_addf(out, "\\u%04x", byte);
        else
            pq_buf_addf(out, "\\%c", byte);
    }
    pq_buf_add(out, bytes + plain, length - plain);
    pq_buf_addc(out, '"');
}

void pq_docker_answer(pq_buf *out, const char *url, const char *user, size_t user_length, const char *secret,
                      size_t secret_length)
{
    pq_buf_adds(out, "{\"ServerURL\":");
    pq_docker_json_string(out, url, strlen(url));
    pq_buf_adds(out, ",\"Username\":");
    pq_docker_json_string(out, user, user_length);
    pq_buf_adds(out, ",\"Secret\":");
    pq_docker_json_string(out, secret, secret_length);
    pq_buf_adds(out, "}\n");
}
