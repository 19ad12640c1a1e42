#include "device/files.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/shell.h"
#include "base/trust.h"
#include "crypto/identity.h"

enum { OPEN_TO_OTHERS = S_IWGRP | S_IWOTH };

void pq_device_files_clear(pq_device_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        free(files->at[i].path);
        free(files->at[i].real);
    }
    free(files->at);
    *files = (pq_device_files){0};
}

/* Root's, ours, or the service's; what belongs to somebody else is to be root's, and no file is a program that runs as
 * its owner: somebody could have made it one to have it handed to root. */
static void decide(pq_device_file *file, uid_t service)
{
    bool folder = S_ISDIR(file->status.st_mode);
    mode_t mode = file->status.st_mode & (folder ? 07777 : 0777);
    bool ours = file->status.st_uid == 0 || file->status.st_uid == geteuid() || file->status.st_uid == service;
    bool sticky = folder && (mode & S_ISVTX);
    file->mode = file->secret ? mode & 0600 : sticky ? mode : mode & ~(mode_t)OPEN_TO_OTHERS;
    if (file->secret)
        file->mode |= S_IRUSR;
    file->owner = ours ? file->status.st_uid : 0;
    file->group = ours ? file->status.st_gid : 0;
}

static bool is_listed(const pq_device_files *files, const char *real)
{
    for (size_t i = 0; i < files->count; i++)
        if (pq_streq(files->at[i].real, real))
            return true;
    return false;
}

static void take(pq_device_files *files, const pq_device_file *file)
{
    files->at = pq_grow(files->at, &files->capacity, files->count + 1, sizeof *files->at);
    files->at[files->count++] = *file;
}

typedef struct way {
    pq_device_files *files;
    const char *direct; /* the folder that the file lies in */
    unsigned line;
} way;

static void add_folder(const way *to, const char *path, const struct stat *status, bool lost)
{
    pq_device_file folder = {.line = to->line, .status = *status};
    decide(&folder, to->files->service);
    folder.lost = lost || folder.status.st_uid != folder.owner;
    if (is_listed(to->files, path) || (!folder.lost && pq_device_file_good(&folder)))
        return;
    folder.what = pq_streq(path, to->direct) ? "its folder" : "a folder on the way to it";
    folder.path = pq_strdup(path);
    folder.real = pq_strdup(path);
    take(to->files, &folder);
}

static bool visit(void *context, const char *path, const struct stat *status, bool shared)
{
    const way *to = context;
    struct stat above;
    PQ_AUTO_FREE char *folder = pq_path_dirname(path);
    if (S_ISDIR(status->st_mode))
        add_folder(to, path, status, false);
    else if (shared && stat(folder, &above) == 0)
        add_folder(to, folder, &above, true);
    return true;
}

static void add(pq_device_files *files, const char *path, const char *what, unsigned line, bool secret)
{
    PQ_AUTO_ERROR ignored = {0};
    pq_device_file file = {.path = pq_strdup(path), .what = what, .line = line, .secret = secret};
    file.real = realpath(path, NULL);
    if (file.real && (is_listed(files, file.real) || stat(file.real, &file.status) != 0)) {
        free(file.path);
        free(file.real);
        return;
    }
    if (file.real) {
        PQ_AUTO_FREE char *direct = pq_path_dirname(file.real);
        way to = {.files = files, .direct = direct, .line = line};
        decide(&file, files->service);
        if (!pq_trust_walk(path, visit, &to, &ignored))
            pq_detail("%s: %s", path, ignored.message);
    }
    take(files, &file);
}

static void add_object(pq_device_files *files, const pq_setting *setting, const char *what, bool secret)
{
    if (!setting->text)
        return;
    PQ_AUTO_FREE char *pin = pq_identity_pin_file(setting->text);
    if (pin)
        add(files, pin, "the token's PIN", setting->line, true);
    if (!pq_identity_is_token(setting->text))
        add(files, setting->text, what, setting->line, secret);
}

void pq_device_files_find(const pq_config *config, const char *path, uid_t service, pq_device_files *out)
{
    out->service = service;
    add(out, path, "the device's configuration", 0, false);
    add_object(out, &config->device.certificate, "the certificate", false);
    add_object(out, &config->device.key, "the private key", true);
    if (config->device.ca.text)
        add(out, config->device.ca.text, "the gateway's trust", config->device.ca.line, false);
    for (size_t i = 0; i < config->registry_count; i++) {
        const pq_setting *copied = &config->registries[i].credentials_file;
        if (copied->text)
            add(out, copied->text, "a copied credential", copied->line, true);
    }
}

bool pq_device_file_good(const pq_device_file *file)
{
    return !file->lost && (file->status.st_mode & 07777) == file->mode && file->status.st_uid == file->owner;
}

char *pq_device_file_command(const pq_device_file *file)
{
    if (!file->real || file->lost || pq_device_file_good(file))
        return NULL;
    PQ_AUTO_BUF command = PQ_BUF(SIZE_MAX / 2);
    bool chown_too = file->status.st_uid != file->owner;
    if (chown_too) {
        pq_buf_adds(&command, "chown root:root");
        pq_shell_add(&command, file->real);
    }
    if ((file->status.st_mode & 07777) != file->mode) {
        pq_buf_addf(&command, "%schmod %03o", chown_too ? " && " : "", (unsigned)file->mode);
        pq_shell_add(&command, file->real);
    }
    return pq_buf_steal(&command);
}

bool pq_device_file_mend(const pq_device_file *file, pq_error *err)
{
    PQ_AUTO_FREE char *folder = pq_path_dirname(file->real);
    if (!pq_trust_folders(S_ISDIR(file->status.st_mode) ? folder : file->path, err))
        return pq_error_wrap(err, "%s is not mended", file->path);
    PQ_AUTO_CLOSE int fd = open(file->real, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    struct stat now;
    if (fd < 0 || fstat(fd, &now) != 0)
        return pq_fail_errno(err, file->real, "cannot be opened");
    if (now.st_dev != file->status.st_dev || now.st_ino != file->status.st_ino)
        return pq_fail(err, PQ_ESYSTEM, file->real, "run this again", "was replaced meanwhile");
    if (now.st_uid != file->owner && fchown(fd, file->owner, file->group) != 0)
        return pq_fail_errno(err, file->real, "the owner cannot be changed");
    if (fchmod(fd, file->mode) != 0)
        return pq_fail_errno(err, file->real, "the mode cannot be changed");
    return true;
}
