/* The files of a device: device.yml and those that it names, and who may read and change them.
 *
 * A private key, a PIN and a copied credential are for their owner alone (0600); the others may be read by anybody, and
 * nobody but their owner may change them. Owner is root, the user who runs this, or the one that the device's service
 * runs as. The folders on the way to each count too, up to the root: who may write there can put another file in its
 * place. */
#pragma once

#include <sys/stat.h>

#include "config/config.h"

typedef struct pq_device_file {
    char *path;       /* as it was said. Owned */
    char *real;       /* symbolic links followed; NULL when it is not there. Owned */
    const char *what; /* "the private key". Static */
    unsigned line;    /* of device.yml; 0 for that itself */
    bool secret;
    bool lost; /* a folder of another user, or one like /tmp with one of the files right in it: no mode mends that */
    struct stat status; /* of what is there */
    mode_t mode;        /* that it should have */
    uid_t owner;        /* that it should have */
    gid_t group;
} pq_device_file;

typedef struct pq_device_files {
    pq_device_file *at;
    size_t count, capacity;
    uid_t service;
} pq_device_files;

#define PQ_AUTO_DEVICE_FILES PQ_CLEANUP(pq_device_files_clear) pq_device_files

/* `path` is that of device.yml; `service` the user that the service runs as, 0 for root. Files that are not there are
 * in the list without `real`. Folders come before the files that lie in them, from the root down, each once, and only
 * where they are open to others. */
void pq_device_files_find(const pq_config *config, const char *path, uid_t service, pq_device_files *out);
void pq_device_files_clear(pq_device_files *files);
/* Neither mode nor owner have to change. */
bool pq_device_file_good(const pq_device_file *file);
/* The command that mends it: "chmod 600 /etc/…", "chown root:root … && chmod …". Owned; NULL when it is good or lost.
 */
char *pq_device_file_command(const pq_device_file *file) PQ_MUST_USE;
/* Does what the command does, to exactly the file that was looked at; not while somebody else could have chosen which
 * file that is, by a folder or a link on the way there. */
bool pq_device_file_mend(const pq_device_file *file, pq_error *err) PQ_MUST_USE;
