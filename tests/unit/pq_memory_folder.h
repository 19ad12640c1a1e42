/* The same as pq_folder.h, on tmpfs: what must lie in memory can be tested only there. Skips nothing: a machine without
 * /dev/shm fails. */
#pragma once

#include "pq_folder.h"

static inline int pq_memory_folder_make(void **state)
{
    pq_error err = {0};
    char *folder = NULL;
    if (!pq_make_temp_dir_in("/dev/shm", "pq-test-", &folder, &err))
        return -1;
    *state = folder;
    return 0;
}
