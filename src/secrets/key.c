#include "secrets/key.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "crypto/hash.h"
#include "crypto/seal.h"

enum { KEY_TEXT = 2 * PQ_SEAL_KEY_SIZE + 1, MARK_MAX = 1024 };

static bool check_safe(int fd, const char *path, bool credential, pq_error *err)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return pq_fail_errno(err, path, "cannot read the store's key");
    if (!S_ISREG(status.st_mode))
        return pq_fail(err, PQ_ECONFIG, path, NULL, "the store's key is not a regular file");
    if (status.st_uid != geteuid() && status.st_uid != 0)
        return pq_fail(err, PQ_ECONFIG, path, "run this as the owner of the key, or use a key of your own",
                       "the store's key belongs to user %u, not to the user who runs this (%u)",
                       (unsigned)status.st_uid, (unsigned)geteuid());
    /* Service managers give access by an access control list, whose mask shows as the group's bits. */
    mode_t forbidden = credential ? S_IWGRP | S_IRWXO : S_IRWXG | S_IRWXO;
    if (status.st_mode & forbidden) {
        PQ_AUTO_FREE char *hint = pq_asprintf("chmod 600 %s", path);
        return pq_fail(err, PQ_ECONFIG, path, hint, "the store's key is open to others (mode %04o)",
                       (unsigned)(status.st_mode & 07777));
    }
    return true;
}

bool pq_store_key_read(const char *path, bool credential, pq_secret **out, pq_error *err)
{
    PQ_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        if (errno == ENOENT || errno == ENOTDIR)
            return pq_fail(err, PQ_ENOTFOUND, path, NULL, "no such file");
        return pq_fail_errno(err, path, "cannot open the store's key");
    }
    if (!check_safe(fd, path, credential, err))
        return false;
    PQ_AUTO_BUF text = PQ_SENSITIVE_BUF(4096), bytes = PQ_SENSITIVE_BUF(PQ_SEAL_KEY_SIZE);
    if (!pq_read_fd(fd, path, &text, err))
        return false;
    while (text.length > 0 && strchr("\r\n", text.data[text.length - 1]))
        pq_buf_truncate(&text, text.length - 1);
    if (text.length != KEY_TEXT - 1 || strlen(text.data) != text.length || !pq_hex_decode(text.data, &bytes))
        return pq_fail(err, PQ_ECONFIG, path, "restore it from a copy",
                       "is not a key of the store, which is 64 hexadecimal digits on one line");
    *out = pq_secret_from_buf(&bytes);
    return true;
}

bool pq_store_key_create(const char *path, const pq_secret *key, bool *out_created, pq_error *err)
{
    PQ_AUTO_FREE char *folder = pq_path_dirname(path);
    PQ_AUTO_BUF text = PQ_SENSITIVE_BUF(KEY_TEXT);
    pq_hex_add(&text, pq_secret_bytes(key), pq_secret_length(key));
    pq_buf_addc(&text, '\n');
    return pq_make_dirs(folder, 0700, err) && pq_create_file(path, 0600, text.data, text.length, out_created, err);
}

static void key_id(const pq_secret *key, char out[33])
{
    static const char what[] = "pratique store key id";
    pq_sha256 mac = pq_hmac_sha256(pq_secret_bytes(key), pq_secret_length(key), what, sizeof what - 1);
    char hex[PQ_SHA256_HEX];
    pq_sha256_hex(&mac, hex);
    memcpy(out, hex, 32);
    out[32] = '\0';
}

static char *mark_binding(const char *id)
{
    return pq_asprintf("pratique store %d key %s", PQ_STORE_FORMAT, id);
}

bool pq_key_mark_make(const pq_secret *key, pq_key_mark *out, pq_error *err)
{
    *out = (pq_key_mark){.check = PQ_BUF(MARK_MAX)};
    key_id(key, out->id);
    PQ_AUTO_FREE char *binding = mark_binding(out->id);
    PQ_AUTO_SECRET *nothing = pq_secret_new("", 0);
    return pq_seal(key, binding, strlen(binding), nothing, &out->check, err);
}

pq_key_match pq_key_mark_try(const pq_key_mark *mark, const pq_secret *key)
{
    char id[33];
    key_id(key, id);
    bool same_id = strcmp(id, mark->id) == 0;
    /* Opened with the identifier that the key has: a changed one in the store does not hide that the key fits. */
    PQ_AUTO_FREE char *binding = mark_binding(id);
    PQ_AUTO_ERROR ignored = {0};
    PQ_AUTO_SECRET *nothing = NULL;
    bool opens = pq_open(key, binding, strlen(binding), mark->check.data, mark->check.length, NULL, &nothing, &ignored);
    return same_id && opens ? PQ_KEY_FITS : same_id || opens ? PQ_KEY_CHANGED : PQ_KEY_OTHER;
}

void pq_key_mark_clear(pq_key_mark *mark)
{
    pq_buf_clear(&mark->check);
    mark->id[0] = '\0';
}
