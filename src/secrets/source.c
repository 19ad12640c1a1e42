#include "secrets/source.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "secrets/name.h"

typedef struct folder {
    pq_tree tree;
    const char *given_by; /* a literal, for messages */
    bool hidden;          /* other users cannot reach into it */
} folder;

enum { FOLDERS = 3 };

struct pq_secrets {
    folder folders[FOLDERS];
    size_t count;
    pq_store_place place; /* empty where nothing says where a store could be */
    pq_store *store;      /* opened when first needed */
};

static bool is_set(const char *value)
{
    return value && *value;
}

pq_secret_environment pq_secret_environment_read(const char *secrets_option)
{
    return (pq_secret_environment){
        .secrets_option = secrets_option,
        .secrets_dir = getenv("PRATIQUE_SECRETS_DIR"),
        .system_dir = "/secrets",
        .store = getenv("PRATIQUE_STORE"),
        .store_key_file = getenv("PRATIQUE_STORE_KEY_FILE"),
        .credentials_directory = getenv("CREDENTIALS_DIRECTORY"),
        .xdg_data_home = getenv("XDG_DATA_HOME"),
        .xdg_config_home = getenv("XDG_CONFIG_HOME"),
        .home = getenv("HOME"),
    };
}

/* The XDG Base Directory Specification: a path that is not absolute is to be ignored. NULL when there is none. */
static char *xdg_path(const char *value, const char *home, const char *below_home, const char *file)
{
    if (value && *value == '/')
        return pq_path_join(value, file);
    if (!home || *home != '/')
        return NULL;
    PQ_AUTO_FREE char *base = pq_path_join(home, below_home);
    return pq_path_join(base, file);
}

bool pq_store_place_find(const pq_secret_environment *environment, pq_store_place *out, pq_error *err)
{
    PQ_AUTO_STORE_PLACE place = {0};
    place.path = is_set(environment->store)
                     ? pq_strdup(environment->store)
                     : xdg_path(environment->xdg_data_home, environment->home, ".local/share", "pratique/secrets.db");
    if (!place.path)
        return pq_fail(err, PQ_ECONFIG, NULL, "set $PRATIQUE_STORE to the path of a file",
                       "nothing says where the store of secrets is: neither $PRATIQUE_STORE nor $HOME is set");
    if (is_set(environment->store_key_file)) {
        place.key_path = pq_strdup(environment->store_key_file);
    } else {
        if (is_set(environment->credentials_directory)) {
            place.key_path = pq_path_join(environment->credentials_directory, "pratique.key");
            place.key_is_credential = pq_path_exists(place.key_path);
        }
        if (!place.key_is_credential) {
            free(place.key_path);
            place.key_path = xdg_path(environment->xdg_config_home, environment->home, ".config", "pratique/store.key");
        }
    }
    if (!place.key_path)
        return pq_fail(err, PQ_ECONFIG, NULL, "set $PRATIQUE_STORE_KEY_FILE to the path of a file",
                       "nothing says where the store's key is: neither $PRATIQUE_STORE_KEY_FILE nor $HOME is set");
    *out = place;
    place = (pq_store_place){0};
    return true;
}

void pq_store_place_clear(pq_store_place *place)
{
    free(place->path);
    free(place->key_path);
    *place = (pq_store_place){0};
}

static bool open_store(const pq_store_place *place, bool create, pq_store **out, pq_error *err)
{
    pq_store_options options = {.path = place->path,
                                .key_path = place->key_path,
                                .key_is_credential = place->key_is_credential,
                                .create = create};
    return pq_store_open(&options, out, err);
}

bool pq_store_open_default(const pq_secret_environment *environment, bool create, pq_store **out, pq_error *err)
{
    PQ_AUTO_STORE_PLACE place = {0};
    return pq_store_place_find(environment, &place, err) && open_store(&place, create, out, err);
}

/* --- the sources --- */

