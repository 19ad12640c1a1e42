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

/* With another byte it is no host, and somebody else may read another one out of it. */
static bool is_host_byte(char byte)
{
    return pq_ascii_alnum(byte) || (byte && strchr(".-_:[]", byte));
}

char *pq_docker_host(const char *url)
{
    url += strspn(url, " \t\r\n");
    size_t whole = strcspn(url, " \t\r\n");
    if (url[whole + strspn(url + whole, " \t\r\n")])
        return NULL;
    url += scheme_length(url);
    PQ_AUTO_FREE char *host = pq_strndup(url, strcspn(url, "/ \t\r\n"));
    for (char *at = host; *at; at++)
        if (!is_host_byte(*at))
            return NULL;
    pq_ascii_lower_in_place(host);
    if (pq_ends_with(host, ":443"))
        host[strlen(host) - strlen(":443")] = '\0';
    return *host && !pq_ends_with(host, ":") ? pq_strdup(pq_docker_hub_name(host)) : NULL;
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
