/* pratique device setup: readies a device for its clients. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "base/docker_protocol.h"
#include "base/file.h"
#include "base/runtime_dir.h"
#include "base/trust.h"
#include "client/google_hosts.h"
#include "cmd/client_setup.h"
#include "cmd/commands.h"
#include "cmd/device_report.h"
#include "cmd/device_units.h"
#include "cmd/helper_place.h"
#include "device/files.h"
#include "device_example.h"

/* Of the socket unit; the group may ask there. */
#define DEVICE_SOCKET "/run/pratique-device/socket"
#define DEVICE_GROUP "pratique"

static const pq_option setup_options[] = {
    {"client", '\0', "NAME",
     "docker (default: config.json) or podman (containers/auth.json, also of buildah and skopeo); may be repeated."},
    {"into", '\0', "DIR", "Write the client's configuration into DIR, made if need be."},
    {"user", '\0', "NAME", "Write into the home of this user, as whom docker or podman is run."},
    {"socket", '\0', "PATH", "Where `device serve` listens; default " DEVICE_SOCKET "."},
    {"fix", '\0', NULL, "Mend owners and modes of the device's files."},
    {"no-units", '\0', NULL, "Leave the systemd units as they are."},
    {"undo", '\0', NULL, "Take away what setup has written, for HOST or for all, and disable the units."},
    {"dry-run", '\0', NULL, "Show what would change, and change nothing."},
    {0},
};

/* One run. */
typedef struct run {
    pq_cli *cli;
    const pq_arguments *arguments;
    pq_session session;
    pq_device_facts facts;
    pq_device_files files;
    bool dry_run, fix, undo;
    char *into;          /* absolute, or NULL */
    const char *socket;  /* absolute. Borrowed */
    struct passwd *user; /* of --user; NULL: ourselves. Of libc */
    char *home;          /* of that user */
    gid_t *groups;       /* ours, while we act as that user */
    int group_count;
    pq_client clients[2]; /* which, each once */
    size_t client_count;
    json_t *told; /* "clients" */
} run;

static void run_clear(run *r)
{
    pq_session_clear(&r->session);
    pq_device_facts_clear(&r->facts);
    pq_device_files_clear(&r->files);
    free(r->into);
    free(r->home);
    free(r->groups);
    json_decref(r->told);
}
#define AUTO_RUN PQ_CLEANUP(run_clear) run

static bool fail(run *r, pq_error *err)
{
    pq_cli_fail(r->cli, err);
    return false;
}

/* --- the command line --------------------------------------------------------------------------------------------- */

static void add_client(run *r, pq_client client)
{
    for (size_t i = 0; i < r->client_count; i++)
        if (r->clients[i] == client)
            return;
    r->clients[r->client_count++] = client;
}

/* Without a name: docker; to take back, whatever is bound. */
static bool read_clients(run *r)
{
    PQ_AUTO_STRINGS named = {0};
    pq_client client;
    pq_arguments_values(r->arguments, "client", &named);
    for (size_t i = 0; i < named.count; i++) {
        if (!pq_client_option(r->cli, named.at[i], &client))
            return false;
        add_client(r, client);
    }
    if (!named.count)
        add_client(r, PQ_CLIENT_DOCKER);
    if (!named.count && r->undo)
        add_client(r, PQ_CLIENT_PODMAN);
    return true;
}

static bool read_user(run *r)
{
    const char *name = pq_arguments_value(r->arguments, "user");
    if (!name)
        return true;
    errno = 0;
    r->user = getpwnam(name);
    if (!r->user)
        return pq_errors_add(&r->cli->errors, PQ_EUSAGE, name, NULL, "there is no such user on this machine");
    r->home = pq_strdup(r->user->pw_dir);
    if (*r->home != '/' || !pq_is_dir(r->home))
        return pq_errors_add(&r->cli->errors, PQ_EUSAGE, name, "make it, or use --into DIR",
                             "the user's home %s is not there", r->home);
    if (r->user->pw_uid == geteuid())
        r->user = NULL; /* that is us; but for the home */
    else if (geteuid() != 0)
        return pq_errors_add(&r->cli->errors, PQ_EUSAGE, NULL, NULL, "--user takes root");
    return true;
}