static bool add_folder(pq_secrets *secrets, const char *path, const char *given_by, pq_code code, pq_error *err)
{
    folder *added = &secrets->folders[secrets->count];
    added->tree = PQ_TREE_NONE;
    if (!pq_tree_open(path, &added->tree, err)) {
        if (err->code == PQ_EINPUT)
            err->code = code;
        return pq_error_wrap(err, "the folder of secrets named by %s", given_by ? given_by : path);
    }
    struct stat status;
    added->hidden = fstat(added->tree.fd, &status) == 0 && !(status.st_mode & S_IXOTH);
    added->given_by = given_by;
    secrets->count++;
    return true;
}

bool pq_secrets_open(const pq_secret_environment *environment, pq_secrets **out, pq_error *err)
{
    PQ_AUTO_SECRETS *secrets = pq_alloc(1, sizeof *secrets);
    if (is_set(environment->secrets_option) &&
        !add_folder(secrets, environment->secrets_option, "--secrets", PQ_EUSAGE, err))
        return false;
    if (is_set(environment->secrets_dir) &&
        !add_folder(secrets, environment->secrets_dir, "$PRATIQUE_SECRETS_DIR", PQ_ECONFIG, err))
        return false;
    if (is_set(environment->system_dir) && pq_is_dir(environment->system_dir) &&
        !add_folder(secrets, environment->system_dir, NULL, PQ_ECONFIG, err))
        return false;
    PQ_AUTO_ERROR nowhere = {0};
    if (!pq_store_place_find(environment, &secrets->place, &nowhere))
        pq_detail("%s", nowhere.message); /* folders may be all that is needed */
    *out = pq_steal(secrets);
    return true;
}

void pq_secrets_close(pq_secrets *secrets)
{
    if (!secrets)
        return;
    for (size_t i = 0; i < secrets->count; i++)
        pq_tree_close(&secrets->folders[i].tree);
    pq_store_close(secrets->store);
    pq_store_place_clear(&secrets->place);
    free(secrets);
}

void pq_secrets_cleanup(pq_secrets **secrets)
{
    pq_secrets_close(*secrets);
}

void pq_secret_found_clear(pq_secret_found *found)
{
    pq_secret_free(found->value);
    free(found->where);
    pq_strings_clear(&found->hosts);
    *found = (pq_secret_found){0};
}

static bool read_in_folder(const folder *from, const char *name, const char *path, pq_secret **out, pq_error *err)
{
    PQ_AUTO_CLOSE int fd = pq_tree_open_file(&from->tree, name, NULL, err);
    struct stat status;
    if (fd < 0)
        return false;
    if (fstat(fd, &status) != 0)
        return pq_fail_errno(err, path, "cannot read the secret");
    if (status.st_size > (off_t)PQ_MAX_SECRET)
        return pq_fail(err, PQ_ECONFIG, path, NULL, "the secret is larger than %u bytes", PQ_MAX_SECRET);
    if ((status.st_mode & S_IROTH) && !from->hidden) {
        PQ_AUTO_FREE char *hint = pq_asprintf("chmod o-r %s", path);
        pq_warn(path, hint, "the secret can be read by every user of this machine");
    }
    PQ_AUTO_BUF bytes = PQ_SENSITIVE_BUF(PQ_MAX_SECRET);
    if (!pq_read_fd(fd, path, &bytes, err))
        return false;
    *out = pq_secret_from_buf(&bytes);
    return true;
}

static bool find_in_folder(const folder *from, const char *name, pq_secret_found *out, bool *out_found, pq_error *err)
{
    PQ_AUTO_FREE char *path = pq_path_join(from->tree.path, name);
    PQ_AUTO_ERROR trouble = {0};
    *out_found = read_in_folder(from, name, path, &out->value, &trouble);
    if (*out_found) {
        out->where = pq_steal(path);
        return true;
    }
    if (trouble.code == PQ_ENOTFOUND)
        return true;
    /* A file that is wrong is the caller's configuration; a failing read is the machine's. */
    return pq_fail(err, trouble.code == PQ_EINPUT ? PQ_ECONFIG : trouble.code, path, trouble.hint, "%s",
                   trouble.message);
}

