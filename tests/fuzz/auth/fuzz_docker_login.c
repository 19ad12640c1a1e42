#include <stdlib.h>
#include <string.h>

#include "auth/generic/docker_login.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_one(pq_login_file form, const uint8_t *data, size_t size, const char *host, const char *repository)
{
    PQ_AUTO_DOCKER_LOGIN login = {0};
    PQ_AUTO_ERROR err = {0};
    bool found = false;
    bool good = pq_docker_login_find(form, data, size, "config.json", host, repository, &login, &found, &err);
    if (found != (login.helper || login.credential.secret) || (found && (!good || !login.key)))
        abort();
    if (login.helper && strpbrk(login.helper, "/ \n"))
        abort();
    if (login.credential.username && strpbrk(login.credential.username, "\r\n"))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_one(PQ_LOGIN_DOCKER, data, size, "docker.io", NULL);
    try_one(PQ_LOGIN_CONTAINERS, data, size, "ghcr.io", "acme/app");
    try_one(PQ_LOGIN_CONTAINERS, data, size, "ghcr.io", NULL);
    PQ_AUTO_CREDENTIAL credential = {0};
    PQ_AUTO_ERROR err = {0};
    if (pq_docker_helper_read(data, size, "helper", &credential, &err) != (credential.secret != NULL))
        abort();
    return 0;
}
