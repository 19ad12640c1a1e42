#include "device/serve/question.h"

#include <string.h>

#include "base/docker_protocol.h"

bool pq_question_read(const char *line, size_t length, char **url, char **host)
{
    static const char verb[] = "get ";
    const size_t start = sizeof verb - 1;
    if (length <= start || memcmp(line, verb, start) != 0 || memchr(line, '\0', length))
        return false;
    PQ_AUTO_FREE char *asked = pq_strndup(line + start, length - start);
    PQ_AUTO_FREE char *meant = strlen(asked) <= PQ_DOCKER_URL_MAX ? pq_docker_host(asked) : NULL;
    if (!meant)
        return false;
    *url = pq_steal(asked);
    *host = pq_steal(meant);
    return true;
}
