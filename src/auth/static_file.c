#include "auth/static_file.h"

#include <sys/stat.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/trust.h"

static bool judge(const char *path, pq_error *err)
{
    struct stat status;
    if (!pq_trust_file(path, err))
        return false;
    if (stat(path, &status) != 0 || (status.st_mode & (S_IRWXG | S_IRWXO)) == 0)
        return true;
    PQ_AUTO_FREE char *hint = pq_asprintf("chmod 600 %s; if others may have read it, have new keys made", path);
    return pq_fail(err, PQ_ECONFIG, path, hint, "can be read by others (mode %04o)", (unsigned)status.st_mode & 07777u);
}

static void warn(const pq_config_registry *entry, const char *where)
{
    bool cloud = entry->type != PQ_REGISTRY_GENERIC;
    pq_warn(where,
            cloud
                ? "let the device prove itself instead: `pratique policy --device` prints what the cloud needs for "
                  "that, `pratique device setup` readies the device"
                : "let a device gateway hand it out instead (`type: gateway`): `pratique help policy` shows what else "
                  "there is, `pratique device setup` readies the device",
            "%s is a copied credential, for bootstrapping only: whoever copies it from the device has it for good",
            entry->credentials_file.text);
}

bool pq_static_file_read(const pq_config_registry *entry, const char *where, pq_secret **out, pq_error *err)
{
    const char *path = entry->credentials_file.text;
    PQ_AUTO_BUF text = PQ_SENSITIVE_BUF(PQ_MAX_SECRET);
    if (!judge(path, err) || !pq_read_file(path, &text, err)) {
        PQ_AUTO_ERROR told = {0};
        pq_error_move(&told, err);
        return pq_fail(err, PQ_ECONFIG, where, told.hint, "credentials_file %s: %s", path, told.message);
    }
    warn(entry, where);
    *out = pq_secret_from_buf(&text);
    return true;
}
