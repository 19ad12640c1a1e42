#include "auth/google/default.h"

#include "base/file.h"

static const char variable[] = "GOOGLE_APPLICATION_CREDENTIALS";

static char *gcloud_path(void)
{
    static const char name[] = "application_default_credentials.json";
    const char *folder = pq_getenv("CLOUDSDK_CONFIG"), *home = pq_getenv("HOME");
    if (folder)
        return pq_path_join(folder, name);
    return home ? pq_asprintf("%s/.config/gcloud/%s", home, name) : NULL;
}

bool pq_google_default_read(pq_buf *out, char **out_path, pq_error *err)
{
    *out_path = NULL;
    const char *named = pq_getenv(variable);
    PQ_AUTO_FREE char *path = named ? pq_strdup(named) : gcloud_path();
    if (!path || (!named && !pq_path_exists(path)))
        return true;
    if (!pq_read_file(path, out, err)) {
        err->code = err->code == PQ_ENOTFOUND || err->code == PQ_EINPUT ? PQ_ECONFIG : err->code;
        return named ? pq_error_wrap(err, "%s", variable) : false;
    }
    *out_path = pq_steal(path);
    return true;
}