static bool read_command_line(run *r)
{
    const char *into = pq_arguments_value(r->arguments, "into");
    PQ_AUTO_ERROR err = {0};
    r->dry_run = pq_arguments_have(r->arguments, "dry-run");
    r->fix = pq_arguments_have(r->arguments, "fix");
    r->undo = pq_arguments_have(r->arguments, "undo");
    r->socket = pq_arguments_value(r->arguments, "socket");
    if (!r->socket)
        r->socket = DEVICE_SOCKET;
    if (r->cli->config_option)
        return pq_errors_add(&r->cli->errors, PQ_EUSAGE, NULL, "name a device.yml with --device-config",
                             "a device is set up from a device.yml");
    if (*r->socket != '/')
        return pq_errors_add(&r->cli->errors, PQ_EUSAGE, NULL, NULL, "--socket wants an absolute path");
    if (into && !pq_client_into(into, &r->into, &err))
        return fail(r, &err);
    return read_clients(r) && read_user(r);
}

/* --- files -------------------------------------------------------------------------------------------------------- */

static char *where_of(const run *r, const pq_device_file *file)
{
    PQ_AUTO_FREE char *line =
        file->line ? pq_config_where(&r->session.config, file->line) : pq_strdup(r->session.config.name);
    return pq_streq(line, file->path) ? pq_steal(line) : pq_asprintf("%s: %s", line, file->path);
}

static void show_mend(run *r, const pq_device_file *file)
{
    pq_print(r->cli, "--- %s\n+++ %s\n@@ mode, user @@\n-    %04o %u\n+    %04o %u\n", file->real, file->real,
             (unsigned)file->status.st_mode & 07777u, (unsigned)file->status.st_uid, (unsigned)file->mode,
             (unsigned)file->owner);
}

/* Taken from others, or closed to them, a folder of theirs would serve them no more. */
static const char *tell_lost(run *r, const pq_device_file *file, pq_errors *problems)
{
    static const char hint[] = "move the file into a folder that nobody else may write, such as /etc/pratique";
    PQ_AUTO_FREE char *where = where_of(r, file);
    bool others = file->status.st_uid != file->owner;
    (void)pq_errors_add(problems, PQ_ECONFIG, where, hint, "%s %s (mode %04o, user %u)", file->what,
                        others ? "belongs to another user" : "is one that others may put files into",
                        (unsigned)file->status.st_mode & 07777u, (unsigned)file->status.st_uid);
    return "bad";
}

/* One file; `problems` gets what is left as it is. */
static const char *treat_file(run *r, const pq_device_file *file, pq_errors *problems)
{
    PQ_AUTO_ERROR err = {0};
    if (!file->real)
        return "missing"; /* the check says so */
    if (pq_device_file_good(file))
        return "good";
    if (file->lost)
        return tell_lost(r, file, problems);
    if (r->fix && r->dry_run) {
        show_mend(r, file);
        return "to mend";
    }
    if (r->fix) {
        if (!pq_device_file_mend(file, &err)) {
            (void)fail(r, &err);
            return "bad";
        }
        pq_print(r->cli, "%s  mended: mode %04o, user %u\n", file->real, (unsigned)file->mode, (unsigned)file->owner);
        return "mended";
    }
    PQ_AUTO_FREE char *where = where_of(r, file);
    PQ_AUTO_FREE char *command = pq_device_file_command(file);
    bool seen = file->secret && (file->status.st_mode & (S_IRGRP | S_IROTH)) != 0;
    PQ_AUTO_FREE char *hint =
        pq_asprintf("%s, as --fix does%s", command, seen ? "; if others may have read it, have a new one made" : "");
    bool others = file->status.st_uid != file->owner;
    (void)pq_errors_add(problems, PQ_ECONFIG, where, hint, "%s %s (mode %04o, user %u)", file->what,
                        others         ? "belongs to another user"
                        : file->secret ? "can be read or changed by others"
                                       : "can be changed by others",
                        (unsigned)file->status.st_mode & 07777u, (unsigned)file->status.st_uid);
    return "bad";
}

