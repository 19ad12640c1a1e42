#include "auth/common/service_words.h"

#include <string.h>

#include "base/limits.h"
#include "base/secret.h"

char *pq_service_words(const char *text, size_t length)
{
    enum { LONGEST = 300 };
    size_t line = 0;
    while (line < length && text[line] && text[line] != '\r' && text[line] != '\n')
        line++;
    if (!line)
        return NULL;
    PQ_AUTO_BUF said = PQ_BUF(PQ_MAX_API_ANSWER);
    pq_buf_add(&said, text, line);
    pq_secret_redact(&said);
    if (said.length > LONGEST) {
        size_t end = LONGEST;
        while (end && ((unsigned char)said.data[end] & 0xc0) == 0x80)
            end--; /* not in the middle of a character */
        pq_buf_truncate(&said, end);
        pq_buf_adds(&said, "…");
    }
    return pq_buf_steal(&said);
}
