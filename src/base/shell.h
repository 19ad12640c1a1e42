/* Commands for a POSIX shell: for people to read and run. */
#pragma once

#include "base/buf.h"

/* A blank and the word, quoted where a shell wants that. */
void pq_shell_add(pq_buf *command, const char *word);