static json_t *file_json(const pq_device_file *file, const char *state)
{
    json_t *one = json_object();
    PQ_AUTO_FREE char *command = pq_device_file_command(file);
    pq_json_set(one, "path", pq_json_text(file->path));
    pq_json_set(one, "what", json_string(file->what));
    pq_json_set(one, "state", json_string(state));
    pq_json_set(one, "command", pq_json_text(command));
    return one;
}

static void treat_files(run *r, pq_errors *problems)
{
    json_t *list = json_array();
    uid_t service = pq_device_units_user();
    pq_device_files_find(&r->session.config, r->session.config_path, service, &r->files);
    for (size_t i = 0; i < r->files.count; i++) {
        const char *state = treat_file(r, &r->files.at[i], problems);
        pq_json_append(list, file_json(&r->files.at[i], state));
    }
    if (r->cli->json)
        pq_json_set(r->cli->document, "files", list);
    else
        json_decref(list);
}

/* A mode is judged here and where the file is read: it is told once, and not at all if it would be mended. */
static bool is_of_bad_file(const run *r, const pq_error *err)
{
    if (!err->hint || !pq_starts_with(err->hint, "chmod") || (r->fix && !r->dry_run))
        return false;
    for (size_t i = 0; i < r->files.count; i++) {
        const pq_device_file *file = &r->files.at[i];
        bool named = (err->where && strstr(err->where, file->path)) || strstr(err->message, file->path);
        if (file->real && file->secret && !pq_device_file_good(file) && named)
            return true;
    }
    return false;
}

/* What `config check` does, and who may read and change the files. */
static bool check_device(run *r)
{
    PQ_AUTO_ERRORS problems = {0}, told = {0};
    treat_files(r, &problems);
    if (!pq_device_report_check(r->cli, &r->session, &r->facts))
        pq_errors_append(&told, &r->cli->errors);
    for (size_t i = 0; i < told.count; i++)
        if (!is_of_bad_file(r, &told.at[i]))
            pq_errors_take(&r->cli->errors, &told.at[i]);
    pq_errors_append(&r->cli->errors, &problems);
    pq_device_report(r->cli, &r->session, &r->facts);
    return r->cli->errors.count == 0;
}

/* --- what a binding says ------------------------------------------------------------------------------------------ */

/* The name that the registry is told; NULL when that is known only with the answer. */
static const char *user_of(const pq_config_registry *entry)
{
    if (entry->type == PQ_REGISTRY_AWS)
        return "AWS";
    return entry->auth == PQ_AUTH_ENTRA ? "00000000-0000-0000-0000-000000000000" : NULL;
}

/* Where this user's last answers lie, if they outlast the session that we run in; else NULL. Owned. */
static char *runtime_of(const run *r)
{
    PQ_AUTO_ERROR err = {0};
    char *folder = NULL;
    if (r->user)
        return NULL;
    pq_runtime_environment environment = pq_runtime_environment_read();
    if (environment.user == 0)
        environment.xdg_runtime_dir = NULL;
    if (!pq_runtime_dir_find(&environment, &folder, &err))
        pq_detail("answers are not kept for this user: %s", err.message);
    return folder;
}

