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

char *pq_docker_host(const char *url)
{
    url += strspn(url, " \t\r\n");
    size_t length = strcspn(url, " \t\r\n");
    const char *scheme = memmem(url, length, "://", 3);
    if (scheme) {
        length -= (size_t)(scheme + 3 - url);
        url = scheme + 3;
    }
    const char *slash = memchr(url, '/', length);
    if (slash)
        length = (size_t)(slash - url);
    PQ_AUTO_FREE char *host = pq_strndup(url, length);
    pq_ascii_lower_in_place(host);
    if (pq_ends_with(host, ":443"))
        host[length - strlen(":443")] = '\0';
    return *host ? pq_strdup(pq_docker_hub_name(host)) : NULL;
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
