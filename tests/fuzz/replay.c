/* Runs a fuzz target once over each file of the folders and files named, where no fuzzer is linked. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>

#include "base/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(const char *path)
{
    PQ_AUTO_BUF bytes = PQ_BUF(64u << 20);
    PQ_AUTO_ERROR err = {0};
    if (!pq_read_file(path, &bytes, &err)) {
        (void)fprintf(stderr, "%s: %s\n", path, err.message);
        return -1;
    }
    return LLVMFuzzerTestOneInput((const uint8_t *)pq_buf_text(&bytes), bytes.length);
}

int main(int argc, char **argv)
{
    size_t runs = 0;
    for (int i = 1; i < argc; i++) {
        if (!pq_is_dir(argv[i])) {
            if (run_file(argv[i]) != 0)
                return 1;
            runs++;
            continue;
        }
        DIR *folder = opendir(argv[i]);
        if (!folder)
            return 1;
        for (struct dirent *entry; (entry = readdir(folder));) {
            if (entry->d_name[0] == '.')
                continue;
            PQ_AUTO_FREE char *path = pq_path_join(argv[i], entry->d_name);
            if (run_file(path) != 0)
                return 1;
            runs++;
        }
        (void)closedir(folder);
    }
    (void)printf("%zu seeds\n", runs);
    return runs ? 0 : 1;
}
