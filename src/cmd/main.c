/* pratique: finds the command, reads the global options, runs, prints. */
#include <string.h>
#include <unistd.h>

#include "auth/common/json_memory.h"
#include "base/file.h"
#include "base/secret.h"
#include "base/signals.h"
#include "cmd/cli.h"
#include "cmd/commands.h"

static const pq_command *const commands[] = {
#ifndef PRATIQUE_DEVICE_ONLY
    &pq_cmd_secrets_update,
    &pq_cmd_secrets_list,
    &pq_cmd_secrets_rekey,
#endif
    &pq_cmd_config_check,
#ifndef PRATIQUE_DEVICE_ONLY
    &pq_cmd_images,
    &pq_cmd_check,
    &pq_cmd_policy,
    &pq_cmd_login,
    &pq_cmd_logout,
#endif
    &pq_cmd_credential_get,
    &pq_cmd_credential_store,
    &pq_cmd_credential_erase,
    &pq_cmd_credential_list,
    &pq_cmd_credential_kubelet,
    &pq_cmd_device_setup,
    &pq_cmd_device_check,
    &pq_cmd_device_serve,
#ifndef PRATIQUE_DEVICE_ONLY
    &pq_cmd_tuf_init,
    &pq_cmd_target_build,
    &pq_cmd_target_show,
    &pq_cmd_target_verify,
#endif
};
enum { COMMANDS = sizeof commands / sizeof *commands };

#ifdef PRATIQUE_DEVICE_ONLY
#define OF_AN_UNKNOWN_COMMAND "this is the program of devices, which has fewer commands; see `pratique --help`"
#else
#define OF_AN_UNKNOWN_COMMAND "see `pratique --help`"
#endif

static const pq_program program = {
#ifdef PRATIQUE_DEVICE_ONLY
    .about =
        "Read-only access to private container registries for a device, without hard-coded credentials. This is the "
        "program of devices: the commands that CI needs are in the whole one, which has the same name.",
    .examples = "$ pratique device check            can this device pull, and if not, why?\n"
#else
    .about = "Read-only access to private container registries without hard-coded credentials, and Targets (pinned, "
             "signed releases) from repositories that depend on private images.",
    .examples = "$ pratique check containers/       is all there that a build needs?\n"
#endif
                "$ pratique COMMAND --help          what a command does\n",
    .commands = commands,
    .count = COMMANDS,
};

/* How many words of argv name the command: 0, 1 or 2. */
static int match_command(const pq_command *command, int count, char **argv)
{
    const char *space = strchr(command->name, ' ');
    size_t first = space ? (size_t)(space - command->name) : strlen(command->name);
    if (count < 1 || strlen(argv[0]) != first || memcmp(argv[0], command->name, first) != 0)
        return 0;
    if (!space)
        return 1;
    return count >= 2 && strcmp(argv[1], space + 1) == 0 ? 2 : 0;
}

static void unknown_command(pq_cli *cli, int count, char **argv)
{
    PQ_AUTO_FREE char *typed =
        count > 1 && argv[1][0] != '-' ? pq_asprintf("%s %s", argv[0], argv[1]) : pq_strdup(argv[0]);
    const char *names[COMMANDS];
    PQ_AUTO_BUF group = PQ_BUF(1024);
    for (size_t i = 0; i < COMMANDS; i++) {
        names[i] = commands[i]->name;
        size_t length = strlen(argv[0]);
        if (strncmp(names[i], argv[0], length) == 0 && names[i][length] == ' ')
            pq_buf_addf(&group, "%s%s", group.length ? ", " : "", names[i]);
    }
    const char *near = pq_nearest(typed, names, COMMANDS);
    if (!near)
        near = pq_nearest(argv[0], names, COMMANDS);
    PQ_AUTO_FREE char *hint = group.length ? pq_asprintf("there is: %s", pq_buf_text(&group))
                              : near       ? pq_asprintf("did you mean `%s`?", near)
                                           : pq_strdup(OF_AN_UNKNOWN_COMMAND);
    const char *what = group.length && pq_streq(typed, argv[0]) ? "which command of" : "unknown command";
    (void)pq_errors_add(&cli->errors, PQ_EUSAGE, NULL, hint, "%s %s", what, typed);
}

