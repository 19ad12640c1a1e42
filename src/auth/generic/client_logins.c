#include "auth/generic/client_logins.h"

#include <string.h>
#include <unistd.h>

#include "auth/common/service_words.h"
#include "auth/generic/docker_login.h"
#include "base/docker_protocol.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/process.h"
#include "base/text.h"
#include "crypto/hash.h"

enum { HELPER_SECONDS = 10, HELPER_LIFE = 10 * 60 };

void pq_client_login_clear(pq_client_login *login)
{
    pq_credential_clear(&login->credential);
    free(login->identity);
    *login = (pq_client_login){0};
}

/* --- where logins are --------------------------------------------------------------------------------------------- */

typedef struct place {
    char *path; /* NULL: it is $DOCKER_AUTH_CONFIG itself */
    pq_login_file form;
} place;

typedef struct places {
    place at[5];
    size_t count;
} places;

static void places_clear(places *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->at[i].path);
}

static void add_place(places *list, char *path, pq_login_file form)
{
    list->at[list->count++] = (place){path, form};
}

/* The first variable's folder, else the home's; NULL without either. Owned. */
static char *below(const char *variable, const char *below_home, const char *name)
{
    const char *folder = pq_getenv(variable), *home = pq_getenv("HOME");
    if (folder)
        return pq_path_join(folder, name);
    return home ? pq_asprintf("%s/%s/%s", home, below_home, name) : NULL;
}

static void find_places(places *out)
{
    static const char containers[] = "containers/auth.json";
    const char *named = pq_getenv("REGISTRY_AUTH_FILE"), *runtime = pq_getenv("XDG_RUNTIME_DIR");
    *out = (places){0};
    if (pq_getenv("DOCKER_AUTH_CONFIG"))
        add_place(out, NULL, PQ_LOGIN_DOCKER);
    if (named) {
        add_place(out, pq_strdup(named), PQ_LOGIN_CONTAINERS);
        return;
    }
    add_place(out,
              runtime ? pq_path_join(runtime, containers)
                      : pq_asprintf("/run/containers/%lu/auth.json", (unsigned long)geteuid()),
              PQ_LOGIN_CONTAINERS);
    char *config = below("XDG_CONFIG_HOME", ".config", containers);
    if (config)
        add_place(out, config, PQ_LOGIN_CONTAINERS);
    char *docker = below("DOCKER_CONFIG", ".docker", "config.json");
    if (docker)
        add_place(out, docker, PQ_LOGIN_DOCKER);
}

static const char *name_of(const place *where)
{
    return where->path ? where->path : "DOCKER_AUTH_CONFIG";
}

/* True without bytes when it is not there. */
static bool read_place(const place *where, pq_buf *out, pq_error *err)
{
    if (!where->path) {
        pq_buf_adds(out, pq_getenv("DOCKER_AUTH_CONFIG"));
        return true;
    }
    return !pq_path_exists(where->path) || pq_read_file(where->path, out, err);
}

/* --- helpers ------------------------------------------------------------------------------------------------------ */

static bool starts_with_one_of(const char *text, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (pq_starts_with(text, list[i]))
            return true;
    return false;
}

/* A helper is the user's own program: it gets what the session has for finding keyrings and clouds. */
static void helper_environment(pq_strings *out)
{
    static const char *const more[] = {
        "DBUS_",   "DISPLAY=",  "WAYLAND_", "GNUPGHOME=",     "GPG_", "PASSWORD_STORE_", "AWS_", "AZURE_",
        "GOOGLE_", "CLOUDSDK_", "GCE_",     "DOCKER_CONFIG=", "ECS_", "SSH_AUTH_SOCK="};
    pq_process_environment(out);
    pq_process_environment_path(out, NULL);
    for (char **at = environ; *at; at++)
        if (starts_with_one_of(*at, more, sizeof more / sizeof *more))
            pq_strings_add(out, *at);
    pq_strings_add(out, PQ_DOCKER_ASKED "=1");
}