static void make_blocks(run *r, const pq_strings *hosts, const char *program, const pq_client_binding *client,
                        pq_binding *out)
{
    PQ_AUTO_FREE char *runtime = runtime_of(r);
    PQ_AUTO_FREE char *beside = pq_binding_beside(client->path);
    for (size_t i = 0; i < hosts->count; i++) {
        const pq_config_registry *entry = pq_config_registry_for_host(&r->session.config, hosts->at[i]);
        if (pq_binding_find(out, pq_docker_hub_name(hosts->at[i])))
            continue;
        pq_bound *bound = pq_binding_add(out);
        pq_client_describe(&r->session, hosts->at[i], program, bound);
        bound->user = pq_strdup(user_of(entry));
        bound->socket = pq_strdup(r->socket);
        if (runtime) {
            PQ_AUTO_FREE char *name = pq_cache_answer_name(beside, bound->host);
            bound->cache = pq_path_join(runtime, name);
        }
    }
}

static bool find_hosts(run *r, pq_strings *out)
{
    const pq_config *config = &r->session.config;
    if (r->arguments->word_count)
        return pq_client_named_hosts(r->cli, &r->session, r->arguments, out);
    for (size_t i = 0; i < config->registry_count; i++) {
        if (config->registries[i].host.text)
            (void)pq_strings_add_once(out, config->registries[i].host.text);
        else
            pq_google_hosts(out);
    }
    return config->registry_count ||
           pq_errors_add(&r->cli->errors, PQ_ECONFIG, config->name, NULL, "names no registry to set up");
}

/* --- as another user ---------------------------------------------------------------------------------------------- */

/* What lies in a user's home is the user's to point elsewhere: it is written with the user's own rights. */
static bool become_user(run *r, pq_error *err)
{
    if (!r->user)
        return true;
    r->group_count = getgroups(0, NULL);
    free(r->groups);
    r->groups = pq_alloc((size_t)(r->group_count > 0 ? r->group_count : 1), sizeof *r->groups);
    if (r->group_count < 0 || getgroups(r->group_count, r->groups) != r->group_count)
        return pq_fail_errno(err, NULL, "the groups of this process cannot be read");
    if (initgroups(r->user->pw_name, r->user->pw_gid) != 0 || setegid(r->user->pw_gid) != 0 ||
        seteuid(r->user->pw_uid) != 0)
        return pq_fail_errno(err, r->user->pw_name, "cannot act as this user");
    return true;
}

static bool become_root_again(const run *r, pq_error *err)
{
    if (!r->user)
        return true;
    if (seteuid(getuid()) != 0 || setegid(getgid()) != 0 || setgroups((size_t)r->group_count, r->groups) != 0)
        return pq_fail_errno(err, NULL, "cannot be root again");
    return true;
}

/* True for what another configuration has bound, and for what this one still serves: named by it, or, where an entry is
 * for every registry of Google's, on the command line once. */
static bool is_current(void *context, const pq_bound *bound)
{
    const run *r = context;
    PQ_AUTO_FREE char *host = pq_docker_host(bound->host);
    return !pq_streq(bound->config, r->session.config_path) ||
           pq_config_registry_for_host(&r->session.config, host ? host : bound->host);
}

/* What this device.yml named once and names no more is not served: left bound, it would keep the client from logging in
 * by itself. */
static bool let_stale_go(run *r, pq_client_binding *client)
{
    PQ_AUTO_CLIENT_BINDING stale = {
        .client = client->client, .path = pq_strdup(client->path), .dry_run = client->dry_run};
    PQ_AUTO_FREE char *beside = pq_binding_beside(client->path);
    const pq_client_unbind_options options = {.of_devices = true, .stays = is_current, .context = r};
    if (r->arguments->word_count || !pq_path_exists(beside))
        return true;
    if (!pq_client_let_go(r->cli, &stale, &options))
        return false;
    for (size_t i = 0; i < stale.lines.count; i++)
        pq_strings_add(&client->lines, stale.lines.at[i]);
    return true;
}

static bool bind_client(run *r, pq_client_binding *client, const pq_binding *wanted)
{
    PQ_AUTO_ERROR err = {0};
    if (!pq_client_bind(client, wanted, &err))
        return fail(r, &err);
    return let_stale_go(r, client);
}

