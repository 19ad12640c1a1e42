#include "scan/options.h"

#include <string.h>

#include "base/file.h"
#include "base/limits.h"
#include "scan/scan.h"

char *pq_scan_name(const pq_scan_options *options, const char *path)
{
    PQ_AUTO_FREE char *whole = pq_joined(options->prefix ? options->prefix : "", path);
    return pq_printable(whole);
}

char *pq_scan_beside(const char *from, const char *name)
{
    PQ_AUTO_FREE char *folder = pq_path_dirname(from);
    PQ_AUTO_FREE char *joined = strcmp(folder, ".") == 0 ? pq_strdup(name) : pq_path_join(folder, name);
    PQ_AUTO_STRINGS parts = {0};
    for (const char *at = joined; *at;) {
        size_t length = strcspn(at, "/");
        PQ_AUTO_FREE char *part = pq_strndup(at, length);
        bool up = strcmp(part, "..") == 0;
        if (up && parts.count && strcmp(parts.at[parts.count - 1], "..") != 0)
            free(parts.at[--parts.count]);
        else if (*part && strcmp(part, ".") != 0)
            pq_strings_take(&parts, pq_steal(part));
        at += length + (at[length] == '/');
    }
    PQ_AUTO_BUF out = PQ_BUF(PQ_MAX_TEXT);
    for (size_t i = 0; i < parts.count; i++) {
        pq_buf_adds(&out, i || *joined == '/' ? "/" : "");
        pq_buf_adds(&out, parts.at[i]);
    }
    return out.length ? pq_buf_steal(&out) : pq_strdup(".");
}