static bool find_in_store(pq_secrets *secrets, const char *name, pq_secret_found *out, bool *out_found, pq_error *err)
{
    *out_found = false;
    if (!secrets->store && (!secrets->place.path || !pq_path_exists(secrets->place.path)))
        return true;
    if (!secrets->store && !open_store(&secrets->place, false, &secrets->store, err))
        return false;
    *out_found = pq_store_get(secrets->store, name, &out->value, &out->hosts, err);
    if (*out_found)
        out->where = pq_asprintf("%s: %s", secrets->place.path, name);
    return *out_found || err->code == PQ_ENOTFOUND;
}

static bool check_binding(const pq_secret_found *found, const char *name, const char *host, pq_error *err)
{
    if (!host || found->hosts.count == 0)
        return true;
    PQ_AUTO_FREE char *normal = NULL;
    if (!pq_secret_host(host, &normal, err))
        return false;
    if (pq_strings_have(&found->hosts, normal))
        return true;
    PQ_AUTO_BUF hosts = PQ_BUF(PQ_MAX_MESSAGE);
    for (size_t i = 0; i < found->hosts.count; i++)
        pq_buf_addf(&hosts, "%s%s", i ? ", " : "", found->hosts.at[i]);
    PQ_AUTO_FREE char *hint =
        pq_asprintf("if that is wanted, set it again with `pratique secrets update --for %s %s=VALUE`", normal, name);
    return pq_fail(err, PQ_ECONFIG, NULL, hint, "the secret %s is bound to %s and is not sent to %s", name,
                   pq_buf_text(&hosts), normal);
}

bool pq_secrets_find(pq_secrets *secrets, const char *name, const char *host, pq_secret_found *out, bool *out_found,
                     pq_error *err)
{
    if (!pq_secret_name_valid(name))
        return pq_fail(err, PQ_ECONFIG, NULL, "use letters, digits, dots, underscores and hyphens, and no leading dot",
                       "%s cannot be the name of a secret", name);
    PQ_AUTO_SECRET_FOUND found = {0};
    bool here = false;
    for (size_t i = 0; i < secrets->count && !here; i++)
        if (!find_in_folder(&secrets->folders[i], name, &found, &here, err))
            return false;
    if (!here && !find_in_store(secrets, name, &found, &here, err))
        return false;
    *out_found = here;
    if (!here) {
        pq_error_clear(err);
        return true;
    }
    if (!check_binding(&found, name, host, err))
        return false;
    *out = found;
    found = (pq_secret_found){0};
    return true;
}

static bool fail_missing(const pq_secrets *secrets, const char *name, pq_error *err)
{
    PQ_AUTO_BUF tried = PQ_BUF(PQ_MAX_MESSAGE);
    for (size_t i = 0; i < secrets->count; i++) {
        const folder *at = &secrets->folders[i];
        pq_buf_addf(&tried, "%s", at->tree.path);
        if (at->given_by)
            pq_buf_addf(&tried, " (%s)", at->given_by);
        pq_buf_adds(&tried, ", ");
    }
    if (!secrets->place.path)
        pq_buf_adds(&tried, "no store (neither $PRATIQUE_STORE nor $HOME is set)");
    else
        pq_buf_addf(&tried, "the store %s%s", secrets->place.path, secrets->store ? "" : ", which does not exist");
    PQ_AUTO_FREE char *hint = pq_asprintf("set it with `pratique secrets update %s=VALUE`", name);
    return pq_fail(err, PQ_ECONFIG, NULL, hint, "there is no secret named %s; looked in %s", name, pq_buf_text(&tried));
}

bool pq_secrets_get(pq_secrets *secrets, const char *name, const char *host, pq_secret **out, pq_error *err)
{
    PQ_AUTO_SECRET_FOUND found = {0};
    bool here = false;
    if (!pq_secrets_find(secrets, name, host, &found, &here, err))
        return false;
    if (!here)
        return fail_missing(secrets, name, err);
    *out = pq_steal(found.value);
    return true;
}

void pq_secrets_files(const pq_secrets *secrets, const char *name, pq_strings *out)
{
    for (size_t i = 0; i < secrets->count; i++)
        pq_strings_take(out, pq_path_join(secrets->folders[i].tree.path, name));
    if (secrets->place.path)
        pq_strings_add(out, secrets->place.path);
    if (secrets->place.key_path)
        pq_strings_add(out, secrets->place.key_path);
}