/* `*out_found` false when the helper says that it has nothing. */
static bool ask_helper(const pq_docker_login *login, const char *program, pq_credential *out, bool *out_found,
                       pq_error *err)
{
    PQ_AUTO_STRINGS argv = {0}, variables = {0};
    PQ_AUTO_FREE char *path = pq_process_find(program);
    if (!path)
        return pq_fail(err, PQ_ECONFIG, NULL, "install it, or log in anew", "the helper %s is not on PATH", program);
    pq_strings_add(&argv, path);
    pq_strings_add(&argv, "get");
    helper_environment(&variables);
    PQ_AUTO_BUF output = PQ_SENSITIVE_BUF(PQ_MAX_TOKEN_ANSWER);
    const pq_process_options options = {.argv = &argv,
                                        .environment = &variables,
                                        .standard_output = &output,
                                        .standard_input = login->key,
                                        .timeout = HELPER_SECONDS,
                                        .service_fd = -1};
    int status = 0;
    if (!pq_process_run(&options, &status, err))
        return false;
    if (output.overflow)
        return pq_fail(err, PQ_EFAILED, NULL, NULL, "%s prints more than %u bytes", program, PQ_MAX_TOKEN_ANSWER);
    *out_found = status == 0;
    if (status == 0)
        return pq_docker_helper_read(pq_buf_text(&output), output.length, program, out, err);
    PQ_AUTO_FREE char *said = pq_service_words(pq_buf_text(&output), output.length);
    if (said && pq_starts_with(said, PQ_DOCKER_NOT_FOUND))
        return true;
    return pq_fail(err, PQ_EFAILED, NULL, NULL, "%s ends with status %d%s%s", program, status, said ? ": " : "",
                   said ? said : "");
}

/* --- a login ------------------------------------------------------------------------------------------------------ */

static char *identity_of(const place *where, const pq_docker_login *login)
{
    PQ_AUTO_BUF whole = PQ_SENSITIVE_BUF(2 * PQ_MAX_SECRET);
    pq_buf_addf(&whole, "%s\n%s\n%s\n", name_of(where), login->key, login->helper ? login->helper : "");
    if (login->credential.secret)
        pq_buf_add(&whole, pq_secret_bytes(login->credential.secret), pq_secret_length(login->credential.secret));
    return pq_sha256_digest(pq_buf_text(&whole), whole.length);
}

/* `*out_found` false: go on with the next place. */
static bool take(const place *where, pq_docker_login *login, bool ask_helpers, pq_client_login *out, bool *out_found,
                 pq_error *err)
{
    PQ_AUTO_FREE char *program = login->helper ? pq_asprintf("docker-credential-%s", login->helper) : NULL;
    *out_found = true;
    if (!program) {
        out->credential = login->credential;
        login->credential = (pq_credential){0};
    } else if (ask_helpers) {
        if (!ask_helper(login, program, &out->credential, out_found, err))
            return false;
        /* How long it lasts the helper knows: it is asked again soon. */
        out->credential.expires = pq_now() + HELPER_LIFE;
    } else {
        PQ_AUTO_FREE char *path = pq_process_find(program);
        if (!path)
            return pq_fail(err, PQ_ECONFIG, NULL, "install it, or log in anew", "the helper %s is not on PATH",
                           program);
    }
    out->credential.source = program ? pq_asprintf("login of %s, by %s", name_of(where), program)
                                     : pq_asprintf("login in %s", name_of(where));
    return true;
}

static bool look_into(const place *where, const char *host, const char *repository, bool ask_helpers,
                      pq_client_login *out, bool *out_found, pq_error *err)
{
    PQ_AUTO_BUF bytes = PQ_SENSITIVE_BUF(PQ_MAX_SECRET);
    PQ_AUTO_DOCKER_LOGIN login = {0};
    *out_found = false;
    if (!read_place(where, &bytes, err))
        return false;
    if (!bytes.length)
        return true;
    bool found = false;
    if (!pq_docker_login_find(where->form, pq_buf_text(&bytes), bytes.length, name_of(where), host, repository, &login,
                              &found, err))
        return false;
    if (!found)
        return true;
    PQ_AUTO_FREE char *identity = identity_of(where, &login);
    if (!take(where, &login, ask_helpers, out, out_found, err))
        return false;
    if (*out_found)
        out->identity = pq_steal(identity);
    else
        pq_client_login_clear(out);
    return true;
}

bool pq_client_login_get(const char *host, const char *repository, const char *where, bool ask_helpers,
                         pq_client_login *out, pq_error *err)
{
    *out = (pq_client_login){0};
    PQ_CLEANUP(places_clear) places all;
    find_places(&all);
    PQ_AUTO_BUF names = PQ_BUF(PQ_MAX_MESSAGE);
    for (size_t i = 0; i < all.count; i++) {
        bool found = false;
        if (!look_into(&all.at[i], host, repository, ask_helpers, out, &found, err)) {
            err->code = err->code == PQ_EINPUT || err->code == PQ_ENOTFOUND ? PQ_ECONFIG : err->code;
            return pq_error_at(err, where);
        }
        if (found)
            return true;
        pq_buf_addf(&names, "%s%s", names.length ? ", " : "", name_of(&all.at[i]));
    }
    PQ_AUTO_FREE char *hint =
        pq_asprintf("`docker login %s` or `podman login %s`, or name a secret in the entry", host, host);
    return pq_fail(err, PQ_ECONFIG, where, hint, "auth: environment: no client is logged in to %s; looked in %s", host,
                   pq_buf_text(&names));
}