/* Binds or lets go, in one client's configuration. */
static bool treat_client(run *r, pq_client which, const pq_strings *hosts, const char *program)
{
    PQ_AUTO_CLIENT_BINDING client = {.client = which, .dry_run = r->dry_run};
    PQ_AUTO_BINDING wanted = {0};
    PQ_AUTO_ERROR err = {0}, second = {0};
    if (!pq_client_config_durable_place(which, r->into, r->home, &client.path, &err))
        return fail(r, &err);
    if (!r->undo)
        make_blocks(r, hosts, program, &client, &wanted);
    if (!become_user(r, &err))
        return fail(r, &err);
    const pq_client_unbind_options options = {.hosts = hosts, .of_devices = true};
    bool good = r->undo ? pq_client_let_go(r->cli, &client, &options) : bind_client(r, &client, &wanted);
    if (!become_root_again(r, &second))
        return fail(r, &second);
    if (!good)
        return false;
    json_t *registries = json_array();
    for (size_t i = 0; i < wanted.count; i++)
        pq_json_append(registries, pq_json_text(wanted.at[i].host));
    for (size_t i = 0; i < client.gone.count; i++)
        pq_json_append(registries, pq_json_text(client.gone.at[i]));
    pq_json_append(r->told, pq_client_report(r->cli, &client, registries));
    if (r->into && !r->undo)
        pq_client_tell_environment(&client);
    return true;
}

/* --- the group and the units -------------------------------------------------------------------------------------- */

static bool is_member(const char *name, gid_t primary, gid_t group)
{
    int count = 64;
    PQ_AUTO_FREE gid_t *groups = pq_alloc((size_t)count, sizeof *groups);
    if (getgrouplist(name, primary, groups, &count) < 0) {
        free(groups);
        groups = pq_alloc((size_t)count, sizeof *groups);
        if (getgrouplist(name, primary, groups, &count) < 0)
            return false;
    }
    for (int i = 0; i < count; i++)
        if (groups[i] == group)
            return true;
    return false;
}

/* Who is not root may ask only as one of the group. */
static void warn_of_group(const run *r)
{
    const struct passwd *user = r->user ? r->user : getpwuid(geteuid());
    if (!user || user->pw_uid == 0)
        return;
    const char *name = user->pw_name;
    const struct group *group = getgrnam(DEVICE_GROUP);
    PQ_AUTO_FREE char *join = pq_asprintf("usermod -aG " DEVICE_GROUP " %s; it holds from the next login on", name);
    PQ_AUTO_FREE char *make = pq_asprintf("groupadd --system " DEVICE_GROUP " && %s", join);
    if (!group)
        pq_warn(NULL, make, "there is no group " DEVICE_GROUP ", whose members may ask the device's service");
    else if (!is_member(name, user->pw_gid, group->gr_gid))
        pq_warn(NULL, join, "%s is not in the group " DEVICE_GROUP ", and the device's service answers only it", name);
}

static void units_json(run *r, const pq_device_units *units, const char *state, const char *why)
{
    if (!r->cli->json)
        return;
    json_t *told = json_object();
    pq_json_set(told, "state", json_string(state));
    pq_json_set(told, "reason", pq_json_text(why));
    pq_json_set(told, "command", pq_json_text(units->command));
    pq_json_set(r->cli->document, "units", told);
}

static void treat_units(run *r)
{
    PQ_AUTO_DEVICE_UNITS units = {0};
    PQ_AUTO_ERROR err = {0};
    pq_device_units_look(!r->undo, &units);
    /* Others may be bound still. */
    bool of_some = r->undo && (r->arguments->word_count || r->user || r->into);
    const char *why = pq_arguments_have(r->arguments, "no-units") ? "--no-units"
                      : of_some                                   ? "others may need them"
                                                                  : units.why;
    if (why) {
        units_json(r, &units, "left", why);
        if (!of_some)
            pq_print(r->cli, "units  left as they are: %s. By hand:\n  %s\n", why, units.command);
        if (!units.systemd && !r->undo)
            pq_print(r->cli,
                     "or, where there is no systemd, have this run from each start on, as root:\n"
                     "  pratique device serve --socket %s --group " DEVICE_GROUP "\n",
                     r->socket);
    } else if (r->dry_run) {
        units_json(r, &units, "to change", NULL);
        pq_print(r->cli, "@@ units @@\n+    %s\n", units.command);
    } else if (pq_device_units_change(&units, !r->undo, &err)) {
        units_json(r, &units, units.verb, NULL);
        pq_print(r->cli, "units  %s\n", units.verb);
    } else {
        units_json(r, &units, "failed", err.message);
        (void)fail(r, &err);
    }
}