static bool apply_globals(pq_cli *cli, const pq_arguments *given)
{
    cli->json = cli->json || pq_arguments_have(given, "json");
    pq_level level = pq_log_level();
    if (pq_arguments_have(given, "quiet"))
        level = PQ_QUIET;
    if (pq_arguments_have(given, "verbose"))
        level = PQ_VERBOSE;
    static bool progress = true;
    progress = progress && !pq_arguments_have(given, "no-progress");
    pq_log_setup(level, progress);
    if (pq_arguments_have(given, "config"))
        cli->config_option = pq_arguments_value(given, "config");
    if (pq_arguments_have(given, "device-config"))
        cli->device_option = pq_arguments_value(given, "device-config");
    if (cli->config_option && cli->device_option)
        return pq_errors_add(&cli->errors, PQ_EUSAGE, NULL, "give one of them",
                             "--config and --device-config exclude each other");
    if (pq_arguments_have(given, "secrets"))
        cli->secrets_option = pq_arguments_value(given, "secrets");
    const char *folder = pq_arguments_value(given, "directory");
    if (folder && chdir(folder) != 0) {
        PQ_AUTO_ERROR err = {0};
        (void)pq_fail_errno(&err, folder, "cannot work there");
        err.code = PQ_EUSAGE;
        pq_cli_fail(cli, &err);
        return false;
    }
    return true;
}

/* `pratique secrets --help`: the commands of that group. False when there is no such group. */
static bool show_group(pq_cli *cli, const char *group)
{
    size_t length = strlen(group), found = 0;
    for (size_t i = 0; i < COMMANDS; i++)
        if (strncmp(commands[i]->name, group, length) == 0 && commands[i]->name[length] == ' ') {
            cli->json = false;
            pq_print(cli, "%-20s%s\n", commands[i]->name, commands[i]->summary);
            found++;
        }
    return found > 0;
}

static void show_help(pq_cli *cli, int count, char **argv)
{
    for (size_t i = 0; count > 0 && i < COMMANDS; i++)
        if (match_command(commands[i], count, argv)) {
            pq_command_help(commands[i], &cli->out);
            return;
        }
    if (count > 0)
        unknown_command(cli, count, argv);
    else
        pq_program_help(&program, &cli->out);
}

static void dispatch(pq_cli *cli, int count, char **argv, pq_arguments *global, pq_arguments *own)
{
    int used = 0;
    char version[] = "version";
    if (count == 1 && strcmp(argv[0], "--version") == 0)
        argv[0] = version; /* what every other program takes */
    if (!pq_arguments_parse(NULL, count, argv, &used, global, &cli->errors) || !apply_globals(cli, global))
        return;
    argv += used;
    count -= used;
    if (count == 0 && !pq_arguments_have(global, "help")) {
        (void)pq_errors_add(&cli->errors, PQ_EUSAGE, NULL, "see `pratique --help`", "which command?");
        return;
    }
    if (count == 0 || strcmp(argv[0], "help") == 0) {
        cli->json = false;
        show_help(cli, count > 0 ? count - 1 : 0, argv + 1);
        return;
    }
    if (strcmp(argv[0], "version") == 0) {
        cli->document = json_pack("{s:s}", "version", PRATIQUE_VERSION);
        pq_print(cli, "pratique %s\n", PRATIQUE_VERSION);
        return;
    }
    for (size_t i = 0; i < COMMANDS; i++) {
        int words = match_command(commands[i], count, argv);
        if (words == 0)
            continue;
        bool good = pq_arguments_parse(commands[i], count - words, argv + words, &used, own, &cli->errors);
        cli->json = cli->json || pq_arguments_have(own, "json"); /* also for what is wrong with the others */
        if (!good || !apply_globals(cli, own))
            return;
        if (pq_arguments_have(own, "help") || pq_arguments_have(global, "help")) {
            cli->json = false;
            pq_command_help(commands[i], &cli->out);
        } else {
            if (cli->json)
                cli->document = json_object();
            commands[i]->run(cli, own);
        }
        return;
    }
    for (int i = 1; i < count; i++)
        cli->json = cli->json || strcmp(argv[i], "--json") == 0;
    if (count > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) && show_group(cli, argv[0]))
        return;
    unknown_command(cli, count, argv);
}

int main(int argc, char **argv)
{
    if (!pq_hold_standard_streams())
        return 1;
    pq_json_wipe_memory(); /* answers with tokens pass through jansson */
    pq_secret_harden_process();
    pq_signals_setup();
    pq_log_setup(PQ_NORMAL, true);
    PQ_CLEANUP(pq_cli_clear)
    pq_cli cli = {.out = PQ_BUF(SIZE_MAX / 2)};
    PQ_AUTO_ARGUMENTS global = {0}, own = {0};
    dispatch(&cli, argc > 0 ? argc - 1 : 0, argv + 1, &global, &own);
    return pq_cli_finish(&cli);
}
