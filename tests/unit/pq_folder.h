/* A private folder for each test: cmocka_unit_test_setup_teardown(test, pq_folder_make, pq_folder_remove), and the
 * test's
 * `*state` is its path. */
#pragma once

#include "pq_cmocka.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"

static inline int pq_folder_make(void **state)
{
    pq_error err = {0};
    char *folder = NULL;
    if (!pq_make_temp_dir("pq-test-", &folder, &err))
        return -1;
    *state = folder;
    return 0;
}

static inline int pq_folder_remove(void **state)
{
    pq_error err = {0};
    bool good = pq_remove_tree(*state, &err);
    free(*state);
    return good ? 0 : -1;
}

/* Skips the test where links within a tree are refused too, since there is no openat2: before Linux 5.6, or under
 * qemu-user (base/file.c). */
static inline void pq_folder_skip_without_openat2(void)
{
    struct open_how how = {.flags = O_PATH | O_CLOEXEC};
    long fd = syscall(SYS_openat2, AT_FDCWD, "/", &how, sizeof how);
    if (fd < 0)
        skip();
    (void)close((int)fd);
}

/* Writes a text below the folder, and the folders on the way. */
static inline void pq_folder_put(const char *root, const char *name, const char *text)
{
    pq_error err = {0};
    PQ_AUTO_FREE char *path = pq_path_join(root, name);
    PQ_AUTO_FREE char *folder = pq_path_dirname(path);
    assert_true(pq_make_dirs(folder, 0755, &err));
    assert_true(pq_write_file(path, 0644, text, strlen(text), &err));
}