/* --- the command -------------------------------------------------------------------------------------------------- */

static bool prepare(run *r, pq_strings *hosts, char **program)
{
    PQ_AUTO_FREE char *helper = NULL;
    PQ_AUTO_ERROR err = {0};
    if (!pq_session_read_device(&r->session, r->cli, NULL))
        return false;
    if (r->cli->json)
        pq_json_set(r->cli->document, "config", pq_json_text(r->session.config_path));
    if (!pq_program_place(program, &err) || !pq_helper_place(&helper, &err) || !pq_trust_file(*program, &err))
        return fail(r, &err);
    if (!pq_session_open_secrets(&r->session, r->cli))
        return false;
    bool good = check_device(r);
    if (!find_hosts(r, hosts) || !good)
        return false;
    pq_client_warn_of_path(helper);
    return true;
}

static void undo_hosts(run *r, pq_strings *out)
{
    for (size_t i = 0; i < r->arguments->word_count; i++) {
        const char *word = r->arguments->words[i];
        PQ_AUTO_FREE char *host = pq_docker_host(word);
        (void)pq_strings_add_once(out, host ? host : word);
    }
}

static void device_setup(pq_cli *cli, const pq_arguments *arguments)
{
    AUTO_RUN r = {.cli = cli, .arguments = arguments, .told = json_array()};
    PQ_AUTO_STRINGS hosts = {0};
    PQ_AUTO_FREE char *program = NULL;
    if (!read_command_line(&r))
        return;
    if (r.undo)
        undo_hosts(&r, &hosts);
    else if (!prepare(&r, &hosts, &program))
        return;
    bool good = true;
    for (size_t i = 0; good && i < r.client_count; i++)
        good = treat_client(&r, r.clients[i], &hosts, program);
    if (cli->json)
        pq_json_set(cli->document, "clients", json_incref(r.told));
    if (!good)
        return;
    if (!r.undo)
        warn_of_group(&r);
    treat_units(&r);
}

const pq_command pq_cmd_device_setup = {
    .name = "device setup",
    .synopsis = "[HOST]...",
    .summary = "ready a device: its clients' configuration, its files, its units",
    .description =
        "Readies a device for docker and podman, as root as a rule. Reads /etc/pratique/device.yml (or "
        "--device-config) and "
        "checks "
        "it as `config check` does, and that nobody else can read or change the files that it names. Then docker's or "
        "podman's configuration names the credential helper for the device's registries (or only HOST), a binding "
        "beside it tells the helper where to ask, and the units of the service that holds the device's key are enabled "
        "where systemd runs. What else is in the client's configuration stays. Nothing is sent anywhere and no secret "
        "is written. Run again, it changes nothing; after a change of device.yml, run it again: without HOST it also "
        "lets go what this device.yml names no more.\n\n"
        "podman is written to where it looks after a start of the machine too (~/.config/containers/auth.json). "
        "`pratique device check` tries the whole way afterwards.",
    .examples = "$ pratique device setup --dry-run\n"
                "$ pratique device setup --client docker --client podman\n"
                "$ pratique device setup --user compose --fix\n"
                "$ pratique device setup --undo\n"
                "\n" PQ_DEVICE_EXAMPLE,
    .options = setup_options,
    .least = 0,
    .most = SIZE_MAX,
    .run = device_setup,
};
