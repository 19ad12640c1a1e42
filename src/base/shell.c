#include "base/shell.h"

#include <string.h>

#include "base/text.h"

void pq_shell_add(pq_buf *command, const char *word)
{
    bool plain = *word != '\0';
    for (const char *at = word; *at && plain; at++)
        plain = pq_ascii_alnum(*at) || strchr("@%+=:,./-_", *at);
    pq_buf_addc(command, ' ');
    if (plain) {
        pq_buf_adds(command, word);
        return;
    }
    pq_buf_addc(command, '\'');
    for (const char *at = word; *at; at++)
        if (*at == '\'')
            pq_buf_adds(command, "'\\''");
        else
            pq_buf_addc(command, *at);
    pq_buf_addc(command, '\'');
}
