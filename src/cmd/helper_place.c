#include "cmd/helper_place.h"

#include <limits.h>
#include <unistd.h>

#include "base/file.h"

bool pq_program_place(char **out, pq_error *err)
{
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length <= 0)
        return pq_fail_errno(err, "/proc/self/exe", "cannot be read");
    *out = pq_strndup(self, (size_t)length);
    return true;
}

bool pq_helper_place(char **out, pq_error *err)
{
    PQ_AUTO_FREE char *self = NULL;
    if (!pq_program_place(&self, err))
        return false;
    PQ_AUTO_FREE char *folder = pq_path_dirname(self);
    PQ_AUTO_FREE char *helper = pq_path_join(folder, "docker-credential-pratique");
    if (access(helper, X_OK) != 0)
        return pq_fail(err, PQ_ESYSTEM, helper, "install it beside pratique", "the credential helper is not there");
    *out = pq_steal(helper);
    return true;
}
